"""Which of the timers that came due are fired, and what follows from each. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.notifications.domain import Cancel, Fire
from services.notifications.rules.birthday import due_at
from services.notifications.rules.permission import RESTRICTED
from services.notifications.rules.planning import ERASED, Desk
from services.notifications.rules.timer import Book, Change, Timer

ALREADY_GREETED = "already_greeted"
HOLD = timedelta(days=1)
"""After so long a reminder that is held is looked at again."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How one due timer ends: its own change, the key it holds for good, and the next year's plan."""

    change: Change
    fired: bool
    reserve: tuple[str, ...] = ()
    renewal: tuple[Change, ...] = ()


def occasion(identity: str, year: int) -> str:
    """The unique key of one person's birthday greeting in one year."""
    return f"greeting:birthday:{identity}:{year}"


def postponed(timer: Timer, now: datetime) -> Timer | None:
    """The timer at its new instant if the zone's rules changed since it was planned and put it off; else None."""
    if timer.birthday is None:
        return None
    due = due_at(timer.local_date, timer.zone)
    return replace(timer, due_at=due) if due > now else None


def held(timer: Timer, refusal: str | None, now: datetime) -> Timer | None:
    """The timer put off while the person's processing is restricted, else None.

    A birthday is not put off: nobody wants to be congratulated weeks later.
    """
    if refusal != RESTRICTED or timer.birthday is not None:
        return None
    return replace(timer, due_at=now + HOLD, reason=RESTRICTED)


def end_due(
    book: Book,
    due: Sequence[Timer],
    *,
    identities: Mapping[str, str],
    greeted: Collection[str],
    erased: Collection[str],
    refusals: Mapping[str, str],
) -> Iterator[Ending]:
    """Ends every due timer, in order: fired, or cancelled where the person was greeted or erased already or refuses it.

    `identities` holds customers whose identity is not their own id, `greeted` the occasions that are over, `refusals`
    why of which reminders nothing may be sent.
    """
    taken = set(greeted)
    for timer in due:
        if timer.customer in erased:
            yield Ending(_cancelled(book, timer, ERASED), fired=False)
        elif refusal := refusals.get(timer.reminder_id):
            yield Ending(_cancelled(book, timer, refusal), fired=False, renewal=_renewal(book, timer))
        elif timer.birthday is None:
            yield Ending(_fired(book, replace(timer, reason=None)), fired=True)
        else:
            key = occasion(identities.get(timer.customer, timer.customer), timer.local_date.year)
            if key in taken:
                yield already_greeted(book, timer)
                continue
            taken.add(key)
            change = _fired(book, timer)
            yield Ending(change, fired=True, reserve=(key,), renewal=_renewal(book, timer))


def already_greeted(book: Book, timer: Timer) -> Ending:
    """The ending of a birthday on which the person was greeted through another of their customers."""
    return Ending(_cancelled(book, timer, ALREADY_GREETED), fired=False, renewal=_renewal(book, timer))


def _renewal(book: Book, timer: Timer) -> tuple[Change, ...]:
    # After an outage of years one late greeting is enough: years that passed are not planned any more.
    if timer.birthday is None:
        return ()
    desk = Desk(book, timer.zone, [])
    following = max(timer.local_date + timedelta(days=1), desk.today())
    if following.year == timer.local_date.year:
        following = following.replace(year=following.year + 1, month=1, day=1)
    desk.plan_birthday(timer.customer, timer.birthday, following)
    return tuple(desk.changes)


def _fired(book: Book, timer: Timer) -> Change:
    change = book.decide(timer, Fire(timer.reminder_id))
    if change is None:
        raise AssertionError(f"firing reminder {timer.reminder_id} led to nothing")
    return change


def _cancelled(book: Book, timer: Timer, reason: str) -> Change:
    change = book.decide(timer, Cancel(timer.reminder_id, reason))
    if change is None:
        raise AssertionError(f"cancelling reminder {timer.reminder_id} led to nothing")
    return change
