"""What a bench says: medians with their spread, and each path beside a limit measured in the same rounds."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: `rounds` of each side, `seconds` of a timed round, `size` records of a counted one.

    `fetch`: peers that are not in our own environment are installed and measured too.
    """

    rounds: int
    seconds: float
    size: int
    fetch: bool = True


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of the rounds."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(*(short(value) for value in (statistics.median(values), min(values), max(values))))


@dataclass(frozen=True, slots=True)
class Goal:
    """What design calls good enough: a ratio or a rate of at least, or a time of at most `value`."""

    text: str
    value: float
    at_most: bool = False

    def met_by(self, measured: float) -> bool:
        return measured <= self.value if self.at_most else measured >= self.value


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table. `limit` and `ratio` are missing where the goal is an absolute figure."""

    path: str
    unit: str
    ours: Spread
    goals: dict[str, bool]
    limit: Spread | None = None
    ratio: Spread | None = None
    limit_is: str = ""
    more: dict[str, Any] = field(default_factory=dict)


async def beside(
    rounds: int, ours: Callable[[], Awaitable[float]], limit: Callable[[], Awaitable[float]]
) -> tuple[Spread, Spread, Spread]:
    """The rates of both and their ratio, measured in turns so that a busy machine disturbs both alike."""
    pairs = [(await ours(), await limit()) for _ in range(rounds)]
    mine, others = zip(*pairs, strict=True)
    return Spread.of(mine), Spread.of(others), Spread.of([a / b for a, b in pairs])


async def until(met: Callable[[], Awaitable[bool]], what: str, *, every: float, seconds: float = 600) -> None:
    """Looks again and again. RuntimeError if it takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while not await met():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} took more than {seconds:.0f} s; the bench cannot go on")
        await asyncio.sleep(every)


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50 and p99 in milliseconds."""
    ordered = sorted(seconds)
    return {
        name: short(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000)
        for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99))
    }


@contextmanager
def calm() -> Iterator[None]:
    """What the bench itself holds (prepared commands, answers) is not searched for garbage while the clock runs."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def short(value: float) -> float:
    """Three digits, or a whole number: more would not come out again."""
    return round(value) if abs(value) >= 1000 else float(f"{value:.3g}")
