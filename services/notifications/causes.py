"""Why the service's own events exist: the rule that acted, and what it acted on. Pure."""

from __future__ import annotations

from services.notifications.rules.timer import CARE, Change, Timer
from shared.eventlog.commit import Append, Commit
from shared.eventlog.mapper import Record
from shared.events.envelope import Actor, Cause, Recorded
from shared.events.notifications import ReminderKind
from shared.ids import derive

CHANNEL = "notifications"
RULES: dict[ReminderKind, Actor] = {
    "birthday": Actor(id="birthday.v1", kind="rule"),
    "follow_up": Actor(id="follow_up.v1", kind="rule"),
}


def following(kind: ReminderKind, source: Record | Recorded, *, purpose: str = CARE, deeper: int = 1) -> Cause:
    """The cause of what a rule does because of an event: same correlation, one step deeper.

    A renewal says deeper=0: that a birthday comes back every year is no chain of reactions.
    """
    return Cause(
        actor=RULES[kind],
        channel=CHANNEL,
        purpose=purpose,
        command=derive("reaction", RULES[kind].id, source.id),
        correlation=source.correlation,
        causation=source.id,
        depth=source.depth + deeper,
    )


def append(change: Change) -> Append:
    return Append(change.stream, change.timer.customer, change.expected, change.events)


def commit(cause: Cause, *changes: Change, reserve: tuple[str, ...] = ()) -> Commit:
    """A commit without an idempotency record: the caller's transaction protects it."""
    return Commit(cause, tuple(append(change) for change in changes), reserve=reserve)


def message_id(timer: Timer, channel: str) -> str:
    """The one message that a fired reminder sends through a channel."""
    return derive("message", timer.reminder_id, channel)
