"""Reading our log beside other event stores: one stream, everything in order, and live while others write.

Every event is decoded to the type that its store gives its users. The delay of live reading is from the answer to an
append until a reader in the same program has the event. In the race ten writers append while one reader follows: what
it never sees, though it was stored, is lost to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from tests.bench.append_peers import times
from tests.bench.measure import Plan, Result
from tests.bench.peers.contest import Contest, Figures, contest
from tests.bench.peers.ours import Ours
from tests.bench.peers.peer import Appended, Missing, Peer, Raced
from tests.bench.stand import Stand

LENGTHS = {10: 50, 100: 50, 1_000: 10}
"""Events of a stream -> how often it is read in a round."""
LEAST_EVERYTHING = 2_000
WRITERS = 10
LIVE_EVENTS = 100


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """Loads, reading all, live delay, and the race."""
    async with contest(stand, plan) as contestants:
        await _fill(contestants, (*LENGTHS, max(plan.size, LEAST_EVERYTHING)))
        results = []
        for length, often in LENGTHS.items():
            loads = await contestants.measure(plan.rounds, _loading(length, often))
            results += contestants.results(f"load a stream of {length}", "ms", loads)
        everything = await contestants.measure(plan.rounds, lambda peer: peer.read_all())
        results += contestants.results("read all", "events/s", everything)
        return [*results, *await _live(contestants, plan), *await _race(contestants, plan)]


def _loading(length: int, often: int) -> Callable[[Peer], Awaitable[float]]:
    return lambda peer: peer.load(length, often)


async def _fill(contestants: Contest, lengths: tuple[int, ...]) -> None:
    """Writes the streams, and reads so much that every program is warm."""
    for peer in list(contestants.peers):
        try:
            await peer.fill(lengths)
            for length, often in LENGTHS.items():
                await peer.load(length, often)
        except Missing as reason:
            contestants.drop(peer, str(reason))


async def _live(contestants: Contest, plan: Plan) -> list[Result]:
    figures = await contestants.measure(plan.rounds, lambda peer: peer.live(LIVE_EVENTS, plan.seconds))
    medians = {name: [one.p50_ms or 0.0 for one in rounds] for name, rounds in figures.rounds.items()}
    return contestants.results(
        "seen live after its answer",
        "ms",
        Figures(medians, figures.missing),
        more=lambda name: _waits(figures, name),
        ratios=False,  # a delay may be nothing at all
    )


def _waits(figures: Figures[Appended], name: str) -> Mapping[str, Any]:
    return times(figures.rounds[Ours.name], "") | times(figures.rounds[name], "peer_")


async def _race(contestants: Contest, plan: Plan) -> list[Result]:
    figures: Figures[Raced] = await contestants.measure(plan.rounds, lambda peer: peer.race(WRITERS, plan.seconds))
    lost = {name: [float(one.lost) for one in rounds] for name, rounds in figures.rounds.items()}
    written = {name: sum(one.written for one in rounds) for name, rounds in figures.rounds.items()}
    results = contestants.results(
        f"lost to a live reader, {WRITERS} writers",
        "events",
        Figures(lost, figures.missing),
        more=lambda name: {"written": written[Ours.name], "peer_written": written[name]},
        ratios=False,
    )
    none_lost = {"none of ours lost": not any(lost[Ours.name])}
    return [replace(result, goals=none_lost) for result in results]
