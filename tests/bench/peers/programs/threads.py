"""The measuring of a store whose client blocks: every caller is a thread. Standard library only."""

from __future__ import annotations

import gc
import statistics
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Protocol

from tests.bench.peers.programs.talk import Missing, Operations, percentiles

FILL_COMMIT = 100
QUIET_SECONDS = 3.0
"""So long without a new event, and what was not seen is lost."""
PAUSE_SECONDS = 0.005


class Store(Protocol):
    """One store as its documentation recommends it."""

    @property
    def most_per_second(self) -> Mapping[int, int]:
        """Events of a commit -> commits that are prepared for a second of measuring: more than it can write."""
        ...

    @property
    def open(self) -> Callable[..., dict[str, str]]:
        """Takes the sample and its own options; answers its versions."""
        ...

    def prepare(self, stream: str, first: int, events: int) -> Any:
        """One commit, made before the clock runs; its first event is number `first` (from 1) of the stream."""
        ...

    def append(self, prepared: Any) -> None: ...

    def load(self, stream: str) -> int:
        """How many events it read and decoded."""
        ...

    def read_all(self) -> int: ...

    def following(self, seen: Callable[[Hashable], None]) -> AbstractContextManager[None]:
        """Tells, in a thread, every event once by something that names it, from now on."""
        ...


def operations(store: Store) -> Operations:
    """What the bench may ask for."""
    measuring = _Measuring(store)
    return {
        "open": lambda **given: {"versions": store.open(**given)},
        "append": measuring.append,
        "fill": measuring.fill,
        "load": measuring.load,
        "read_all": measuring.read_all,
        "live": measuring.live,
        "race": measuring.race,
    }


class _Measuring:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._number = 0
        self._streams: dict[int, str] = {}

    def append(self, callers: int, per_commit: int, seconds: float) -> dict[str, Any]:
        most = max(callers, int(self._store.most_per_second[per_commit] * seconds))
        prepared = [self._store.prepare(self._stream(), 1, per_commit) for _ in range(most)]
        latencies: list[float] = []
        gc.collect()
        gc.freeze()
        began = time.perf_counter()
        coming = _Shared(prepared, began + seconds)

        def call() -> int:
            done = 0
            for commit in coming:
                asked = time.perf_counter()
                self._store.append(commit)
                latencies.append(time.perf_counter() - asked)
                done += 1
            return done

        with ThreadPoolExecutor(callers) as threads:
            done = sum(future.result() for future in [threads.submit(call) for _ in range(callers)])
        took = time.perf_counter() - began
        gc.unfreeze()
        return {"events": done * per_commit, "seconds": took, **percentiles(latencies)}

    def fill(self, lengths: Sequence[int]) -> dict[str, Any]:
        for length in lengths:
            stream = self._streams[length] = self._stream()
            for first in range(1, length + 1, FILL_COMMIT):
                self._store.append(self._store.prepare(stream, first, min(FILL_COMMIT, length + 1 - first)))
        return {}

    def load(self, length: int, times: int) -> dict[str, Any]:
        took = []
        for _ in range(times):
            began = time.perf_counter()
            read = self._store.load(self._streams[length])
            took.append(time.perf_counter() - began)
            if read != length:
                raise Missing(f"it read {read} of {length} events")
        return {"p50_ms": statistics.median(took) * 1000}

    def read_all(self) -> dict[str, Any]:
        began = time.perf_counter()
        return {"events": self._store.read_all(), "seconds": time.perf_counter() - began}

    def live(self, events: int, seconds: float) -> dict[str, Any]:
        times: list[float] = []
        delays: list[float] = []
        with self._store.following(lambda _: times.append(time.perf_counter())):
            end = time.monotonic() + seconds
            while len(delays) < events and time.monotonic() < end:
                commit = self._store.prepare(self._stream(), 1, 1)
                before = len(times)
                self._store.append(commit)
                answered = time.perf_counter()
                while len(times) == before and time.monotonic() < end + 5:
                    time.sleep(PAUSE_SECONDS / 50)
                if len(times) == before:
                    raise Missing("an event did not reach the reader within 5 s")
                delays.append(max(0.0, times[before] - answered))
                time.sleep(PAUSE_SECONDS)
        return percentiles(delays)

    def race(self, writers: int, seconds: float) -> dict[str, Any]:
        seen: set[Hashable] = set()
        lock = threading.Lock()

        def write() -> int:
            written = 0
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                with lock:
                    stream = self._stream()
                self._store.append(self._store.prepare(stream, 1, 1))
                written += 1
            return written

        with self._store.following(seen.add), ThreadPoolExecutor(writers) as threads:
            written = sum(future.result() for future in [threads.submit(write) for _ in range(writers)])
            _wait_for_all(seen, written)
        return {"written": written, "lost": written - len(seen)}

    def _stream(self) -> str:
        self._number += 1
        return f"stream-{self._number}"


def _wait_for_all(seen: set[Hashable], written: int) -> None:
    known, since = -1, time.monotonic()
    while len(seen) < written and time.monotonic() - since < QUIET_SECONDS:
        if len(seen) != known:
            known, since = len(seen), time.monotonic()
        time.sleep(PAUSE_SECONDS)


class _Shared:
    """An iterator for many threads that ends with the time."""

    def __init__(self, items: Sequence[Any], end: float) -> None:
        self._items = iter(items)
        self._end = end
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if time.perf_counter() > self._end:
            raise StopIteration
        with self._lock:
            return next(self._items)
