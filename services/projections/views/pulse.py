"""View `pulse`: how many events of which type every log took on a day (UTC, by the time of recording).

{_id: "<day>/<log>", day, log, types: {type: count}}
"""

from collections.abc import Sequence

from services.projections.views.view import ACCESS, Document, Filter, View, WorkingSet
from shared.events.catalogue import NEWEST
from shared.events.envelope import Recorded

_COUNTED = {name: contract for name, contract in NEWEST.items() if name not in ACCESS}


def between(first: str | None, last: str | None) -> Filter:
    """Filter of the days from `first` to `last`, both included."""
    days = {operator: day for operator, day in (("$gte", first), ("$lte", last)) if day is not None}
    return {"day": days} if days else {}


def _wanted(events: Sequence[Recorded]) -> Filter | None:
    return {"_id": {"$in": list({_key(event) for event in events})}} if events else None


def _fold(working: WorkingSet, event: Recorded) -> None:
    key = _key(event)
    document = working.get(key)
    if document is None:
        document = {"_id": key, "day": event.recorded_at[:10], "log": event.log, "types": {}}
    types = document["types"]
    types[event.type] = types.get(event.type, 0) + 1
    working.put(document)


def _key(event: Recorded) -> str:
    return f"{event.recorded_at[:10]}/{event.log}"


def _of_subject(subject: str) -> Filter:  # noqa: ARG001
    return {"_id": {"$in": []}}


def _purge(document: Document, subject: str) -> None:
    """Counts say nothing about a subject."""


PULSE = View(
    name="pulse",
    version=1,
    folds=dict.fromkeys(_COUNTED, _fold),
    ignored=ACCESS,
    wanted=_wanted,
    levels={f"{contract.TYPE}.{name}": "absent" for contract in _COUNTED.values() for name in sorted(contract.SEALED)},
    indexes=(),
    of_subject=_of_subject,
    purge=_purge,
)
