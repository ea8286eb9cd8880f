"""Our subscription beside FastStream's own subscribers: the same records of one real topic, validated, then nothing
or one row inserted.

FastStream gets its default acknowledgement (ACK_FIRST: a record whose handler fails, or that a crash catches, is lost),
a pydantic model of the record, no middleware and no logging of each message; the batch handler inserts its records in
one statement. Ours takes every record exactly once: positions move in the transaction that inserts, duplicates are
dropped, holes are found, what cannot be taken is parked; its events are opened through the keyring.

The time is from the assignment of the partitions to the last record; connecting and joining are not measured.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib import metadata
from typing import Any, Literal, cast

import asyncpg
from aiokafka import ConsumerRebalanceListener, TopicPartition
from faststream.kafka import KafkaBroker
from pydantic import BaseModel

from shared.consumer import Consumer
from shared.decoding import Decoder
from shared.eventlog.log import Transaction
from shared.events.customer import OrderPlaced
from shared.events.envelope import Recorded
from shared.inbox import INBOX_DDL
from shared.privacy.sealing import DataKey
from shared.subscription import kafka_broker, subscribe
from shared.topics import ensure_topics
from tests.bench import commands
from tests.bench.measure import Plan, Result, Spread, calm
from tests.bench.relay import PARTITIONS, messages, produce
from tests.bench.stand import Stand

Work = Literal["nothing", "insert"]
TOPIC = "bench.consumed"
PATIENCE_SECONDS = 300.0
_WAYS = {
    "FastStream, one message": "a pydantic model a call, acknowledged before it is handled, no logging of each message",
    "FastStream, batch": "a list of models a call, acknowledged before it is handled, one INSERT a batch",
}
_PACKAGES = ("faststream", "aiokafka", "asyncpg", "pydantic", "psycopg")
_TABLE = "CREATE TABLE seen (id uuid PRIMARY KEY, customer uuid NOT NULL, total text NOT NULL)"
_ONE = "INSERT INTO seen VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_MANY = "INSERT INTO seen SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[]) ON CONFLICT DO NOTHING"
_OURS = "INSERT INTO seen SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[]) ON CONFLICT DO NOTHING"


class Line(BaseModel):
    product: str
    quantity: str
    amount: str


class Order(BaseModel):
    order_id: uuid.UUID
    reference: str
    currency: str
    total: str
    lines: list[Line]


class By(BaseModel):
    id: str
    kind: str


class Placed(BaseModel):
    """The record as a user of FastStream would declare it."""

    id: uuid.UUID
    type: str
    v: int
    log: str
    stream: str
    seq: int
    recorded_at: datetime
    occurred_at: datetime
    actor: By
    channel: str
    purpose: str
    command: uuid.UUID
    correlation: uuid.UUID
    causation: uuid.UUID
    depth: int
    customer: uuid.UUID
    data: Order
    sealed: dict[str, Any]


@dataclass(slots=True)
class Progress:
    """From the assignment of the partitions until as many records are done as there are."""

    wanted: int
    began: float = 0.0
    ended: float = 0.0
    done: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self) -> None:
        self.began = self.began or time.perf_counter()

    def count(self, records: int) -> None:
        self.done += records
        if self.done >= self.wanted:
            self.ended = time.perf_counter()
            self.over.set()

    async def rate(self) -> float:
        """Records per second. RuntimeError if they do not all come."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.over.wait()
        except TimeoutError:
            raise RuntimeError(f"only {self.done} of {self.wanted} records were consumed") from None
        return self.wanted / (self.ended - self.began)


