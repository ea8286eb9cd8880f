"""I7: a due reminder fires once and never early, and its receiver sees one message; of a cancelled one, none."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.events.envelope import Recorded, moment
from shared.events.notifications import (
    MessageFailed,
    MessageSent,
    ReminderCancelled,
    ReminderFired,
    ReminderPlanned,
)
from shared.ids import derive
from tests.faults.checker.evidence import Evidence, Spooled
from tests.faults.checker.finding import Finding

CHANNEL = "spool"
GRACE = timedelta(seconds=15)
"""A timer that came due a moment before the evidence was read may still be waiting for its turn."""
LEASE = timedelta(seconds=150)
"""A message whose sender died is claimed again after two minutes; until then it is on its way, not lost."""


def judge(evidence: Evidence) -> Finding:
    """Every reminder of the notifications log, and every file of the spool."""
    lives: dict[str, list[Recorded]] = defaultdict(list)
    for event in evidence.events("notifications"):
        lives[event.stream.removeprefix("reminder-")].append(event)
    spooled: dict[str, Spooled] = {file.name: file for file in evidence.spool}
    violations = [
        f"Message {name} is in the spool {number} times."
        for name, number in Counter(file.name for file in evidence.spool).items()
        if number > 1
    ]
    clock_jumped = any(fault.target == "notifications" for fault in evidence.done("clock_jump"))
    fired, erased = 0, evidence.erased()
    for reminder, life in lives.items():
        life.sort(key=lambda event: event.seq)
        violations += _timing(reminder, life, evidence.read_at, clock_jumped=clock_jumped)
        if any(isinstance(event.data, ReminderFired) for event in life):
            fired += 1
            # What was queued for who is erased is taken away unsent.
            if life[0].customer not in erased:
                violations += _message(reminder, life, spooled, evidence)
    wanted = {derive("message", reminder, CHANNEL) for reminder, life in lives.items() if _has_fired(life)}
    orphans = spooled.keys() - wanted
    if not evidence.done("restore"):  # Messages of reminders that a restoration took back have left all the same.
        violations += [f"Message {name} is in the spool, but no reminder fired for it." for name in sorted(orphans)]
    queued = len(evidence.deliveries)
    figures = {"reminders_fired": fired, "messages_queued": queued, "messages_of_lost_reminders": len(orphans)}
    return Finding(len(lives) + len(spooled), violations, figures=figures)


def _has_fired(life: Sequence[Recorded]) -> bool:
    return any(isinstance(event.data, ReminderFired) for event in life)


def _timing(reminder: str, life: Sequence[Recorded], read_at: datetime | None, *, clock_jumped: bool) -> list[str]:
    due: datetime | None = None
    status, fired, found = "unplanned", 0, []
    for event in life:
        match event.data:
            case ReminderPlanned(due_at=due_at):
                due = due_at if isinstance(due_at, datetime) else None
                status = "planned"
            case ReminderCancelled():
                if status != "planned":
                    found.append(f"Reminder {reminder} was cancelled when it was {status}.")
                status = "cancelled"
            case ReminderFired():
                fired += 1
                if status != "planned":
                    found.append(f"Reminder {reminder} fired when it was {status}.")
                if due is not None and not clock_jumped and moment(event.recorded_at) < due:
                    found.append(f"Reminder {reminder} fired early, at notifications {event.position}.")
                status = "fired"
            case _:
                pass
    if fired > 1:
        found.append(f"Reminder {reminder} fired {fired} times.")
    if status == "planned" and due is not None and read_at is not None and due < read_at - GRACE:
        found.append(f"Reminder {reminder} is due and has not fired.")
    return found


def _message(reminder: str, life: Sequence[Recorded], spooled: dict[str, Spooled], evidence: Evidence) -> list[str]:
    message = derive("message", reminder, CHANNEL)
    sent = [event for event in life if isinstance(event.data, MessageSent)]
    failed = any(isinstance(event.data, MessageFailed) and event.data.final for event in life)
    found = [
        f"Reminder {reminder} noted another message as sent, at notifications {event.position}."
        for event in sent
        if getattr(event.data, "message_id", None) != message
    ]
    if len(sent) > 1:
        found.append(f"Message {message} of reminder {reminder} was noted as sent {len(sent)} times.")
    if failed:
        found.append(f"Message {message} of reminder {reminder} was given up.")
    if sent and message not in spooled:
        found.append(f"Message {message} of reminder {reminder} was noted as sent and is not in the spool.")
    if message in spooled and spooled[message].content.get("reminder") != reminder:
        found.append(f"Message {message} in the spool does not name reminder {reminder}.")
    if not sent and not failed and not _on_its_way(message, evidence):
        found.append(f"Reminder {reminder} fired, and its message {message} is neither sent nor queued.")
    return found


def _on_its_way(message: str, evidence: Evidence) -> bool:
    # By the database's clock, which never jumps: that of the sender counts for nothing.
    tried_next, now = evidence.deliveries.get(message), evidence.read_at
    if tried_next is None or now is None:
        return tried_next is not None
    return now - GRACE <= tried_next <= now + LEASE
