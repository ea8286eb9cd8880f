"""Events of the notifications log: reminders and what was sent."""

from __future__ import annotations

from datetime import date
from typing import Literal

from shared.events.envelope import Business, Code, Contract, General, Id, Instant, Sensitive, Text

ReminderKind = Literal["birthday", "follow_up"]


class ReminderPlanned(Contract):
    """Something is due at `due_at` (UTC, computed from `local_date` and the time zone when it was planned)."""

    TYPE = "reminder.planned"
    reminder_id: General[Id]
    kind: General[ReminderKind]
    due_at: Sensitive[Instant]
    local_date: Sensitive[date]
    zone: General[str]
    assignee: Business[Code | None] = None
    note: Sensitive[Text | None] = None


class ReminderCancelled(Contract):
    TYPE = "reminder.cancelled"
    reminder_id: General[Id]
    reason: General[Code]


class ReminderFired(Contract):
    """The reminder came due and was acted on, once."""

    TYPE = "reminder.fired"
    reminder_id: General[Id]
    kind: General[ReminderKind]


class MessageSent(Contract):
    """A message left through a channel; receivers see one message per `message_id`."""

    TYPE = "message.sent"
    message_id: General[Id]
    reminder_id: General[Id]
    channel: General[Code]


class MessageFailed(Contract):
    """A message could not be delivered; `final` says that nobody tries again."""

    TYPE = "message.failed"
    message_id: General[Id]
    reminder_id: General[Id]
    channel: General[Code]
    error: General[Code]
    attempt: General[int]
    final: General[bool]
