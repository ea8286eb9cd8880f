"""One event per command, against single-row INSERTs of the same bytes over as many connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from shared.eventlog.commit import Commit
from shared.eventlog.log import Log
from tests.bench import commands
from tests.bench.commands import Make
from tests.bench.measure import Goal, Plan, Result, beside, calm, percentiles
from tests.bench.pgbench import PgBench
from tests.bench.stand import Stand

KINDS = {"open": commands.order, "sealed": commands.ticket, "new customer": commands.registration}
WARM_UP = 500
PREPARED_PER_SECOND = {1: 3_000, 64: 20_000}
GOALS = {
    1: (Goal(">= 0.5x raw INSERT", 0.5),),
    64: (Goal(">= 1.0x raw INSERT", 1.0), Goal("p99 <= 15 ms", 15, at_most=True)),
}


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """The log's `commit`, awaited by 64 and by 1 callers, for an event of each kind."""
    stand.start(stand.postgres)
    url = stand.database("append")
    with stand.log(url) as log:
        raw = {kind: PgBench(url, await _stored(log, make), stand.folder) for kind, make in KINDS.items()}
        return [await _measure(log, raw[kind], plan, kind, callers) for callers in (64, 1) for kind in KINDS]


async def _stored(log: Log, make: Make) -> bytes:
    """The bytes of such an event; the log is warm then."""
    await log.commit_many(commands.many(make, WARM_UP))
    return log.read(log.head() - 1, 1)[0].state


async def _measure(log: Log, raw: PgBench, plan: Plan, kind: str, callers: int) -> Result:
    make = KINDS[kind]
    latencies: list[float] = []

    async def ours() -> float:
        prepared = commands.many(make, int(PREPARED_PER_SECOND[callers] * plan.seconds))
        return await commit(log, prepared, callers, plan.seconds, latencies)

    mine, limit, ratio = await beside(plan.rounds, ours, lambda: raw.rate(callers, plan.seconds))
    times = percentiles(latencies)
    figures = (ratio.median, times["p99_ms"])
    return Result(
        path=f"append {kind}, {callers} at once",
        unit="events/s",
        ours=mine,
        limit=limit,
        ratio=ratio,
        limit_is=f"pgbench, 1 row, {callers} connections",
        goals={goal.text: goal.met_by(figure) for goal, figure in zip(GOALS[callers], figures, strict=False)},
        more={**times, "event_bytes": raw.row_bytes},
    )


async def commit(log: Log, prepared: list[Commit], callers: int, seconds: float, latencies: list[float]) -> float:
    """Commands per second until the time is over or all are written."""
    with calm():
        began = time.perf_counter()
        coming = _until(iter(prepared), began + seconds)
        done = await asyncio.gather(*(_caller(log, coming, latencies) for _ in range(callers)))
        return sum(done) / (time.perf_counter() - began)


async def _caller(log: Log, coming: Iterator[Commit], latencies: list[float]) -> int:
    done = 0
    for commit in coming:
        asked = time.perf_counter()
        await log.commit(commit)
        latencies.append(time.perf_counter() - asked)
        done += 1
    return done


def _until(prepared: Iterator[Commit], end: float) -> Iterator[Commit]:
    for commit in prepared:
        if time.perf_counter() > end:
            return
        yield commit
