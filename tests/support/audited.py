"""A system of three audited logs, in which Ada and Bea are one person, and what an auditor of it brings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.audit import verify
from shared.audit.signer import Cosigner, Signer
from shared.events import customer as events
from shared.events.identity import Linked, Move, NumberAssigned, Separated
from shared.events.notifications import MessageSent, ReminderPlanned
from tests.support.audit import MemorySnapshot, StoredLogs, data_key, signing_key
from tests.support.events import an_id, customer_registered

LOGS = ("customer", "identity", "notifications")
ORIGINS = {log: f"custlog/3f2a9c/{log}" for log in LOGS}
WITNESS = Cosigner("witness.example/w1", signing_key("witness"))
SIGNERS = {log: Signer(origin, signing_key(origin)) for log, origin in ORIGINS.items()}
KEYS = dict([*(verify.key_of(str(each.key), 1) for each in SIGNERS.values()), verify.key_of(str(WITNESS.key), 4)])
ADA, BEA, CLEO, DORA = (an_id(name) for name in ("ada", "bea", "cleo", "dora"))
KEYS_OF = {each: data_key(each) for each in (ADA, BEA)}


def linked(a: str, b: str) -> Linked:
    moves = (Move(customer=max(a, b), identity=min(a, b)),)
    return Linked(a=a, b=b, evidence=("same-phone",), decided_by="rules.v1", moves=moves)


def told() -> StoredLogs:
    """Ada and Bea are one; Cleo was one with them for a while; Dora never was."""
    logs = StoredLogs()
    order = an_id("order")
    reminder = an_id("reminder")
    for number, each in enumerate((ADA, DORA, BEA, CLEO)):
        logs.tell(
            each, customer_registered(f"Somebody {number} \u00e9\u738b", f"+4930{number}", birth_date="1990-05-17")
        )
        logs.tell(each, NumberAssigned(number=f"C-{number}", rule="plain.v1", serial=number + 1))
    logs.tell(BEA, linked(BEA, ADA))
    logs.tell(ADA, linked(ADA, CLEO))
    logs.tell(ADA, events.ContactPointAdded(contact_id=an_id("mail"), kind="email", value="ada@example.org"))
    logs.tell(DORA, events.Tagged(added=("vip",)))
    logs.tell(ADA, events.Tagged(added=("vip",)), events.Tagged(added=("b2b",), removed=("vip",)))
    logs.tell(ADA, events.ConsentGiven(purpose="news", channel="web", text_version="v3"))
    logs.tell(BEA, events.ExtensionFieldSet(field="shoe", value=42), events.OwnerAssigned(owner="u7"))
    placed = events.OrderPlaced(order_id=order, reference="R-1", currency="EUR", total="10.00")
    logs.tell(ADA, placed, events.OrderPaid(order_id=order, amount="4.00", method="card"), stream=f"order-{order}")
    logs.tell(ADA, events.OrderPaid(order_id=order, amount="6.00", method="cash"), stream=f"order-{order}")
    planned = {"reminder_id": reminder, "kind": "birthday", "due_at": "2026-05-17T07:00:00Z"}
    plan = ReminderPlanned.model_validate(planned | {"local_date": "2026-05-17", "zone": "Europe/Berlin"})
    sent = MessageSent(message_id=an_id("message"), reminder_id=reminder, channel="mail")
    logs.tell(BEA, plan, sent, stream=f"reminder-{reminder}")
    logs.tell(CLEO, Separated(a=CLEO, b=ADA, reason="two people", moves=()))
    return logs


def snapshots(
    logs: StoredLogs, change: Callable[[str, list[bytes]], Any] = lambda log, records: None, **options: Any
) -> dict[str, MemorySnapshot]:
    """The logs as their services would show them, after a change to what is stored."""
    made = {}
    for log, origin in ORIGINS.items():
        records = list(logs.records[log])
        change(log, records)
        given = {"cosigners": (WITNESS,), **options}
        made[log] = MemorySnapshot(origin, dict(enumerate(records, 1)), **given)
    return made


TOLD = told()
HONEST = snapshots(TOLD)
SMALLER = snapshots(TOLD, lambda log, records: records.__delitem__(slice(-2, None)))
SINCE = {log: snapshot.note for log, snapshot in SMALLER.items()}
KEPT = [verify.opened(note.decode(), KEYS) for note in SINCE.values()]
