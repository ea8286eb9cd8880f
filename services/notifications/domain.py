"""A reminder: planned, then ended by exactly one of fired and cancelled; fired, it leads to one message. Pure.

A cancelled reminder may be planned again (a corrected birth date, a restored customer); a fired one never.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal, TypeAlias, assert_never

from shared.errors import Conflict, NotFound
from shared.eventlog.decider import Decider
from shared.events.envelope import Code, Contract, Erased, Id, Instant, Text, Value
from shared.events.notifications import (
    MessageFailed,
    MessageSent,
    ReminderCancelled,
    ReminderFired,
    ReminderKind,
    ReminderPlanned,
)

Status: TypeAlias = Literal["unplanned", "planned", "cancelled", "fired"]


class PlanFollowUp(Value):
    """Ask to be reminded of a customer at an instant."""

    customer: Id
    kind: Literal["follow_up"] = "follow_up"
    due_at: Instant
    assignee: Code | None = None
    note: Text | None = None


class CancelReminder(Value):
    """Take a planned reminder back."""

    reason: Code = "no_longer_needed"


@dataclass(frozen=True, slots=True)
class Plan:
    reminder_id: str
    kind: ReminderKind
    due_at: datetime
    local_date: date
    zone: str
    assignee: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    reminder_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Fire:
    reminder_id: str


@dataclass(frozen=True, slots=True)
class NoteSent:
    reminder_id: str
    message_id: str
    channel: str


@dataclass(frozen=True, slots=True)
class NoteFailed:
    reminder_id: str
    message_id: str
    channel: str
    error: str
    attempt: int
    final: bool


Command: TypeAlias = Plan | Cancel | Fire | NoteSent | NoteFailed


@dataclass(frozen=True, slots=True)
class Reminder:
    """What decisions about one reminder rest on. `closed` holds the messages that were sent or given up."""

    status: Status = "unplanned"
    kind: ReminderKind | None = None
    due_at: datetime | Erased | None = None
    local_date: date | Erased | None = None
    zone: str | None = None
    assignee: str | None = None
    note: str | Erased | None = None
    reason: str | None = None
    closed: frozenset[str] = frozenset()


def decide(state: Reminder, command: Command, now: datetime) -> Sequence[Contract]:
    """What a command leads to; nothing if it was done before.

    Raises NotFound for a reminder that was never planned, Conflict where the present status rules it out (reject).
    """
    match command:
        case Plan():
            return _plan(state, command)
        case Cancel(reminder_id, reason):
            _expect(state, reminder_id, "planned")
            return (ReminderCancelled(reminder_id=reminder_id, reason=reason),)
        case Fire(reminder_id):
            return _fire(state, reminder_id, now)
        case NoteSent() | NoteFailed():
            return _note(state, command)
        case _:
            assert_never(command)


def evolve(state: Reminder, event: Contract) -> Reminder:
    """The state after an event; events of other streams change nothing."""
    match event:
        case ReminderPlanned():
            return Reminder(
                status="planned",
                kind=event.kind,
                due_at=event.due_at,
                local_date=event.local_date,
                zone=event.zone,
                assignee=event.assignee,
                note=event.note,
                closed=state.closed,
            )
        case ReminderCancelled(reason=reason):
            return replace(state, status="cancelled", reason=reason)
        case ReminderFired():
            return replace(state, status="fired")
        case MessageSent(message_id=message_id):
            return replace(state, closed=state.closed | {message_id})
        case MessageFailed(message_id=message_id, final=True):
            return replace(state, closed=state.closed | {message_id})
        case _:
            return state


REMINDER = Decider(Reminder(), decide, evolve)


def _plan(state: Reminder, command: Plan) -> Sequence[Contract]:
    if state.status in ("planned", "fired"):
        raise Conflict(f"reminder {command.reminder_id} is {state.status} already; plan another one")
    return (
        ReminderPlanned(
            reminder_id=command.reminder_id,
            kind=command.kind,
            due_at=command.due_at,
            local_date=command.local_date,
            zone=command.zone,
            assignee=command.assignee,
            note=command.note,
        ),
    )


def _fire(state: Reminder, reminder_id: str, now: datetime) -> Sequence[Contract]:
    _expect(state, reminder_id, "planned")
    if state.kind is None or not isinstance(state.due_at, datetime) or now < state.due_at:
        raise Conflict(f"reminder {reminder_id} is not due yet; fire it when it is")
    return (ReminderFired(reminder_id=reminder_id, kind=state.kind),)


def _note(state: Reminder, command: NoteSent | NoteFailed) -> Sequence[Contract]:
    _expect(state, command.reminder_id, "fired")
    if command.message_id in state.closed:
        return ()
    if isinstance(command, NoteSent):
        return (MessageSent(message_id=command.message_id, reminder_id=command.reminder_id, channel=command.channel),)
    return (
        MessageFailed(
            message_id=command.message_id,
            reminder_id=command.reminder_id,
            channel=command.channel,
            error=command.error,
            attempt=command.attempt,
            final=command.final,
        ),
    )


def _expect(state: Reminder, reminder_id: str, status: Status) -> None:
    if state.status == "unplanned":
        raise NotFound(f"there is no reminder {reminder_id}; check the id")
    if state.status != status:
        raise Conflict(f"reminder {reminder_id} is {state.status}; that cannot be done any more")
