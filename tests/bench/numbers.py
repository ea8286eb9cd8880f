"""Customer numbers by four writers: one at a time, each durable when it is answered, and in bulk.

One at a time by one caller of each writer, which is how long a number takes, and by many, which is how many there are:
then a caller waits mostly for the others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from functools import partial

from services.identity import store
from services.identity.issuing.commands import MAX_ROWS, Assign, Assignment, RowAnswer
from services.identity.issuing.numbers import Numbers
from shared.clock import SystemClock
from shared.eventlog.log import Log
from shared.events.envelope import Actor, Cause
from shared.ids import uuid7
from tests.bench.measure import Goal, Plan, Result, Spread, calm, percentiles
from tests.bench.stand import Stand

WRITERS = 4
CALLERS = 16
"""Of each writer, where they are many."""
ONE_BY_ONE = Goal(">= 2,000/s durable per commit", 2_000)
QUICK = Goal("p99 <= 10 ms", 10, at_most=True)
BULK = Goal(">= 20,000/s in bulk", 20_000)

Write = Callable[[Numbers, Iterator[str], list[float]], Awaitable[int]]


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """Four writers, each with connections of its own, over one identity log; they take turns under its lock.

    They share a process here, so their encoding shares one core: real ones are no slower.
    """
    stand.start(stand.postgres)
    url = stand.database("numbers")
    with ExitStack() as stack:
        logs = [stack.enter_context(stand.log(url)) for _ in range(WRITERS)]
        with logs[0].transaction() as tx:
            store.create_tables(tx.cursor)
        writers = [Numbers(log, SystemClock()) for log in logs]
        alone = await _measure(logs[0], writers, plan, partial(_one_by_one, 1))
        single = await _measure(logs[0], writers, plan, partial(_one_by_one, CALLERS))
        bulk = await _measure(logs[0], writers, plan, _in_bulk)
        _none_twice(logs[0])
    return [
        Result(
            path="numbers, one a command, 4 writers with a caller each",
            unit="numbers/s",
            ours=alone[0],
            goals={QUICK.text: QUICK.met_by(alone[1]["p99_ms"])},
            more=alone[1],
        ),
        Result(
            path=f"numbers, one a command, 4 writers with {CALLERS} callers each",
            unit="numbers/s",
            ours=single[0],
            goals={ONE_BY_ONE.text: ONE_BY_ONE.met_by(single[0].median)},
            more=single[1],
        ),
        Result(
            path="numbers in bulk, 4 writers",
            unit="numbers/s",
            ours=bulk[0],
            goals={BULK.text: BULK.met_by(bulk[0].median)},
            more={"rows_a_command": MAX_ROWS},
        ),
    ]


async def _measure(log: Log, writers: list[Numbers], plan: Plan, write: Write) -> tuple[Spread, dict[str, float]]:
    rates, latencies = [], list[float]()
    for _ in range(plan.rounds):
        customers = _registered(log, plan.size)
        shares = [iter(customers[place :: len(writers)]) for place in range(len(writers))]
        with calm():
            began = time.perf_counter()
            done = sum(await asyncio.gather(*(write(w, s, latencies) for w, s in zip(writers, shares, strict=True))))
            rates.append(done / (time.perf_counter() - began))
    return Spread.of(rates), percentiles(latencies)


def _registered(log: Log, count: int) -> list[str]:
    """Customers without a number, as if their registrations had just been heard of."""
    customers = [uuid7() for _ in range(count)]
    with log.transaction() as tx:
        store.put_profiles(tx.cursor, [store.Profile(customer, 0, None) for customer in customers])
        store.put_members(tx.cursor, {customer: customer for customer in customers})
    return customers


async def _one_by_one(callers: int, writer: Numbers, customers: Iterator[str], latencies: list[float]) -> int:
    async def caller() -> int:
        done = 0
        for customer in customers:
            asked = time.perf_counter()
            done += _given(await writer.assign(Assign(rows=(Assignment(customer=customer),)), _cause()))
            latencies.append(time.perf_counter() - asked)
        return done

    return sum(await asyncio.gather(*(caller() for _ in range(callers))))


async def _in_bulk(writer: Numbers, customers: Iterator[str], latencies: list[float]) -> int:
    waiting = list(customers)
    done = 0
    for start in range(0, len(waiting), MAX_ROWS):
        rows = tuple(Assignment(customer=customer) for customer in waiting[start : start + MAX_ROWS])
        asked = time.perf_counter()
        done += _given(await writer.assign(Assign(rows=rows), _cause()))
        latencies.append(time.perf_counter() - asked)
    return done


def _given(answers: list[RowAnswer]) -> int:
    refused = [answer.error for answer in answers if answer.error]
    if refused:
        raise RuntimeError(f"{len(refused)} numbers were refused: {refused[0]}")
    return len(answers)


def _cause() -> Cause:
    command = uuid7()
    return Cause(Actor(id="bench", kind="service"), "bench", "service", command, command, command)


def _none_twice(log: Log) -> None:
    """The unique key would have refused a number that was given twice; each customer has one event."""
    with log.transaction() as tx:
        row = tx.cursor.execute(
            "SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM reservations) AS numbers"
        ).fetchone()
    if row is None or row["events"] != row["numbers"]:
        raise RuntimeError(f"there are not as many numbers as assignments: {row}")
