"""View `timeline`: one document per event, for the life of a customer in the order in which it happened.

{_id: "<log>:<position>", customers, at, recorded_at, type, actor, channel, purpose, command, correlation, summary,
 record: {id, stream, seq, v, causation, depth, customer, rest, sealed}}

`customers` are all whom the fact concerns. `summary` holds the event's general and business fields, nothing sealed.
`record` is what is missing to make the event again, for customers as of an instant: `rest` the open fields that are in
no summary, `sealed` the sealed parts as they are stored, without their content once the subject was erased.
"""

from datetime import datetime
from typing import cast

from services.projections.views.membership import MOVES
from services.projections.views.view import ACCESS, Document, Filter, View, WorkingSet
from shared.eventlog.mapper import ActorRecord, Record
from shared.events.catalogue import NEWEST
from shared.events.envelope import Contract, Erased, Recorded, SealedPart, instant
from shared.events.identity import Linked, Separated

_TOLD = {name: contract for name, contract in NEWEST.items() if name not in ACCESS}
SHOWN = (
    "customers",
    "at",
    "recorded_at",
    "type",
    "actor",
    "channel",
    "purpose",
    "command",
    "correlation",
    "summary",
)
_GONE = {"key": "", "nonce": "", "ct": ""}
_OPEN_FIELDS = {name: tuple(sorted(set(contract.LEVELS) - contract.SEALED)) for name, contract in _TOLD.items()}
_USUAL = {
    name: tuple(
        (field, told.get_default(call_default_factory=True))
        for field, told in contract.model_fields.items()
        if field in _OPEN_FIELDS[name]
    )
    for name, contract in _TOLD.items()
}
"""Type -> its open fields, each with its default."""


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


def shown(document: Document) -> Document:
    """The document as an answer: without what only serves to make the event again."""
    return {"id": document["_id"], **{name: document[name] for name in SHOWN}}


def place_of(document: Document) -> tuple[str, int]:
    """The log and the position of a document's event."""
    log, _, position = document["_id"].partition(":")
    return log, int(position)


def record_of(document: Document) -> Record:
    """The record of a document's event, still sealed, at the newest version of its type."""
    kept = document["record"]
    sealed = {
        part["subject"]: SealedPart(part["key"], part["nonce"], part["ct"], tuple(part["fields"]))
        for part in kept["sealed"]
    }
    return Record(
        id=kept["id"],
        type=document["type"],
        v=kept["v"],
        log=place_of(document)[0],
        stream=kept["stream"],
        seq=kept["seq"],
        recorded_at=document["recorded_at"],
        occurred_at=document["at"],
        actor=ActorRecord(**document["actor"]),
        channel=document["channel"],
        purpose=document["purpose"],
        command=document["command"],
        correlation=document["correlation"],
        causation=kept["causation"],
        depth=kept["depth"],
        customer=kept["customer"],
        data={**document["summary"], **kept["rest"]},
        sealed=sealed,
    )


def _fold(working: WorkingSet, event: Recorded) -> None:
    if event.position is None:
        raise ValueError(f"event {event.id} has no position")
    summary = _summary(event.type, event.data)
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
            "summary": summary,
            "record": {
                "id": event.id,
                "stream": event.stream,
                "seq": event.seq,
                "v": event.data.VERSION,
                "causation": event.causation,
                "depth": event.depth,
                "customer": event.customer,
                "rest": _rest(event.type, event.data, summary),
                "sealed": [_part(subject, part, event.data) for subject, part in event.sealed.items()],
            },
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


def _rest(event_type: str, data: Contract, summary: Document) -> Document:
    """The open fields that are neither in the summary nor what they are anyway."""
    left = {
        name
        for name, usual in _USUAL[event_type]
        if name not in summary and (value := getattr(data, name)) is not None and value != usual
    }
    return data.model_dump(mode="json", include=left) if left else {}


def _part(subject: str, part: SealedPart, data: Contract) -> Document:
    gone = isinstance(getattr(data, part.fields[0], None), Erased)
    content = _GONE if gone else {"key": part.key, "nonce": part.nonce, "ct": part.ct}
    return {"subject": subject, "fields": list(part.fields), **content}


def _purge(document: Document, subject: str) -> None:
    for part in document["record"]["sealed"]:
        if part["subject"] == subject:
            part.update(_GONE)


def _of_subject(subject: str) -> Filter:
    return {"customers": subject}


TIMELINE = View(
    name="timeline",
    version=2,
    folds=dict.fromkeys(_TOLD, _fold),
    ignored=ACCESS,
    wanted=lambda _: None,
    levels={f"{contract.TYPE}.{name}": "sealed" for contract in _TOLD.values() for name in sorted(contract.SEALED)},
    indexes=((("customers", 1), ("at", 1), ("_id", 1)),),
    of_subject=_of_subject,
    purge=_purge,
)
