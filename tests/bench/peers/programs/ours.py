"""Our own log, asked the same. It does more with each commit: it remembers the command, so that a repeat is harmless.

The sample is not used: what is written is an order, the event that the sample was made from.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import uvloop
from msgspec.structs import replace

from shared.clock import SystemClock
from shared.eventlog.commit import Append, Commit
from shared.eventlog.log import Log
from shared.eventlog.mapper import parse
from shared.events.envelope import Contract
from shared.ids import uuid7
from shared.privacy.keyring import KeyEncryptionKeys, Keyring
from tests.bench import commands
from tests.bench.peers.programs.talk import Missing, percentiles, serve

PAGE = 1_000
MOST_PER_SECOND = {1: 20_000, 100: 600}
FILL_COMMIT = 100
POLL_SECONDS = 0.5
QUIET_SECONDS = 3.0
PAUSE_SECONDS = 0.005


class Ours:
    """Every operation runs on one event loop; several logs are several processes' writers to one database."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._run = runner.run
        self._streams: dict[int, str] = {}
        self._many = False

    def open(self, sample: dict[str, Any], url: str, keyring: str, keys: str, *, many: bool = False) -> dict[str, Any]:
        del sample
        self._many, self._url = many, url
        self._keyring = Keyring(keyring, KeyEncryptionKeys.read(Path(keys)))
        self._keyring.open()
        self._log = self._another_log()
        return {"versions": {name: metadata.version(name) for name in ("eventsourcing", "psycopg")}}

    def close(self) -> None:
        self._log.close()
        self._keyring.close()

    def append(self, callers: int, per_commit: int, seconds: float) -> dict[str, Any]:
        return self._run(self._append(callers, per_commit, seconds))

    def fill(self, lengths: Sequence[int]) -> dict[str, Any]:
        self._run(self._fill(lengths))
        return {}

    def load(self, length: int, times: int) -> dict[str, Any]:
        return {"p50_ms": statistics.median(self._run(self._load(length, times))) * 1000}

    def read_all(self) -> dict[str, Any]:
        began = time.perf_counter()
        read = position = 0
        while page := self._log.read(position, PAGE):
            read += len(self._log.open_all([parse(stored.state) for stored in page], [stored.id for stored in page]))
            position = page[-1].id
        return {"events": read, "seconds": time.perf_counter() - began}

    def live(self, events: int, seconds: float) -> dict[str, Any]:
        return percentiles(self._run(self._live(events, seconds)))

    def race(self, writers: int, seconds: float) -> dict[str, Any]:
        return self._run(self._race(writers, seconds))

    async def _append(self, callers: int, per_commit: int, seconds: float) -> dict[str, Any]:
        most = int(MOST_PER_SECOND[per_commit] * seconds)
        work: Iterator[Any]
        send: Callable[[Any], Awaitable[Any]]
        events = commands.history(per_commit)(0).appends[0].events
        if self._many:
            work = iter([[_new(events[:1]) for _ in events] for _ in range(most)])
            send = self._log.commit_many
        else:
            work = iter([_new(events) for _ in range(most)])
            send = self._log.commit
        latencies: list[float] = []
        gc.collect()
        gc.freeze()
        began = time.perf_counter()

        async def call() -> None:
            for commit in work:
                asked = time.perf_counter()
                if asked > began + seconds:
                    return
                await send(commit)
                latencies.append(time.perf_counter() - asked)

        await asyncio.gather(*(call() for _ in range(callers)))
        took = time.perf_counter() - began
        gc.unfreeze()
        return {"events": len(latencies) * per_commit, "seconds": took, **percentiles(latencies)}

    async def _fill(self, lengths: Sequence[int]) -> None:
        for length in lengths:
            whole = commands.history(length)(0)
            (append,) = whole.appends
            self._streams[length] = append.stream
            for start in range(0, length, FILL_COMMIT):
                events = append.events[start : start + FILL_COMMIT]
                await self._log.commit(_part(whole, replace(append, expected=start, events=events)))

    async def _load(self, length: int, times: int) -> list[float]:
        took = []
        for _ in range(times):
            began = time.perf_counter()
            read = len(await self._log.load(self._streams[length]))
            took.append(time.perf_counter() - began)
            if read != length:
                raise Missing(f"it read {read} of {length} events")
        return took

    async def _live(self, events: int, seconds: float) -> list[float]:
        times: list[float] = []
        delays: list[float] = []
        async with self._following(lambda _: times.append(time.perf_counter()), (self._log,)):
            end = time.monotonic() + seconds
            while len(delays) < events and time.monotonic() < end:
                before = len(times)
                await self._log.commit(commands.order(0))
                answered = time.perf_counter()
                while len(times) == before:  # noqa: ASYNC110 - the follower is not to be slowed by telling us
                    await asyncio.sleep(PAUSE_SECONDS / 50)
                delays.append(max(0.0, times[before] - answered))
                await asyncio.sleep(PAUSE_SECONDS)
        return delays

    async def _race(self, writers: int, seconds: float) -> dict[str, Any]:
        logs = [self._another_log() for _ in range(writers)]
        seen: set[str] = set()

        async def write(log: Log) -> int:
            written = 0
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                await log.commit(commands.order(0))
                written += 1
            return written

        async with self._following(seen.add, logs):
            written = sum(await asyncio.gather(*map(write, logs)))
            known, since = -1, time.monotonic()
            while len(seen) < written and time.monotonic() - since < QUIET_SECONDS:
                if len(seen) != known:
                    known, since = len(seen), time.monotonic()
                await asyncio.sleep(PAUSE_SECONDS)
        for log in logs:
            log.close()
        return {"written": written, "lost": written - len(seen)}

    @asynccontextmanager
    async def _following(self, seen: Callable[[str], None], logs: Sequence[Log]) -> AsyncIterator[None]:
        """What the relay does: read after the last position, when woken by a commit and once in a while."""
        woken = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(woken.set)

        for log in logs:
            log.when_committed(wake)
        position = await self._log.newest()

        async def follow() -> None:
            nonlocal position
            while True:
                while page := await self._log.in_thread(partial(self._log.read, position, PAGE)):
                    for stored in page:
                        seen(parse(stored.state).id)
                    position = page[-1].id
                try:
                    async with asyncio.timeout(POLL_SECONDS):
                        await woken.wait()
                except TimeoutError:
                    continue
                woken.clear()

        following = asyncio.create_task(follow())
        try:
            yield
        finally:
            following.cancel()

    def _another_log(self) -> Log:
        log = Log("customer", self._url, self._keyring, SystemClock())
        log.open()
        return log


def _new(events: Sequence[Contract]) -> Commit:
    """A command to a new stream; making the events again each time would take longer than writing them."""
    return commands.command(f"order-{uuid7()}", uuid7(), events)


def _part(whole: Commit, append: Append) -> Commit:
    """Each part of a stream is a command of its own."""
    return replace(whole, cause=commands.order(0).cause, appends=(append,))


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        ours = Ours(runner)
        names = ("open", "append", "fill", "load", "read_all", "live", "race")
        serve({name: getattr(ours, name) for name in names})
        ours.close()


if __name__ == "__main__":
    main()
