"""Many events at once, against INSERTs of 100 rows of the same bytes on one connection."""

from __future__ import annotations

import asyncio
import time

from shared.eventlog.commit import Commit
from shared.eventlog.log import Log
from tests.bench import commands
from tests.bench.commands import Make
from tests.bench.measure import Goal, Plan, Result, beside, calm
from tests.bench.pgbench import PgBench
from tests.bench.stand import Stand

GOAL = Goal(">= 0.8x raw INSERT", 0.8)
ROWS = 100
AT_ONCE = 1_000
PER_COMMAND = 500
KINDS: dict[str, tuple[Make, int]] = {
    "of open commands": (commands.order, 1),
    "of sealed commands": (commands.ticket, 1),
    "of new customers": (commands.registration, 1),
    f"of {PER_COMMAND} events a command": (commands.history(PER_COMMAND), PER_COMMAND),
}


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """The log's `commit_many` of 1,000 events at a time; the next are handed in while the last are written."""
    stand.start(stand.postgres)
    url = stand.database("bulk")
    with stand.log(url) as log:
        return [await _measure(stand, url, log, plan, kind) for kind in KINDS]


async def _measure(stand: Stand, url: str, log: Log, plan: Plan, kind: str) -> Result:
    make, events = KINDS[kind]
    await log.commit_many(commands.many(make, 2))
    raw = PgBench(url, log.read(log.head() - 1, 1)[0].state, stand.folder, rows=ROWS)

    async def ours() -> float:
        prepared = commands.many(make, plan.size // events)
        return await _commit(log, prepared, max(1, AT_ONCE // events)) * events

    mine, limit, ratio = await beside(plan.rounds, ours, lambda: raw.rate(1, plan.seconds))
    return Result(
        path=f"bulk append {kind}",
        unit="events/s",
        ours=mine,
        limit=limit,
        ratio=ratio,
        limit_is=f"pgbench, {ROWS} rows, 1 connection",
        goals={GOAL.text: GOAL.met_by(ratio.median)},
        more={"event_bytes": raw.row_bytes},
    )


async def _commit(log: Log, prepared: list[Commit], at_once: int) -> float:
    """Commands per second."""
    batches = iter([prepared[start : start + at_once] for start in range(0, len(prepared), at_once)])

    async def caller() -> None:
        for batch in batches:
            await log.commit_many(batch)

    with calm():
        began = time.perf_counter()
        await asyncio.gather(caller(), caller())
        return len(prepared) / (time.perf_counter() - began)
