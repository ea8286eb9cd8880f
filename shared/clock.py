"""Time as a dependency: the only place where the process reads the wall clock."""

from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol


class Clock(Protocol):
    """Tells the present instant."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """The present instant of the machine, in UTC with microseconds."""
        return datetime.now(UTC)


class TestClock:
    """A clock that stands still until it is moved; used by tests and by set-ups started with CUSTLOG_CLOCK=test."""

    __test__ = False

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = _utc(start)

    def now(self) -> datetime:
        """The instant this clock was last moved to."""
        return self._now

    def set(self, instant: datetime) -> None:
        """Moves the clock to an aware instant, forward or back. ValueError if it has no zone."""
        self._now = _utc(instant)

    def advance(self, span: timedelta) -> datetime:
        """Moves the clock by `span` and returns the new instant."""
        self._now += span
        return self._now


def make_clock(kind: Literal["system", "test"]) -> SystemClock | TestClock:
    """The clock that the settings ask for; a test clock starts at the present instant."""
    return SystemClock() if kind == "system" else TestClock(datetime.now(UTC))


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("An instant needs a time zone: give an aware datetime, for example datetime(..., tzinfo=UTC).")
    return instant.astimezone(UTC)
