"""What a peer is: another event store that does the same work as our log, in the same run, on the same servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tests.bench.stand import Stand


class Missing(Exception):
    """A peer that cannot be had here, or cannot do this. Fate: the reason stands in the table and in the JSON."""


@dataclass(frozen=True, slots=True)
class Appended:
    """Events per second, and how long a caller waited for each commit where that is known."""

    rate: float
    p50_ms: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Raced:
    """Of the events written at once by several writers: how many a live reader never saw."""

    written: int
    lost: int


class Peer(Protocol):
    """One store. Every call but `install` may raise Missing with the reason why this peer has no such thing."""

    name: str
    what: str
    """Which of its ways is used, and what it does not promise."""
    bundled: bool
    """Whether it is in our own environment already."""

    @property
    def versions(self) -> dict[str, str]:
        """Of all that takes part, once it has started."""
        ...

    def install(self) -> None:
        """Fetch what is not here yet into `.peers`. Raises Missing."""
        ...

    async def start(self, stand: Stand, sample: dict[str, Any]) -> None:
        """With an empty store of its own. `sample` is the event to write, again and again."""
        ...

    async def append(self, callers: int, per_commit: int, seconds: float) -> Appended:
        """So many callers, each with one commit under way, each commit to a new stream."""
        ...

    async def fill(self, lengths: Sequence[int]) -> None:
        """Write a stream of each length."""
        ...

    async def load(self, length: int, times: int) -> float:
        """The median of milliseconds that reading and decoding that stream took."""
        ...

    async def read_all(self) -> float:
        """Events per second, read in order and decoded, of everything in the store."""
        ...

    async def live(self, events: int, seconds: float) -> Appended:
        """How long after the answer to its append an event reached a reader that waits for it; `rate` is 0."""
        ...

    async def race(self, writers: int, seconds: float) -> Raced: ...

    async def stop(self) -> None: ...
