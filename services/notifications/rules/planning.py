"""What customers' events do to their birthday reminders. Pure: the present instant comes with the book."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeAlias
from zoneinfo import ZoneInfo

from services.notifications.domain import Cancel, Plan
from services.notifications.rules.birthday import MonthDay, due_at, next_occurrence, occurrence
from services.notifications.rules.permission import RESTRICTED
from services.notifications.rules.timer import Book, Change, Timer
from shared.events.customer import (
    BirthDateSet,
    CustomerArchived,
    CustomerErased,
    CustomerRegistered,
    CustomerRestored,
    RestrictionLifted,
)
from shared.events.envelope import Contract, Erased, Recorded
from shared.ids import derive

ARCHIVED = "archived"
ERASED = "erased"
BIRTH_DATE_CHANGED = "birth_date_changed"
BIRTH_DATE_REMOVED = "birth_date_removed"


def birthday_reminder_id(customer: str, year: int) -> str:
    """The one reminder of a customer's birthday in a year."""
    return derive("reminder", "birthday", customer, str(year))


@dataclass(slots=True)
class Desk:
    """Where the rules work: the timers, the time zone of new ones, and the changes made so far."""

    book: Book
    zone: str
    changes: list[Change]

    def today(self) -> date:
        return self.book.now.astimezone(ZoneInfo(self.zone)).date()

    def record(self, change: Change | None) -> None:
        """Notes a change; two changes of one reminder become one, so that one append can hold them."""
        if change is None:
            return
        for place, earlier in enumerate(self.changes):
            if earlier.timer.reminder_id == change.timer.reminder_id:
                self.changes[place] = Change(change.timer, earlier.expected, earlier.events + change.events)
                return
        self.changes.append(change)

    def cancel(self, timer: Timer, reason: str) -> None:
        self.record(self.book.decide(timer, Cancel(timer.reminder_id, reason)))

    def plan_birthday(self, customer: str, birthday: MonthDay, on_or_after: date) -> None:
        """Plans the first birthday from that date on which was not greeted yet; nothing if it is planned."""
        day = next_occurrence(birthday, on_or_after)
        while True:
            reminder_id = birthday_reminder_id(customer, day.year)
            known = self.book.find(customer, reminder_id)
            if known is None or known.status != "fired":
                break
            day = occurrence(birthday, day.year + 1)
        if known is not None and known.status == "planned":
            return
        due = due_at(day, self.zone)
        seq = 0 if known is None else known.seq
        status = "unplanned" if known is None else known.status
        fresh = Timer(reminder_id, customer, "birthday", due, day, self.zone, birthday, seq, status)
        self.record(self.book.decide(fresh, Plan(reminder_id, "birthday", due, day, self.zone)))


def _plan_from_registration(desk: Desk, customer: str, event: Contract) -> None:
    if isinstance(event, CustomerRegistered) and isinstance(event.birth_date, date):
        desk.plan_birthday(customer, _month_day(event.birth_date), desk.today())


def _move_to_new_birth_date(desk: Desk, customer: str, event: Contract) -> None:
    if not isinstance(event, BirthDateSet) or isinstance(event.birth_date, Erased):
        return
    birthday = None if event.birth_date is None else _month_day(event.birth_date)
    waiting = desk.book.cancelled_birthday(customer, ARCHIVED)
    if waiting is not None:
        # Nothing is planned while the customer is archived; the restoration plans with what it finds here.
        reason = ARCHIVED if birthday else BIRTH_DATE_REMOVED
        desk.book.amend(replace(waiting, birthday=birthday or waiting.birthday, reason=reason))
        return
    reason = BIRTH_DATE_REMOVED if birthday is None else BIRTH_DATE_CHANGED
    for timer in desk.book.planned(customer):
        if timer.birthday is not None and timer.birthday != birthday:
            desk.cancel(timer, reason)
    if birthday is not None:
        desk.plan_birthday(customer, birthday, desk.today())


def _cancel_all(desk: Desk, customer: str, event: Contract) -> None:
    if isinstance(event, CustomerArchived | CustomerErased):
        for timer in desk.book.planned(customer):
            desk.cancel(timer, ARCHIVED if isinstance(event, CustomerArchived) else ERASED)


def _plan_again(desk: Desk, customer: str, event: Contract) -> None:
    waiting = desk.book.cancelled_birthday(customer, ARCHIVED)
    if not isinstance(event, CustomerRestored) or waiting is None or waiting.birthday is None:
        return
    desk.plan_birthday(customer, waiting.birthday, desk.today())
    left = desk.book.find(customer, waiting.reminder_id)
    if left is not None and left.status == "cancelled":
        # The birth date changed in the meantime and another year's reminder was planned: this one waits no more.
        desk.book.amend(replace(left, reason=BIRTH_DATE_CHANGED))


def _release(desk: Desk, customer: str, event: Contract) -> None:
    if isinstance(event, RestrictionLifted):
        for timer in desk.book.planned(customer):
            if timer.reason == RESTRICTED:
                desk.book.amend(replace(timer, due_at=min(timer.due_at, desk.book.now), reason=None))


Reaction: TypeAlias = Callable[[Desk, str, Contract], None]

REACTIONS: Mapping[str, Reaction] = {
    CustomerRegistered.TYPE: _plan_from_registration,
    BirthDateSet.TYPE: _move_to_new_birth_date,
    CustomerArchived.TYPE: _cancel_all,
    CustomerRestored.TYPE: _plan_again,
    CustomerErased.TYPE: _cancel_all,
    RestrictionLifted.TYPE: _release,
}


def react(book: Book, zone: str, event: Recorded) -> list[Change]:
    """What an event of a customer changes; the book is kept up with it. Events of other types change nothing."""
    desk = Desk(book, zone, [])
    reaction = REACTIONS.get(event.type)
    if reaction is not None:
        reaction(desk, event.customer, event.data)
    return desk.changes


def _month_day(day: date) -> MonthDay:
    return MonthDay(day.month, day.day)
