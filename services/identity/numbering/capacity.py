"""How many numbers a scope has left, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.identity.numbering.scheme import Numbering

WARN_AT = 0.8
"""A scope that is used so far is told of."""
FAR = timedelta(days=365 * 100)


@dataclass(frozen=True, slots=True)
class Capacity:
    """One scope: serials passed and left, at the present rate for how many days (None: no end in sight).

    `left` counts what the rule reserves as gone, and not what it holds back for the look of its digits or its check:
    it is the most that may be left.
    """

    rule: str
    scope: str
    used: int
    left: int
    days_left: float | None
    exhausted_at: datetime | None
    nearly_used_up: bool


def capacity(numbering: Numbering, scope: str, floor: int, *, per_day: float, now: datetime) -> Capacity:
    """The state of a scope whose next serial is `floor` or later, at `per_day` numbers a day."""
    start, step = numbering.rule.start, numbering.rule.step
    floor = max(floor, start)
    used = -(-(floor - start) // step)
    left = max(0, -(-(numbering.last + 1 - floor) // step))
    for kept in numbering.rule.reserved:
        first, last = max(kept.first, floor), min(kept.last, numbering.last)
        left -= max(0, -(-(last + 1 - start) // step) - -(-(first - start) // step))
    left = max(0, left)
    days = left / per_day if per_day > 0 else None
    ends = now + timedelta(days=days) if days is not None and days < FAR.days else None
    nearly = left == 0 or used / (used + left) >= WARN_AT
    return Capacity(numbering.rule.id, scope, used, left, days if ends else None, ends, nearly)
