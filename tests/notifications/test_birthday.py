"""Birthdays over two centuries and four zones with odd clocks."""

from __future__ import annotations

from calendar import isleap
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifications.rules.birthday import LEAP_DAY, MonthDay, due_at, next_occurrence, occurrence

ZONES = ("Europe/Berlin", "America/Sao_Paulo", "Asia/Shanghai", "Australia/Lord_Howe")

days = st.dates(date(1900, 1, 1), date(2100, 12, 31))
birthdays = st.one_of(days.map(lambda day: MonthDay(day.month, day.day)), st.just(LEAP_DAY))
zones = st.sampled_from(ZONES)
times = st.times().map(lambda at: at.replace(microsecond=0))


@given(birthdays, days)
def test_the_next_birthday_is_the_first_one_on_or_after_the_date(birthday: MonthDay, start: date) -> None:
    found = next_occurrence(birthday, start)

    assert found >= start
    assert found == occurrence(birthday, found.year)
    assert not any(start <= occurrence(birthday, year) < found for year in (start.year, start.year + 1))


@given(birthdays, days)
def test_a_birthday_comes_round_once_in_every_year(birthday: MonthDay, start: date) -> None:
    first = next_occurrence(birthday, start)

    assert next_occurrence(birthday, first) == first
    assert next_occurrence(birthday, first + timedelta(days=1)).year == first.year + 1


@given(st.integers(1900, 2100))
def test_a_leap_day_birthday_is_kept_on_28_february_in_common_years(year: int) -> None:
    assert occurrence(LEAP_DAY, year) == date(year, 2, 29 if isleap(year) else 28)


def test_another_policy_keeps_a_leap_day_birthday_on_1_march() -> None:
    assert next_occurrence(LEAP_DAY, date(2027, 2, 28), leap_day=MonthDay(3, 1)) == date(2027, 3, 1)


@given(days, zones, times)
def test_the_instant_is_the_first_at_which_the_local_clock_shows_the_time(day: date, zone: str, at: time) -> None:
    wanted = datetime.combine(day, at)
    place = ZoneInfo(zone)

    instant = due_at(day, zone, at)

    assert instant.tzinfo is UTC
    assert instant.astimezone(place).replace(tzinfo=None) >= wanted
    before = instant - timedelta(seconds=1)
    assert before.astimezone(place).replace(tzinfo=None) < wanted


@given(days, zones)
def test_a_greeting_at_nine_is_due_at_nine_on_the_local_clock(day: date, zone: str) -> None:
    local = due_at(day, zone).astimezone(ZoneInfo(zone))

    assert (local.date(), local.time()) == (day, time(9))


@pytest.mark.parametrize(
    ("day", "zone", "at", "expected"),
    [
        pytest.param(date(2027, 3, 28), "Europe/Berlin", time(2, 30), "2027-03-28T01:00Z", id="gap"),
        pytest.param(date(2027, 10, 31), "Europe/Berlin", time(2, 30), "2027-10-31T00:30Z", id="fold"),
        pytest.param(date(2018, 11, 4), "America/Sao_Paulo", time(0), "2018-11-04T03:00Z", id="gap at midnight"),
        pytest.param(date(2026, 10, 4), "Australia/Lord_Howe", time(2, 15), "2026-10-03T15:30Z", id="half hour"),
        pytest.param(date(2011, 12, 30), "Pacific/Apia", time(9), "2011-12-30T10:00Z", id="skipped day"),
    ],
)
def test_a_skipped_time_is_the_end_of_the_gap_and_a_doubled_one_the_first(
    day: date, zone: str, at: time, expected: str
) -> None:
    assert due_at(day, zone, at) == datetime.fromisoformat(expected)
