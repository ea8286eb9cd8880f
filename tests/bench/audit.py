"""The audit trail: what it costs the commands beside it, how fast it grows, and how fast a whole log is inspected."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.audit.inspection import Inspection
from shared.audit.sequencer import Sequencer
from shared.audit.signer import Signer
from shared.audit.snapshot import snapshot
from shared.audit.store import Store
from shared.eventlog.log import Log
from tests.bench import commands
from tests.bench.append import WARM_UP, commit
from tests.bench.measure import Goal, Plan, Result, Spread, beside, calm, percentiles, until
from tests.bench.stand import Stand

CALLERS = 64
PREPARED_PER_SECOND = 20_000
BESIDE = Goal(">= 0.9x without", 0.9)
INSPECTED = Goal("1 M events <= 60 s (extrapolated)", 1_000_000 / 60)
SIGNER = Signer("custlog/bench/customer", Ed25519PrivateKey.generate())


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """Commands with and without the tree growing beside them, in turns; then a filled log."""
    stand.start(stand.postgres)
    return [await _beside_commands(stand, plan), *await _filled(stand, plan)]


async def _beside_commands(stand: Stand, plan: Plan) -> Result:
    url, other_url = stand.database("audited"), stand.database("alone")
    latencies: list[float] = []
    waste: list[float] = []
    with stand.log(url) as log, stand.log(other_url) as alone:
        for one in (log, alone):
            await one.commit_many(commands.many(commands.ticket, WARM_UP))
        async with _growing(log, url) as sequencer:

            async def ours() -> float:
                rate = await _append(log, plan, latencies)
                await until(lambda: _is(sequencer.status().size == log.head()), "signing", every=0.05)
                return rate

            mine, limit, ratio = await beside(plan.rounds, ours, lambda: _append(alone, plan, waste))
    return Result(
        path=f"append sealed, {CALLERS} at once, the audit tree growing",
        unit="events/s",
        ours=mine,
        limit=limit,
        ratio=ratio,
        limit_is="the same without an audit tree",
        goals={BESIDE.text: BESIDE.met_by(ratio.median)},
        more=percentiles(latencies),
    )


async def _filled(stand: Stand, plan: Plan) -> list[Result]:
    url = stand.database("filled")
    grown: list[float] = []
    inspected: list[float] = []
    with stand.log(url) as log, closing(sealed_by(url)) as store:
        store.open()
        for _ in range(plan.rounds):
            before = log.head()
            await log.commit_many(commands.many(commands.registration, plan.size))
            with calm():
                began = time.perf_counter()
                while store.advance().more:
                    pass
                grown.append((log.head() - before) / (time.perf_counter() - began))
                inspected.append(_inspect(url, log.head()))
    rate = Spread.of(inspected)
    return [
        Result(path="audit tree over new customers", unit="events/s", ours=Spread.of(grown), goals={}),
        Result(
            path="inspection of a whole log",
            unit="events/s",
            ours=rate,
            goals={INSPECTED.text: INSPECTED.met_by(rate.median)},
        ),
    ]


def _inspect(url: str, size: int) -> float:
    """Events per second. RuntimeError if the log is not what was signed."""
    began = time.perf_counter()
    with snapshot(url, "customer") as seen:
        verdict = Inspection([SIGNER.key]).advance(seen)
    if not verdict.ok or verdict.size != size:
        raise RuntimeError(f"the inspection went wrong: {verdict.reason or verdict.size}")
    return size / (time.perf_counter() - began)


async def _append(log: Log, plan: Plan, latencies: list[float]) -> float:
    prepared = commands.many(commands.ticket, int(PREPARED_PER_SECOND * plan.seconds))
    return await commit(log, prepared, CALLERS, plan.seconds, latencies)


@asynccontextmanager
async def _growing(log: Log, url: str) -> AsyncIterator[Sequencer]:
    """A sequencer in the same process, as services have it."""
    sequencer = Sequencer(sealed_by(url))
    log.when_committed(sequencer.wake_threadsafe)
    running = asyncio.create_task(sequencer.run())
    try:
        yield sequencer
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def sealed_by(url: str) -> Store:
    """The audit tree of a customer log, signed by this run's own key."""
    return Store(url, "customer", origin=SIGNER.key.name, signers=[SIGNER], verifiers=[SIGNER.key])


async def _is(value: bool) -> bool:
    return value
