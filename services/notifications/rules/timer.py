"""The timers of a few customers in memory: what the rules read, and what their decisions change. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from services.notifications.domain import REMINDER, Command, Reminder, Status
from services.notifications.rules.birthday import MonthDay
from shared.events.envelope import Contract
from shared.events.notifications import MessageFailed, MessageSent, ReminderKind

CARE = "customer_care"
"""The purpose of what is planned by a rule."""


@dataclass(frozen=True, slots=True)
class Timer:
    """One reminder as the timer table keeps it. `seq` is the version of its stream, 0 before the first event.

    `purpose` is what whoever planned it gave as the purpose: by it the person allows or refuses the message.

    `birthday` outlives the year of one reminder, so that the next one can be planned without opening sealed data.
    """

    reminder_id: str
    customer: str
    kind: ReminderKind
    due_at: datetime
    local_date: date
    zone: str
    birthday: MonthDay | None = None
    seq: int = 0
    status: Status = "unplanned"
    reason: str | None = None
    purpose: str = CARE

    @property
    def stream(self) -> str:
        return stream_of(self.reminder_id)

    def state(self) -> Reminder:
        """What a decision about this reminder rests on."""
        return Reminder(self.status, self.kind, self.due_at, self.local_date, self.zone, reason=self.reason)

    def after(self, events: Sequence[Contract]) -> Timer:
        """The same timer once these events of its stream have happened."""
        timer = self
        for event in events:
            if isinstance(event, MessageSent | MessageFailed):
                timer = replace(timer, seq=timer.seq + 1)
                continue
            state = REMINDER.evolve(timer.state(), event)
            timer = replace(timer, seq=timer.seq + 1, status=state.status, reason=state.reason)
        return timer


@dataclass(frozen=True, slots=True)
class Change:
    """Events for one reminder's stream, which stood at `expected`, and the timer after them."""

    timer: Timer
    expected: int
    events: tuple[Contract, ...]

    @property
    def stream(self) -> str:
        return self.timer.stream


def stream_of(reminder_id: str) -> str:
    return f"reminder-{reminder_id}"


class Book:
    """Timers by customer, kept up to date with the decisions taken on them."""

    def __init__(self, timers: Iterable[Timer], now: datetime) -> None:
        self.now = now
        self.changed: dict[str, Timer] = {}
        self._customers: dict[str, dict[str, Timer]] = {}
        for timer in timers:
            self.put(timer)

    def put(self, timer: Timer) -> None:
        self._customers.setdefault(timer.customer, {})[timer.reminder_id] = timer

    def find(self, customer: str, reminder_id: str) -> Timer | None:
        return self._customers.get(customer, {}).get(reminder_id)

    def planned(self, customer: str) -> list[Timer]:
        """What the customer still has to come, in order of its day."""
        timers = self._customers.get(customer, {}).values()
        return sorted((t for t in timers if t.status == "planned"), key=lambda timer: (timer.due_at, timer.reminder_id))

    def cancelled_birthday(self, customer: str, reason: str) -> Timer | None:
        """The customer's latest birthday reminder that was cancelled for this reason."""
        timers = [
            timer
            for timer in self._customers.get(customer, {}).values()
            if timer.birthday is not None and timer.status == "cancelled" and timer.reason == reason
        ]
        return max(timers, key=lambda timer: timer.local_date, default=None)

    def amend(self, timer: Timer) -> None:
        """Replaces a timer without an event."""
        self.put(timer)
        self.changed[timer.reminder_id] = timer

    def forget(self, timer: Timer) -> None:
        """Leaves a timer as it is stored."""
        self.changed.pop(timer.reminder_id, None)

    def decide(self, timer: Timer, *commands: Command) -> Change | None:
        """Takes decisions on one timer; None if they change nothing. Raises the decider's errors (reject)."""
        events: list[Contract] = []
        after = timer
        for command in commands:
            news = REMINDER.decide(after.state(), command, self.now)
            after = after.after(news)
            events.extend(news)
        if not events:
            return None
        self.amend(after)
        return Change(after, timer.seq, tuple(events))
