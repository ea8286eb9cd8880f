"""How many numbers a scope has left, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.identity.numbering.scheme import Numbering

WARN_AT = 0.8
"""A scope that is used so far is told of."""
FAR = timedelta(days=365 * 100)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Capacity:
    """One scope: numbers given and left, at the rate so far for how many days (None: no end in sight).

    `left` counts what the rule reserves as gone, and not what it holds back for the look of its digits or its check:
    it is the most that may be left. `period_ends` is when the numbers begin anew because they show another year, month
    or day: then nothing more is taken from this scope, and an end that would come later never comes.
    """

    rule: str
    scope: str
    used: int
    left: int
    days_left: float | None
    exhausted_at: datetime | None
    nearly_used_up: bool
    period_ends: datetime | None = None


def capacity(
    numbering: Numbering, scope: str, floor: int, *, given: int, since: datetime | None, now: datetime
) -> Capacity:
    """The state of a scope whose next serial is `floor` or later, of which `given` numbers were given since then.

    The first day counts as a whole one: of less, nothing can be said of the days to come.
    """
    start = numbering.rule.start
    left = unreserved(numbering, max(floor, start))
    per_day = given / max((now - since) / DAY, 1.0) if since is not None else 0.0
    days = left / per_day if per_day > 0 else None
    ends = now + timedelta(days=days) if days is not None and days < FAR.days else None
    period_ends = numbering.ends(numbering.shown_in(scope))
    if ends is not None and period_ends is not None and period_ends <= ends:
        ends = None
    goes_on = period_ends is None or period_ends > now
    whole = unreserved(numbering, start)
    nearly = goes_on and whole - left >= WARN_AT * whole
    return Capacity(
        numbering.rule.id, scope, given, left, days if ends else None, ends, nearly, period_ends=period_ends
    )


def unreserved(numbering: Numbering, first: int, last: int | None = None) -> int:
    """How many serials from `first` to `last` are not reserved: to the end of the scope, if it is not said."""
    end = numbering.last if last is None else last
    gone = [(kept.first, kept.last) for kept in numbering.rule.reserved]
    return max(
        0, _serials(numbering, first, end) - sum(_serials(numbering, max(a, first), min(b, end)) for a, b in gone)
    )


def _serials(numbering: Numbering, first: int, last: int) -> int:
    start, step = numbering.rule.start, numbering.rule.step
    return max(0, -(-(last + 1 - start) // step) - max(0, -(-(first - start) // step)))
