"""How long a log has had a record that no checkpoint signs. Pure.

A witness cannot tell: a log that has nothing new asks it for nothing either. Whoever reads the log can.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

STILL_SECONDS = 60.0
"""A service signs a second after a commit, and works off a backlog without pauses."""


@dataclass(slots=True)
class Stillness:
    """Of one log. It is told what each look found."""

    _position: int = 0
    _since: float = 0.0

    def waits(self, position: int, recorded_at: datetime, now: datetime, ticks: float) -> float:
        """Seconds that the first unsigned record has waited, as far as anybody can tell.

        By its own time, which whoever writes the log may set back or forward, or by when this watch saw it first,
        whichever is longer. `ticks` is a clock that nobody sets.
        """
        if position != self._position:
            self._position, self._since = position, ticks
        return max(ticks - self._since, (now - recorded_at).total_seconds())

    def signed(self) -> None:
        """Nothing is unsigned."""
        self._position = 0
