"""Questions to the trail: what its index costs the commands beside it, and how fast a large access log answers.

`python -m tests.bench --only trail --rounds 1 --size 1000000` asks a log of a million reads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from deploy.trail.exposure import Exposure, asked
from deploy.trail.question import Question
from deploy.trail.search import Search
from shared.audit.trail import TrailIndex
from shared.eventlog.commit import MAX_EVENTS, Append, Commit
from shared.eventlog.log import Log
from shared.events.access import PersonalDataRead
from shared.events.envelope import Actor, Cause
from shared.ids import uuid7
from tests.bench import commands
from tests.bench.append import WARM_UP, commit
from tests.bench.measure import Goal, Plan, Result, Spread, beside, calm, percentiles
from tests.bench.stand import Stand

CALLERS = 64
PREPARED_PER_SECOND = 20_000
ACTORS = 100
CUSTOMERS = 10_000
QUESTIONS = 20
PAGE = 50
BESIDE = Goal(">= 0.9x without", 0.9)
ANSWERED = Goal("a page in <= 200 ms", 200, at_most=True)
EXPOSED = Goal("1 M reads <= 30 s (extrapolated)", 1_000_000 / 30)
READ = PersonalDataRead(operation="GET /customers/{ref}", fields=("birth_date", "contacts", "name"))


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """Commands with and without the index filling beside them, in turns; then a filled log."""
    stand.start(stand.postgres)
    return [await _beside_commands(stand, plan), *await _filled(stand, plan)]


async def _beside_commands(stand: Stand, plan: Plan) -> Result:
    url, other_url = stand.database("indexed"), stand.database("alone")
    latencies: list[float] = []
    waste: list[float] = []
    with stand.log(url) as log, stand.log(other_url) as alone:
        for one in (log, alone):
            await one.commit_many(commands.many(commands.ticket, WARM_UP))
        async with _filling(url):
            mine, limit, ratio = await beside(
                plan.rounds, lambda: _append(log, plan, latencies), lambda: _append(alone, plan, waste)
            )
    return Result(
        path=f"append sealed, {CALLERS} at once, the index of the trail filling",
        unit="events/s",
        ours=mine,
        limit=limit,
        ratio=ratio,
        limit_is="the same without an index of the trail",
        goals={BESIDE.text: BESIDE.met_by(ratio.median)},
        more=percentiles(latencies),
    )


async def _filled(stand: Stand, plan: Plan) -> list[Result]:
    url = stand.database("access")
    indexed: list[float] = []
    with stand.log(url) as log, closing(TrailIndex(url, "access")) as index:
        for _ in range(plan.rounds):
            await _read(log, plan.size)
            with calm():
                began = time.perf_counter()
                while index.advance():
                    pass
                indexed.append(plan.size / (time.perf_counter() - began))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")
        asking = Search({"access": connection})
        return [
            Result(path="index of the trail", unit="events/s", ours=Spread.of(indexed), goals={}),
            *(_asked(name, asking, make) for name, make in _questions(asking).items()),
            *(_exposed(name, asking, actor, plan.rounds) for name, actor in (("one of 100", "u1"), ("all", "all"))),
        ]


def _questions(asking: Search) -> Mapping[str, Callable[[int], Question]]:
    """What is asked, each time with another value."""
    some = list(asking.records(asking.places(Question(logs=("access",)), "oldest", QUESTIONS), Question()))
    ever = datetime(2000, 1, 1, tzinfo=UTC)
    logs = ("access",)
    return {
        "account": lambda n: Question(actor=f"u{n}", logs=logs),
        "customer": lambda n: Question(customers=frozenset({some[n].record.customer}), logs=logs),
        "kind, none of it": lambda _: Question(types=frozenset({"access.exported"}), logs=logs),
        "command": lambda n: Question(command=some[n].record.command, logs=logs),
        "correlation": lambda n: Question(correlation=some[n].record.correlation, logs=logs),
        "time": lambda n: Question(since=ever, until=some[n].place.at + timedelta(seconds=1), logs=logs),
    }


def _asked(name: str, asking: Search, make: Callable[[int], Question]) -> Result:
    taken = []
    for number in range(QUESTIONS):
        began = time.perf_counter()
        asking.page(make(number), "newest", PAGE)
        taken.append(time.perf_counter() - began)
    times = percentiles(taken)
    return Result(
        path=f"trail by {name}, a page",
        unit="pages/s",
        ours=Spread.of([1 / each for each in taken]),
        goals={ANSWERED.text: ANSWERED.met_by(times["p50_ms"])},
        more=times,
    )


def _exposed(name: str, asking: Search, actor: str, rounds: int) -> Result:
    """Reads of an account per second; of `all`, as if one account had done everything."""
    question = asked(actor, datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC))
    if actor == "all":
        question = Question(types=question.types, logs=question.logs)
    rates, found = [], Exposure()
    for _ in range(rounds):
        with calm():
            began = time.perf_counter()
            found = Exposure.of(asking.records(asking.places(question, "oldest"), question))
            rates.append(found.reads / (time.perf_counter() - began))
    rate = Spread.of(rates)
    more: dict[str, Any] = {"reads": found.reads, "customers": len(found.customers)}
    return Result(
        path=f"exposed by {name}",
        unit="reads/s",
        ours=rate,
        goals={EXPOSED.text: EXPOSED.met_by(rate.median)},
        more=more,
    )


async def _read(log: Log, count: int) -> None:
    """So many recorded reads, a hundred accounts in turns; what a request reads is one commit."""
    customers = [uuid7() for _ in range(min(CUSTOMERS, count))]
    for start in range(0, count, MAX_EVENTS):
        numbers = range(start, min(start + MAX_EVENTS, count))
        commits = []
        for number in numbers:
            command = uuid7()
            actor = Actor(id=f"u{number % ACTORS}", kind="user")
            append = Append(f"access-{uuid7()}", customers[number % len(customers)], 0, (READ,))
            commits.append(Commit(Cause(actor, "web", "service", command, uuid7(), command), (append,)))
        await log.commit_many(commits)


async def _append(log: Log, plan: Plan, latencies: list[float]) -> float:
    prepared = commands.many(commands.ticket, int(PREPARED_PER_SECOND * plan.seconds))
    return await commit(log, prepared, CALLERS, plan.seconds, latencies)


@asynccontextmanager
async def _filling(url: str) -> AsyncIterator[None]:
    """The index filled from the same process, as services have it."""
    running = asyncio.create_task(TrailIndex(url, "customer").run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
