"""A small run without a fault, made up: every part of its evidence fits every other. Tests damage one part of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import orjson
from msgspec.structs import replace as with_values

from services.projections.fold import fold_all
from shared.events import customer as told
from shared.events.access import PersonalDataRead
from shared.events.envelope import Contract, Recorded
from shared.events.identity import Linked, Move, NumberAssigned
from shared.events.notifications import MessageSent, ReminderCancelled, ReminderFired, ReminderPlanned
from shared.ids import derive
from shared.topics import partition_of
from tests.faults.checker.evidence import CONSUMED, Attempt, Evidence, Logged, OnTopic, Spooled
from tests.faults.checker.topics import expected_prev
from tests.support.events import START, History, an_id, customer_registered

ADA, BOB, CY = sorted(an_id(name) for name in ("ada", "bob", "cy"))
DUE, TAKEN_BACK = an_id("due"), an_id("taken back")
MESSAGE = derive("message", DUE, "spool")
LOGS = ("customer", "identity", "notifications", "access")
PARTITIONS = 12
NOW = START + timedelta(days=2)


def whole() -> Evidence:
    """Three customers, two of them one person; a reminder that fired and one that was cancelled."""
    history = History()
    for customer in (ADA, BOB, CY):
        history.tell(customer, customer_registered(f"Name {customer}", "+49301234567", external_id=f"x-{customer}"))
    history.tell(ADA, told.NameCorrected(name=told.Name(full="Ada Lovelace")))
    order = told.OrderPlaced(order_id=an_id("order"), reference="r-1", currency="EUR", total="7.50")
    history.tell(ADA, order, stream=f"order-{an_id('order')}")
    for serial, customer in enumerate((ADA, BOB, CY), start=1):
        history.tell(customer, NumberAssigned(number=f"C000000{serial}", rule="r.v1", serial=serial))
    history.tell(BOB, linked(ADA, BOB, (BOB, ADA)))
    history.tell(ADA, planned(DUE), ReminderFired(reminder_id=DUE, kind="follow_up"), stream=f"reminder-{DUE}")
    sent = MessageSent(message_id=MESSAGE, reminder_id=DUE, channel="spool")
    history.tell(ADA, sent, stream=f"reminder-{DUE}")
    cancelled = ReminderCancelled(reminder_id=TAKEN_BACK, reason="done")
    history.tell(CY, planned(TAKEN_BACK), cancelled, stream=f"reminder-{TAKEN_BACK}")
    read = PersonalDataRead(operation="GET /customers/{ref}", fields=("contacts", "name"))
    history.tell(ADA, read, stream=f"access-{an_id('read')}")
    return evidence_of(history.events)


def linked(a: str, b: str, *moves: tuple[str, str], by: str = "rules.v1") -> Linked:
    told_moves = tuple(Move(customer=customer, identity=identity) for customer, identity in moves)
    return Linked(a=a, b=b, evidence=("same_identifier",), decided_by=by, moves=told_moves)


def planned(reminder: str, due: timedelta = timedelta(0)) -> ReminderPlanned:
    at = START + due
    return ReminderPlanned(reminder_id=reminder, kind="follow_up", due_at=at, local_date=at.date(), zone="UTC")


def evidence_of(events: Sequence[Recorded], **parts: Any) -> Evidence:
    """Evidence in which these events went everywhere they belong."""
    rows = {log: [row_of(event) for event in events if event.log == log] for log in LOGS}
    topics = {f"{log}.events": published(of_log) for log, of_log in rows.items()}
    every: dict[str, Any] = {
        "read_at": NOW,
        "logs": rows,
        "topics": topics,
        "views": {view: list(documents.values()) for view, documents in fold_all(list(events)).items()},
        "attempts": [
            question_of(event) if event.log == "access" else attempt_of(event)
            for event in events
            if event.log in ("customer", "access")
        ],
        "remembered": {"customer": {e.command: _answer(e) for e in events if e.log == "customer"}},
        "reservations": _reservations(events),
        "members": {ADA: ADA, BOB: ADA, CY: CY},
        "links": frozenset({(ADA, BOB)}),
        "positions": {
            consumer: _ends([record for topic in read for record in topics[topic]])
            for consumer, read in CONSUMED.items()
        },
        "spool": [Spooled(MESSAGE, {"id": MESSAGE, "reminder": DUE})],
        "answers": {ADA: answer_of(ADA)},
        "numbers": {"C0000001": ADA},
        "ready": {
            service: {"ok": True, "checks": {"postgres": "ok"}, "lag": {"relay": 0}}
            for service in ("customer", "identity", "notifications", "projections")
        },
        "leaks": [],
    }
    return Evidence(**(every | parts))


def row_of(event: Recorded) -> Logged:
    """The row that holds an event."""
    head = {name: getattr(event, name) for name in ("id", "type", "log", "customer", "recorded_at")}
    state = orjson.dumps({**head, "v": event.version})
    return Logged(event.log, event.position or 0, event.stream, event.seq, event.customer, state, event)


def published(rows: Sequence[Logged]) -> list[OnTopic]:
    """What a relay makes of a log."""
    places = expected_prev(rows, PARTITIONS)
    return [record_of(row, offset, places[row.position][1]) for offset, row in enumerate(rows)]


def record_of(row: Logged, offset: int, prev: int) -> OnTopic:
    event = row.event
    assert event is not None
    headers = {
        "ce_specversion": "1.0",
        "ce_id": event.id,
        "ce_type": f"{event.type}.v{event.version}",
        "ce_source": f"/custlog/{event.log}",
        "ce_subject": event.customer,
        "ce_time": event.recorded_at,
        "content-type": "application/json",
        "position": str(row.position),
        "prev": str(prev),
    }
    return OnTopic(
        f"{row.log}.events",
        partition_of(event.customer, PARTITIONS),
        offset,
        event.customer.encode(),
        row.state,
        {name: value.encode() for name, value in headers.items()},
    )


def attempt_of(event: Recorded, **parts: Any) -> Attempt:
    """The call that led to an event, as if its body had the fields of the event."""
    at = float(event.position or 0)
    every: dict[str, Any] = {
        "n": event.position or 0,
        "attempt": 1,
        "at": at,
        "op": "some",
        "service": event.log,
        "user": "u1",
        "key": f"k{event.position}",
        "command": event.command,
        "path": "/customers",
        "body": event.data.model_dump(mode="json"),
        "outcome": "ok",
        "answered_at": at + 0.5,
        "status": 201,
        "answer": _answer(event),
    }
    return Attempt(**(every | parts))


def question_of(event: Recorded, **parts: Any) -> Attempt:
    """The question whose answer a record of a read is about."""
    shown = [{"of": [event.customer], "fields": list(event.data.fields)}]  # type: ignore[attr-defined]
    asked = {
        "op": "query.customer",
        "service": "projections",
        "n": 900,
        "body": {},
        "status": 200,
    }
    answer = {"correlation": event.correlation, "shown": shown}
    return attempt_of(event, **(asked | {"path": f"/customers/{event.customer}", "answer": answer} | parts))


def answer_of(customer: str) -> dict[str, Any]:
    """What the query API says of Ada."""
    member = {
        "customer": customer,
        "name": {"value": {"full": "Ada Lovelace"}},
        "archived": False,
        "number": "C0000001",
        "contacts": [{"value": "+49301234567", "state": "added"}],
        "orders": {"placed": 1},
        "tickets": None,
        "interactions": None,
    }
    return {"identity": ADA, "members": [member, {"customer": BOB}]}


def altered(event: Recorded, data: Contract | None = None, **parts: Any) -> Recorded:
    """An event with something else in it."""
    return with_values(event, **({"data": data} if data else {}), **parts)


def _answer(event: Recorded) -> dict[str, Any]:
    return {"id": event.stream.partition("-")[2], "version": event.seq}


def _reservations(events: Sequence[Recorded]) -> dict[str, dict[str, str]]:
    sources = {f"source:crm:x-{e.customer}": e.stream for e in events if e.type == "customer.registered"}
    numbers = {f"number:{e.data.number}": e.stream for e in events if isinstance(e.data, NumberAssigned)}
    return {"customer": sources, "identity": numbers}


def _ends(records: Sequence[OnTopic]) -> dict[str, int]:
    ends: dict[str, int] = {}
    for record in records:
        source = f"{record.topic}/{record.partition}"
        ends[source] = max(ends.get(source, 0), record.position or 0)
    return ends
