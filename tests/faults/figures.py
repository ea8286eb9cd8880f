"""What a load counts: outcomes, latencies and when each service answered. Flat but for two numbers a good answer."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from tests.faults.history import Outcome

_STEP = math.log(1.05)
"""Latencies are kept to five parts in a hundred."""


class Latencies:
    """Seconds, counted in steps."""

    def __init__(self) -> None:
        self._steps: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        self._steps[round(math.log(max(seconds, 0.0005)) / _STEP)] += 1

    def percentile(self, share: float) -> float | None:
        """In milliseconds; None if nothing was counted."""
        left = share * self._steps.total()
        for step in sorted(self._steps):
            left -= self._steps[step]
            if left <= 0:
                return round(math.exp(step * _STEP) * 1000, 1)
        return None


class Figures:
    """Counts as the load goes on."""

    def __init__(self) -> None:
        self.attempts = 0
        self.dropped = 0
        self.repeats: Counter[str] = Counter()
        """Deliberate repeats of a known command: answered the `same`, otherwise (`differs`), refused or unknown."""
        self.reuses: Counter[Outcome] = Counter()
        """A known command's key with another body; only `refused` is right."""
        self.statuses: Counter[str] = Counter()
        self.unexpected: Counter[str] = Counter()
        """Refusals that neither the mix provokes nor another command explains, by operation and status."""
        self._outcomes: defaultdict[str, Counter[Outcome]] = defaultdict(Counter)
        self._latencies: defaultdict[str, Latencies] = defaultdict(Latencies)
        self._invoked: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
        self._answered: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))

    def outcome(self, op: str, outcome: Outcome) -> None:
        """The last word on one command."""
        self._outcomes[op][outcome] += 1

    def answered_ok(self, op: str, service: str, invoked: float, answered: float) -> None:
        """One good answer. Call it in the order of answers."""
        self._latencies[op].add(answered - invoked)
        self._invoked[service].append(invoked)
        self._answered[service].append(answered)

    def first_ok_after(self, service: str, at: float) -> float | None:
        """When the first call that began at `at` or later was answered well; None if none was."""
        invoked, answered = self._invoked[service], self._answered[service]
        for place in range(bisect_left(answered, at), len(answered)):
            if invoked[place] >= at:
                return answered[place]
        return None

    def outcomes(self, op: str) -> Mapping[Outcome, int]:
        return self._outcomes[op]

    def told(self) -> dict[str, Any]:
        """Everything, for people and verdicts."""
        total: Counter[Outcome] = Counter()
        for counts in self._outcomes.values():
            total.update(counts)
        return {
            "commands": total.total(),
            "outcomes": dict(total),
            "attempts": self.attempts,
            "dropped": self.dropped,
            "repeats": dict(self.repeats),
            "reuses": dict(self.reuses),
            "statuses": dict(sorted(self.statuses.items())),
            "unexpected": dict(sorted(self.unexpected.items())),
            "operations": {
                op: {
                    **counts,
                    "p50_ms": self._latencies[op].percentile(0.5),
                    "p99_ms": self._latencies[op].percentile(0.99),
                }
                for op, counts in sorted(self._outcomes.items())
            },
        }
