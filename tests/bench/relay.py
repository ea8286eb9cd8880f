"""The relay over a filled log, against aiokafka's own batch producer with the same records in memory."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence

import msgspec
from aiokafka import AIOKafkaProducer

from shared.eventlog.log import Log
from shared.publication import MAX_BATCH_BYTES, Stored
from shared.relay import Relay
from shared.streaming import Headers, RecordHead, build_headers
from shared.topics import ensure_topics, partition_of
from tests.bench import commands
from tests.bench.measure import Goal, Plan, Result, beside, calm, until
from tests.bench.stand import Stand

GOAL = Goal(">= 0.8x batch producer", 0.8)
PARTITIONS = 12

Message = tuple[bytes, bytes, Headers]


class Gated:
    """The log, empty until it is opened: connecting and taking the lead are not measured."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.opened = False

    def read(self, after: int, limit: int) -> Sequence[Stored]:
        return self._log.read(after, limit) if self.opened else ()

    def head(self) -> int:
        return self._log.head()


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """Publishing the whole log: read, keyed, with headers, one Kafka transaction per batch, positions stored."""
    stand.start(stand.postgres, stand.kafka)
    url = stand.database("relay")
    with stand.log(url) as log:
        await log.commit_many(commands.many(commands.ticket, plan.size))
        size = log.head()
        by_partition = messages(log.read(0, size))
        # Made before, because a topic's partitions have no leader at first.
        names = [f"bench.{number}" for number in range(2 * plan.rounds)]
        await ensure_topics(stand.kafka.url, names, partitions=PARTITIONS, replication=1)
        topics = iter(names)

        async def ours() -> float:
            return size / await publish(log, url, stand.kafka.url, next(topics), size)

        async def limit() -> float:
            return size / await produce(stand.kafka.url, next(topics), by_partition)

        mine, other, ratio = await beside(plan.rounds, ours, limit)
    return [
        Result(
            path="relay",
            unit="events/s",
            ours=mine,
            limit=other,
            ratio=ratio,
            limit_is="aiokafka send_batch, idempotent, from memory",
            goals={GOAL.text: GOAL.met_by(ratio.median)},
            more={"events": size},
        )
    ]


def messages(records: Sequence[Stored]) -> dict[int, list[Message]]:
    """What our relay makes of the records, by partition."""
    by_partition: dict[int, list[Message]] = defaultdict(list)
    decode = msgspec.json.Decoder(RecordHead).decode
    heads: dict[int, int] = {}
    for record in records:
        head = decode(record.state)
        key = head.customer.encode()
        partition = partition_of(key, PARTITIONS)
        by_partition[partition].append((key, record.state, build_headers(head, record.id, heads.get(partition, 0))))
        heads[partition] = record.id
    return by_partition


async def publish(log: Log, url: str, bootstrap: str, topic: str, size: int) -> float:
    """Seconds."""
    source = Gated(log)
    relay = Relay(source, postgres_url=url, bootstrap=bootstrap, topic=topic, partitions=PARTITIONS)
    running = asyncio.create_task(relay.run())
    try:
        await until(lambda: _is(relay.status().leader), "taking the lead", every=0.01)
        with calm():
            source.opened = True
            began = time.perf_counter()
            relay.wake()
            await until(lambda: _is(relay.status().position == size), "publishing", every=0.002)
            return time.perf_counter() - began
    finally:
        await relay.stop()
        await running


async def _is(value: bool) -> bool:
    return value


async def produce(bootstrap: str, topic: str, by_partition: dict[int, list[Message]]) -> float:
    """Sends them with aiokafka's batch producer. Answers the seconds that took."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        enable_idempotence=True,
        max_batch_size=MAX_BATCH_BYTES,
        max_request_size=MAX_BATCH_BYTES,
    )
    await producer.start()
    try:
        await producer.partitions_for(topic)
        with calm():
            began = time.perf_counter()
            await asyncio.gather(*(_send(producer, topic, *one) for one in by_partition.items()))
            return time.perf_counter() - began
    finally:
        await producer.stop()


async def _send(producer: AIOKafkaProducer, topic: str, partition: int, messages: Sequence[Message]) -> None:
    sent = []
    builder = producer.create_batch()
    for key, value, headers in messages:
        if builder.append(timestamp=None, key=key, value=value, headers=headers) is None:
            sent.append(await producer.send_batch(builder, topic, partition=partition))
            builder = producer.create_batch()
            builder.append(timestamp=None, key=key, value=value, headers=headers)
    sent.append(await producer.send_batch(builder, topic, partition=partition))
    await asyncio.gather(*sent)
