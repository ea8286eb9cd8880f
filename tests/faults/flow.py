"""One direction of one connection through the proxy: bytes in order, late, slowly, not at all, or cut off."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

ModeName: TypeAlias = Literal["pass", "latency", "throttle", "black_hole", "reset", "half_close"]
Direction: TypeAlias = Literal["to_server", "to_client"]

MOST_HELD = 256 * 1024
"""Bytes that wait in one direction before its sender is no longer read."""
_PIECES_PER_SECOND = 20


@dataclass(frozen=True)
class Mode:
    """How a link behaves.

    pass        every byte at once
    latency     every byte `ms` +- `jitter` later, in order
    throttle    `bytes_per_second` in each direction
    black_hole  connections are accepted, nothing is forwarded and nothing is lost: it arrives once the hole is mended
    reset       every connection is reset, new ones too
    half_close  `direction` is shut: its receiver sees the end, what still comes that way is lost; the other one works
    """

    name: ModeName = "pass"
    ms: float = 0.0
    jitter: float = 0.0
    bytes_per_second: float = 1024.0
    direction: Direction = "to_client"


class Flow:
    """From one socket to another; `source` is read once `sink` is there. `when_finished` follows the last byte."""

    def __init__(self, mode: Mode, rng: random.Random, when_finished: Callable[[], None]) -> None:
        self.mode = mode
        self.source: asyncio.Transport | None = None
        self.sink: asyncio.Transport | None = None
        self.finished = False
        self._rng = rng
        self._when_finished = when_finished
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._held = 0
        self._last = 0.0
        self._ending = False
        self._shut = False
        self._sink_full = False
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def holding(self) -> bool:
        return self.mode.name == "black_hole"

    def change(self, mode: Mode) -> None:
        """From now on; what waits goes on under the new mode."""
        self.mode = mode
        if mode.name == "pass":
            self._waiting = deque((0.0, data) for _, data in self._waiting)
        self._pump()

    def feed(self, data: bytes) -> None:
        if self._shut:
            return
        if self.mode.name == "pass" and not self._waiting and self.sink is not None:
            self.sink.write(data)
            return
        self._held += len(data)
        for piece in self._pieces(data):
            self._waiting.append((self._due(len(piece)), piece))
        self._pump()

    def end(self) -> None:
        """The sender has sent its last byte."""
        self._ending = True
        self._pump()

    def shut(self) -> None:
        """The receiver sees the end now; what waits and what still comes is lost."""
        self._shut = self._ending = True
        self._waiting.clear()
        self._held = 0
        self._pump()

    def sink_full(self, *, full: bool) -> None:
        self._sink_full = full
        self._regulate()

    def stop(self) -> None:
        """The connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
        self.source = self.sink = None
        self._waiting.clear()

    def _pieces(self, data: bytes) -> list[bytes]:
        if self.mode.name != "throttle":
            return [data]
        size = max(1, int(self.mode.bytes_per_second / _PIECES_PER_SECOND))
        return [data[at : at + size] for at in range(0, len(data), size)]

    def _due(self, size: int) -> float:
        now = asyncio.get_running_loop().time()
        match self.mode.name:
            case "latency":
                wanted = now + max(0.0, self.mode.ms + self._rng.uniform(-self.mode.jitter, self.mode.jitter)) / 1000
                self._last = max(self._last, wanted)
            case "throttle":
                self._last = max(self._last, now) + size / self.mode.bytes_per_second
            case _:
                self._last = now
        return self._last

    def _pump(self) -> None:
        """Forwards what is due, and comes again when the next piece is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        while self._waiting and self.sink is not None and not self.holding:
            due, data = self._waiting[0]
            if due > loop.time():
                self._timer = loop.call_at(due, self._pump)
                break
            self._waiting.popleft()
            self._held -= len(data)
            self.sink.write(data)
        if self._ending and not self._waiting and not self.finished and self.sink is not None and not self.holding:
            self.finished = True
            if self.sink.can_write_eof() and not self.sink.is_closing():
                self.sink.write_eof()
            self._when_finished()
        self._regulate()

    def _regulate(self) -> None:
        pause = self.sink is None or self.holding or self._sink_full or self._held > MOST_HELD
        if self.source is None or pause == self._paused or self.source.is_closing():
            return
        self._paused = pause
        source = cast("asyncio.ReadTransport", self.source)
        (source.pause_reading if pause else source.resume_reading)()