class _Assigned(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None: ...

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._progress.begin()


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """All records of a topic, from its beginning, with each way and each work."""
    stand.start(stand.postgres, stand.kafka)
    await ensure_topics(stand.kafka.url, [TOPIC], partitions=PARTITIONS, replication=1)
    with stand.log(stand.database("consumed")) as log:
        await log.commit_many(commands.many(commands.order, plan.size))
        await produce(stand.kafka.url, TOPIC, messages(log.read(0, log.head())))
    works: tuple[Work, ...] = ("nothing", "insert")
    return [result for work in works for result in await _measure(stand, plan, work)]


async def _measure(stand: Stand, plan: Plan, work: Work) -> list[Result]:
    ways: Mapping[str, Callable[[Stand, int, Work], Awaitable[float]]] = {
        "ours": _ours,
        "FastStream, one message": _single,
        "FastStream, batch": _batch,
    }
    rounds = []
    for _ in range(plan.rounds):
        with calm():
            rounds.append({name: await way(stand, plan.size, work) for name, way in ways.items()})
    mine = [one["ours"] for one in rounds]
    versions = {name: metadata.version(name) for name in _PACKAGES}
    return [
        Result(
            path="consume and validate" if work == "nothing" else "consume, validate, insert a row",
            unit="records/s",
            ours=Spread.of(mine),
            goals={},
            limit=Spread.of([one[name] for one in rounds]),
            ratio=Spread.of([one["ours"] / one[name] for one in rounds]),
            limit_is=name,
            more={"about": {"peer": name, "way": _WAYS[name], "versions": versions}, "records": plan.size},
        )
        for name in ways
        if name != "ours"
    ]


async def _ours(stand: Stand, size: int, work: Work) -> float:
    progress = Progress(size)

    def apply(tx: Transaction, events: Sequence[Recorded], _: Mapping[str, DataKey]) -> int:
        if work == "insert":
            rows = [(event.id, event.customer, cast("OrderPlaced", event.data).total) for event in events]
            tx.cursor.execute(_OURS, [list(column) for column in zip(*rows, strict=True)])
        return len(events)

    with stand.log(stand.database("ours")) as log:
        with log.transaction() as tx:
            tx.cursor.execute(INBOX_DDL)
            tx.cursor.execute(_TABLE)
        loop = asyncio.get_running_loop()

        def report(records: int) -> None:
            loop.call_soon_threadsafe(progress.count, records)

        consumer = Consumer(log, "bench", Decoder(logs={TOPIC: "customer"}), apply, report=report)

        async def resume(partitions: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int | None]:
            progress.begin()
            return await consumer.resume(partitions)

        broker = kafka_broker(stand.kafka.url, "bench")
        subscription = subscribe(broker, [TOPIC], group=_group(), handle=consumer.handle, resume=resume)
        try:
            await subscription.start()
            return await progress.rate()
        finally:
            await subscription.stop()


async def _single(stand: Stand, size: int, work: Work) -> float:
    progress = Progress(size)
    async with _inserting(stand) as connection, _broker(stand) as broker:

        async def handle(record: Placed) -> None:
            if work == "insert":
                await connection.execute(_ONE, record.id, record.customer, record.data.total)
            progress.count(1)

        broker.subscriber(TOPIC, group_id=_group(), auto_offset_reset="earliest", listener=_Assigned(progress))(handle)
        await broker.start()
        return await progress.rate()


async def _batch(stand: Stand, size: int, work: Work) -> float:
    progress = Progress(size)
    async with _inserting(stand) as connection, _broker(stand) as broker:

        async def handle(records: list[Placed]) -> None:
            if work == "insert":
                rows = [(record.id, record.customer, record.data.total) for record in records]
                await connection.execute(_MANY, *map(list, zip(*rows, strict=True)))
            progress.count(len(records))

        broker.subscriber(
            TOPIC, batch=True, group_id=_group(), auto_offset_reset="earliest", listener=_Assigned(progress)
        )(handle)
        await broker.start()
        return await progress.rate()


@asynccontextmanager
async def _inserting(stand: Stand) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(stand.database("consumer"))
    try:
        await connection.execute(_TABLE)
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _broker(stand: Stand) -> AsyncIterator[KafkaBroker]:
    broker = KafkaBroker(stand.kafka.url, logger=None)
    try:
        yield broker
    finally:
        await broker.stop()


def _group() -> str:
    return f"bench-{uuid.uuid4().hex[:8]}"
