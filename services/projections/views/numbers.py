"""View `numbers`: every number a customer was ever known by, for ever.

{_id: number | alias | "source:<source>:<external id>", customer, kind, log, position}

The first holder of a number keeps it: of two facts the one with the lower (log, position) holds.
"""

from collections.abc import Sequence

from services.projections.views.view import Document, Filter, View, WorkingSet
from shared.events.catalogue import NEWEST
from shared.events.customer import CustomerRegistered
from shared.events.envelope import Recorded
from shared.events.identity import AliasAdded, NumberAssigned


def source_key(source: str, external_id: str) -> str:
    """The id of what another system calls a customer."""
    return f"source:{source}:{external_id}"


def of_customer(customers: list[str]) -> Filter:
    """Filter of all numbers of these customers."""
    return {"customer": {"$in": customers}}


def _named(event: Recorded) -> tuple[str, str] | None:
    match event.data:
        case NumberAssigned(number=number):
            return number, "number"
        case AliasAdded(alias=alias, kind=kind):
            return alias, kind
        case CustomerRegistered(source=source, external_id=str(external_id)):
            return source_key(source, external_id), "source"
        case _:
            return None


def _fold(working: WorkingSet, event: Recorded) -> None:
    named = _named(event)
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
    keys = [named[0] for event in events if event.type in _FOLDS and (named := _named(event)) is not None]
    return {"_id": {"$in": keys}} if keys else None


def _of_subject(subject: str) -> Filter:
    return {"customer": subject}


def _purge(document: Document, subject: str) -> None:
    """Nothing sealed stands here."""


_FOLDS = dict.fromkeys((NumberAssigned.TYPE, AliasAdded.TYPE, CustomerRegistered.TYPE), _fold)

NUMBERS = View(
    name="numbers",
    version=1,
    folds=_FOLDS,
    ignored=frozenset(NEWEST) - frozenset(_FOLDS),
    wanted=_wanted,
    levels={f"{CustomerRegistered.TYPE}.{name}": "absent" for name in sorted(CustomerRegistered.SEALED)},
    indexes=((("customer", 1),),),
    of_subject=_of_subject,
    purge=_purge,
)
