"""View `numbers`: every number a customer was ever known by, for ever.

{_id: number | alias | "source:<source>:<external id>", customer, kind, log, position}

The first holder of a number keeps it: of two facts the one with the lower (log, position) holds.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from services.projections.views.view import Document, Filter, View, WorkingSet
from shared.events.catalogue import NEWEST
from shared.events.customer import CustomerRegistered
from shared.events.envelope import Recorded
from shared.events.identity import AliasAdded, NumberAssigned


def source_key(source: str, external_id: str) -> str:
    """The id of what another system calls a customer."""
    return f"source:{source}:{external_id}"


def _of_number(data: NumberAssigned) -> tuple[str, str] | None:
    return data.number, "number"


def _of_alias(data: AliasAdded) -> tuple[str, str] | None:
    return data.alias, data.kind


def _of_registration(data: CustomerRegistered) -> tuple[str, str] | None:
    return None if data.external_id is None else (source_key(data.source, data.external_id), "source")


_NAMED: Mapping[str, Callable[[Any], tuple[str, str] | None]] = {
    NumberAssigned.TYPE: _of_number,
    AliasAdded.TYPE: _of_alias,
    CustomerRegistered.TYPE: _of_registration,
}
"""Type -> the number that an event names, and its kind."""


def _fold(working: WorkingSet, event: Recorded) -> None:
    named = _NAMED[event.type](event.data)
    if named is None:
        return
    if event.position is None:
        raise ValueError(f"event {event.id} has no position")
    key, kind = named
    known = working.get(key)
    if known is None or (event.log, event.position) < (known["log"], known["position"]):
        working.put(
            {"_id": key, "customer": event.customer, "kind": kind, "log": event.log, "position": event.position}
        )


def _wanted(events: Sequence[Recorded]) -> Filter | None:
    keys = [
        named[0] for event in events if event.type in _NAMED and (named := _NAMED[event.type](event.data)) is not None
    ]
    return {"_id": {"$in": keys}} if keys else None


def _of_subject(subject: str) -> Filter:  # noqa: ARG001
    return {"_id": {"$in": []}}


def _purge(document: Document, subject: str) -> None:
    """Nothing sealed stands here."""


NUMBERS = View(
    name="numbers",
    version=1,
    folds=dict.fromkeys(_NAMED, _fold),
    ignored=frozenset(NEWEST) - frozenset(_NAMED),
    wanted=_wanted,
    levels={f"{CustomerRegistered.TYPE}.{name}": "absent" for name in sorted(CustomerRegistered.SEALED)},
    indexes=(),
    of_subject=_of_subject,
    purge=_purge,
)
