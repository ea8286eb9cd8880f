"""When a birthday comes round, and the instant at which it is greeted. Pure."""

from __future__ import annotations

from calendar import isleap
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

GREETING_TIME = time(9)
"""Local time of day of a greeting."""


class MonthDay(NamedTuple):
    """A day of the year without a year."""

    month: int
    day: int


LEAP_DAY = MonthDay(2, 29)
LEAP_DAY_IN_COMMON_YEARS = MonthDay(2, 28)
"""When somebody born on 29 February is greeted in a common year. Laws differ; this is our stated default."""


def occurrence(birthday: MonthDay, year: int, leap_day: MonthDay = LEAP_DAY_IN_COMMON_YEARS) -> date:
    """The birthday in one year."""
    month, day = leap_day if birthday == LEAP_DAY and not isleap(year) else birthday
    return date(year, month, day)


def next_occurrence(birthday: MonthDay, on_or_after: date, leap_day: MonthDay = LEAP_DAY_IN_COMMON_YEARS) -> date:
    """The first birthday on a date or after it."""
    this_year = occurrence(birthday, on_or_after.year, leap_day)
    return this_year if this_year >= on_or_after else occurrence(birthday, on_or_after.year + 1, leap_day)


def due_at(local_date: date, zone: str, at: time = GREETING_TIME) -> datetime:
    """The UTC instant of a local date and time of day.

    A time that the clocks show twice means the first; one that they skip means the first instant after the gap.
    """
    wanted = datetime.combine(local_date, at)
    place = ZoneInfo(zone)
    instant = wanted.replace(tzinfo=place, fold=0).astimezone(UTC)
    if instant.astimezone(place).replace(tzinfo=None) == wanted:
        return instant
    # In a gap fold=1 counts with the offset after it and so lies before the transition, fold=0 lies behind it.
    return _first_showing(wanted, place, wanted.replace(tzinfo=place, fold=1).astimezone(UTC), instant)


def _first_showing(wanted: datetime, place: ZoneInfo, before: datetime, behind: datetime) -> datetime:
    """The first whole second in (before, behind] at which the local clock shows `wanted` or later."""
    low, high = 0, int((behind - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        shown = (before + timedelta(seconds=middle)).astimezone(place).replace(tzinfo=None)
        if shown >= wanted:
            high = middle
        else:
            low = middle
    return before + timedelta(seconds=high)
