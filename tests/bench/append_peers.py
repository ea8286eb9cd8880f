"""Our log beside other event stores: the same event to the same PostgreSQL (UmaDB has an engine of its own).

Every store runs in a program of its own with its own client, its callers in that program. Each commit goes to a new
stream. What is beside the same work: ours remembers every command, so that a repeat of it is harmless; Axon and Emmett
keep metadata; raw and UmaDB check nothing here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.bench.measure import Plan, Result, Spread
from tests.bench.peers.contest import Contest, Figures, contest
from tests.bench.peers.ours import Many, Ours
from tests.bench.peers.peer import Appended, Missing, Peer
from tests.bench.peers.table import PEERS
from tests.bench.stand import Stand

CASES = ((1, 1), (8, 1), (64, 1), (1, 100), (4, 100))
"""(callers, events of a commit)"""
WARM_UPS = ((8, 1), (4, 100))


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """Commits of one and of a hundred events."""
    results = []
    async with contest(stand, plan, (*PEERS, Many)) as contestants:
        await _warm_up(contestants, plan.seconds)
        for callers, per_commit in CASES:
            figures = await contestants.measure(plan.rounds, _appending(callers, per_commit, plan.seconds))
            path = f"append {per_commit} a commit, {callers} at once"
            results += contestants.results(path, "events/s", _rates(figures), more=_Times(figures))
    return results


def _appending(callers: int, per_commit: int, seconds: float) -> Callable[[Peer], Awaitable[Appended]]:
    return lambda peer: peer.append(callers, per_commit, seconds)


async def _warm_up(contestants: Contest, seconds: float) -> None:
    """Programs compile, connections are made, plans are prepared."""
    for peer in list(contestants.peers):
        try:
            for callers, per_commit in WARM_UPS:
                await peer.append(callers, per_commit, seconds)
        except Missing as reason:
            contestants.drop(peer, str(reason))


def _rates(figures: Figures[Appended]) -> Figures[float]:
    rates = {name: [one.rate for one in rounds] for name, rounds in figures.rounds.items()}
    return Figures(rates, figures.missing)


class _Times:
    """How long a caller waited, ours and the peer's: medians of the rounds."""

    def __init__(self, figures: Figures[Appended]) -> None:
        self._rounds = figures.rounds

    def __call__(self, name: str) -> Mapping[str, Any]:
        return times(self._rounds[Ours.name], "") | times(self._rounds[name], "peer_")


def times(rounds: Any, prefix: str) -> dict[str, float]:
    """Medians over the rounds of what was told of waiting."""
    told = {}
    for name in ("p50_ms", "p99_ms"):
        known = [value for one in rounds if (value := getattr(one, name)) is not None]
        if known:
            told[f"{prefix}{name}"] = Spread.of(known).median
    return told
