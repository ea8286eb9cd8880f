from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.clock import SystemClock, TestClock, make_clock


def test_the_system_clock_tells_utc() -> None:
    assert SystemClock().now().tzinfo is UTC


def test_a_test_clock_stands_still_until_it_is_moved() -> None:
    clock = TestClock(datetime(2026, 3, 1, tzinfo=UTC))

    assert clock.now() == clock.now()
    assert clock.advance(timedelta(days=1)) == clock.now() == datetime(2026, 3, 2, tzinfo=UTC)


def test_a_test_clock_is_set_to_an_instant_of_any_zone_and_tells_utc() -> None:
    clock = TestClock()
    clock.set(datetime(2026, 3, 1, 8, tzinfo=timezone(timedelta(hours=8))))

    assert clock.now().isoformat() == "2026-03-01T00:00:00+00:00"


def test_an_instant_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        TestClock().set(datetime(2026, 3, 1))  # noqa: DTZ001 - the thing under test


def test_the_settings_choose_the_clock() -> None:
    assert isinstance(make_clock("system"), SystemClock)
    assert isinstance(make_clock("test"), TestClock)
