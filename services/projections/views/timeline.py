"""View `timeline`: one document per event, for the life of a customer in the order in which it happened.

{_id: "<log>:<position>", customers, at, recorded_at, type, actor, channel, purpose, command, correlation, summary}

`customers` are all whom the fact concerns. `summary` holds the event's general and business fields, nothing sealed.
"""

from datetime import datetime
from typing import cast

from services.projections.views.membership import MOVES
from services.projections.views.view import ACCESS, Document, Filter, View, WorkingSet
from shared.events.catalogue import NEWEST
from shared.events.envelope import Contract, Recorded, instant
from shared.events.identity import Linked, Separated

_TOLD = {name: contract for name, contract in NEWEST.items() if name not in ACCESS}
_OPEN_FIELDS = {name: tuple(sorted(set(contract.LEVELS) - contract.SEALED)) for name, contract in _TOLD.items()}


def of_customers(
    customers: list[str], *, event_type: str | None = None, after: tuple[str, str] | None = None
) -> Filter:
    """Filter of what concerns any of the customers, later than the (at, _id) of `after`."""
    found: Filter = {"customers": {"$in": customers}}
    if event_type is not None:
        found["type"] = event_type
    if after is not None:
        at, key = after
        found["$or"] = [{"at": {"$gt": at}}, {"at": at, "_id": {"$gt": key}}]
    return found


def _fold(working: WorkingSet, event: Recorded) -> None:
    if event.position is None:
        raise ValueError(f"event {event.id} has no position")
    working.put(
        {
            "_id": f"{event.log}:{event.position}",
            "customers": _concerned(event),
            "at": event.occurred_at,
            "recorded_at": event.recorded_at,
            "type": event.type,
            "actor": {"id": event.actor.id, "kind": event.actor.kind},
            "channel": event.channel,
            "purpose": event.purpose,
            "command": event.command,
            "correlation": event.correlation,
            "summary": _summary(event.type, event.data),
        }
    )


def _concerned(event: Recorded) -> list[str]:
    if event.type not in MOVES:
        return [event.customer]
    data = cast("Linked | Separated", event.data)
    return sorted({event.customer, data.a, data.b, *(move.customer for move in data.moves)})


def _summary(event_type: str, data: Contract) -> Document:
    summary: Document = {}
    for name in _OPEN_FIELDS[event_type]:
        value = getattr(data, name)
        kind = type(value)
        if kind is str or kind is int or kind is bool:
            summary[name] = value
        elif value is None:
            continue
        elif isinstance(value, datetime):
            summary[name] = instant(value)
        elif isinstance(value, tuple):
            # Order lines and moves are more than a summary; codes are not.
            if value and isinstance(value[0], str):
                summary[name] = list(value)
        elif isinstance(value, dict) and value:
            summary[name] = dict(value)
    return summary


def _purge(document: Document, subject: str) -> None:
    """Nothing sealed stands here."""


def _of_subject(subject: str) -> Filter:
    return {"customers": subject}


TIMELINE = View(
    name="timeline",
    version=1,
    folds=dict.fromkeys(_TOLD, _fold),
    ignored=ACCESS,
    wanted=lambda _: None,
    levels={f"{contract.TYPE}.{name}": "absent" for contract in _TOLD.values() for name in sorted(contract.SEALED)},
    indexes=((("customers", 1), ("at", 1), ("_id", 1)),),
    of_subject=_of_subject,
    purge=_purge,
)
