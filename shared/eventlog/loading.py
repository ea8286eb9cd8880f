"""Group load: concurrent loads of a process are read together, each caller gets its own stream.

A load begins its read after it was asked for, never before: what was committed before the call is seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import cast

from shared.events.envelope import Recorded

ReadStreams = Callable[[Sequence[str]], Awaitable[Mapping[str, Sequence[Recorded] | Exception]]]
"""Streams -> their events in order, or why one of them cannot be read. Raises what concerns all of them."""

AT_ONCE = 2
"""So many reads run at a time: an idle service reads at once, a busy one in groups."""
MAX_STREAMS = 100


class GroupLoad:
    """Belongs to the event loop on which it is called."""

    def __init__(self, read: ReadStreams) -> None:
        self._read = read
        self._waiting: dict[str, list[asyncio.Future[list[Recorded]]]] = {}
        self._reading: set[asyncio.Task[None]] = set()

    async def load(self, stream: str) -> list[Recorded]:
        """All events of one stream in order; empty if there is none. Raises what the reading raises."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(stream, []).append(future)
        if len(self._reading) < AT_ONCE:
            task = asyncio.create_task(self._drain())
            self._reading.add(task)
            # For a task that is cancelled before it begins; one that ends has left by itself.
            task.add_done_callback(self._reading.discard)
        found: list[Recorded] = await future
        return found

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._read_waiting()
        finally:
            # In the same step as the last look at what waits: a callback would come after the callers were woken, and
            # one that loads at once would count this task as still reading and wait for nobody.
            self._reading.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _read_waiting(self) -> None:
        streams = list(self._waiting)[:MAX_STREAMS]
        callers = {stream: self._waiting.pop(stream) for stream in streams}
        try:
            found = await self._read(streams)
        except Exception as error:  # noqa: BLE001 - every waiting caller gets the reason
            found = dict.fromkeys(streams, error)
        for stream, futures in callers.items():
            for future in futures:
                _settle(future, found.get(stream, ()))


def _settle(future: asyncio.Future[list[Recorded]], found: Sequence[Recorded] | Exception) -> None:
    if future.done():  # its caller went away
        return
    if isinstance(found, Exception):
        future.set_exception(found)
    else:
        future.set_result(list(found))
