"""All peers at work in turns: what each round gave, what could not be measured and why, as lines of the table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from tests.bench.measure import Plan, Result, Spread
from tests.bench.peers.ours import Ours, sample
from tests.bench.peers.peer import Missing, Peer
from tests.bench.peers.raw import Raw
from tests.bench.peers.table import PEERS
from tests.bench.stand import Stand

T = TypeVar("T")

MOST_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Figures(Generic[T]):
    """What each peer gave in each round, by name; a peer that failed in one round has none."""

    rounds: Mapping[str, Sequence[T]]
    missing: Mapping[str, str]


@dataclass(slots=True)
class Contest:
    """The peers that run, and why the others do not."""

    peers: list[Peer] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    about: dict[str, dict[str, Any]] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    async def measure(self, rounds: int, ask: Callable[[Peer], Awaitable[T]]) -> Figures[T]:
        """Asks every peer in every round; each round begins with another one, so that none always follows the same."""
        given: dict[str, list[T]] = defaultdict(list)
        missing = dict(self.missing)
        for turn in range(min(rounds, MOST_ROUNDS)):
            start = turn % max(1, len(self.peers))
            for peer in (*self.peers[start:], *self.peers[:start]):
                if peer.name in missing:
                    continue
                try:
                    given[peer.name].append(await ask(peer))
                except Missing as reason:
                    missing[peer.name] = str(reason)
                    given.pop(peer.name, None)
        return Figures(given, missing)

    def drop(self, peer: Peer, reason: str) -> None:
        """Measures it no more."""
        self.peers.remove(peer)
        self.missing[peer.name] = reason

    def results(
        self,
        path: str,
        unit: str,
        figures: Figures[float],
        *,
        more: Callable[[str], Mapping[str, Any]] = lambda _: {},
        ratios: bool = True,
    ) -> list[Result]:
        """Ours beside every other peer, a line each. RuntimeError if ours itself could not be measured."""
        if Ours.name in figures.missing:
            raise RuntimeError(f"{path}: our own figure is missing: {figures.missing[Ours.name]}")
        mine = figures.rounds[Ours.name]
        raw = figures.rounds.get(Raw.name, ())
        lines = []
        for name, theirs in figures.rounds.items():
            if name == Ours.name:
                continue
            told: dict[str, Any] = {"about": self.about[name], **more(name)}
            if ratios and raw and name != Raw.name:
                told["to_raw"] = _ratios(theirs, raw)
            lines.append(
                Result(
                    path,
                    unit,
                    Spread.of(mine),
                    {},
                    limit=Spread.of(theirs),
                    ratio=_ratios(mine, theirs) if ratios else None,
                    limit_is=name,
                    more=told,
                )
            )
        for name, reason in figures.missing.items():
            if self._is_told(name, reason):
                continue
            told = {"about": self.about.get(name, {"peer": name}), "missing": f"{name}: {reason}"}
            lines.append(Result(path, unit, Spread.of(mine), {}, limit_is=f"{name}: {reason}", more=told))
        return lines

    def _is_told(self, name: str, reason: str) -> bool:
        """A peer that cannot be had at all gets one line, not one in every case."""
        known = name in self._told
        if self.missing.get(name) == reason:
            self._told.add(name)
        return known


@asynccontextmanager
async def contest(stand: Stand, plan: Plan, peers: Sequence[Callable[[], Peer]] = PEERS) -> AsyncIterator[Contest]:
    """These peers, installed and started, each with an empty store."""
    stand.start(stand.postgres)
    event = sample()
    made = Contest()
    async with AsyncExitStack() as running:
        for make in peers:
            peer = make()
            try:
                _install(peer, fetch=plan.fetch)
                running.push_async_callback(peer.stop)
                await peer.start(stand, event)
            except Missing as reason:
                made.missing[peer.name] = str(reason)
            else:
                made.peers.append(peer)
                made.about[peer.name] = {"peer": peer.name, "way": peer.what, "versions": peer.versions}
        yield made


def _install(peer: Peer, *, fetch: bool) -> None:
    if not (peer.bundled or fetch):
        raise Missing("not asked for: it is not in our own environment")
    peer.install()


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    return Spread.of([mine / other for mine, other in zip(ours, theirs, strict=True)])
