"""What "as of" means: which records of each log had been recorded then. Pure.

An instant takes of every log the records whose `recorded_at` is not later. A position of a log takes its records up to
there, and of the logs that no position is given of, those recorded not later than the last of the given positions.
Records never change, so the same `as_of` takes the same records for ever, once it has passed on the clocks of all logs.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.errors import FieldError, Invalid
from shared.events.catalogue import FOLDED
from shared.events.envelope import aware, instant

LONGEST = 200
_POSITION = re.compile(r"(?P<log>[a-z]+):(?P<position>[1-9][0-9]{0,17})")
_HOW = f"is neither an instant with its zone, as 2026-11-22T09:00:00Z, nor positions, as {FOLDED[0]}:120,{FOLDED[1]}:80"


@dataclass(frozen=True, slots=True)
class AsOf:
    """Which records count. `instant` as records carry it; `positions` by log, where some were asked for."""

    instant: str
    positions: Mapping[str, int]

    def takes(self, log: str, position: int, recorded_at: str) -> bool:
        """Whether this record had been recorded then."""
        last = self.positions.get(log)
        return recorded_at <= self.instant if last is None else position <= last

    def __str__(self) -> str:
        """The one text of it, which `parse` reads back."""
        return positions_text(self.positions) or self.instant


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asked for: an instant, or positions whose instants are not known yet."""

    instant: datetime | None
    positions: Mapping[str, int]

    def found(self, recorded_at: Collection[str]) -> AsOf:
        """With the instants at which the records at the positions were recorded; none are needed for an instant."""
        return AsOf(max(recorded_at) if self.instant is None else instant(self.instant), self.positions)


def positions_text(positions: Mapping[str, int]) -> str:
    """Positions by log as `parse` reads them, those of logs without a record included."""
    return ",".join(f"{log}:{position}" for log, position in sorted(positions.items()))


def parse(text: str) -> Asked:
    """Reads an instant with its zone, or `log:position` of one or more logs. Raises Invalid (reject)."""
    if len(text) > LONGEST:
        raise _invalid(f"is longer than {LONGEST} characters")
    if positions := [_POSITION.fullmatch(part) for part in text.split(",")]:
        named = {found["log"]: int(found["position"]) for found in positions if found is not None}
        if len(named) == len(positions):
            return _of_positions(named)
    try:
        moment = aware(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise _invalid(_HOW) from None
    return Asked(moment, {})


def check_passed(asked: datetime, now: datetime) -> None:
    """Raises Invalid (reject) for an instant after this one: more may be recorded until then."""
    if asked > now:
        wrong: FieldError = {"field": "as_of", "message": "has not passed yet"}
        raise Invalid("What will have happened by then is not known.", errors=[wrong])


def _of_positions(named: Mapping[str, int]) -> Asked:
    if unknown := sorted(set(named) - set(FOLDED)):
        raise _invalid(f"names no log of the views: {', '.join(unknown)}; there are {', '.join(FOLDED)}")
    return Asked(None, dict(named))


def _invalid(message: str) -> Invalid:
    return Invalid(f"What as_of says {message}.", errors=[{"field": "as_of", "message": message}])
