"""Reading a topic as it is, and records to publish, for tests of delivery."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.streaming import Source, parse_source

PARTITIONS = 3


@dataclass(frozen=True)
class Stored:
    id: int
    state: bytes


def record(position: int, *, pad: int = 0) -> Stored:
    """The same record for the same position, in every process."""
    customer = str(uuid.uuid5(uuid.NAMESPACE_OID, str(position % 7)))
    state = {
        "customer": customer,
        "data": {"pad": "x" * pad},
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, str(position))),
        "log": "customer",
        "recorded_at": "2026-01-01T00:00:00.000000Z",
        "type": "customer.registered",
        "v": 1,
    }
    return Stored(position, json.dumps(state, sort_keys=True).encode())


class MemoryLog:
    """A log in memory that grows when told to."""

    def __init__(self, size: int = 0) -> None:
        self.records = [record(n) for n in range(1, size + 1)]

    def grow(self, count: int) -> None:
        self.records += [record(n) for n in range(len(self.records) + 1, len(self.records) + count + 1)]

    def read(self, after: int, limit: int) -> list[Stored]:
        return self.records[after : after + limit]

    def head(self) -> int:
        return len(self.records)


async def until(condition: Callable[[], bool | Awaitable[bool]], what: str, seconds: float = 20) -> None:
    """Wait for a condition, polling; fail with `what` after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        met = condition()
        if met if isinstance(met, bool) else await met:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"never happened: {what}")
        await asyncio.sleep(0.02)


async def read_topic(kafka: str, topic: str, partitions: int = PARTITIONS) -> list[Any]:
    """Every committed record of a topic, per partition in order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, isolation_level="read_committed", auto_offset_reset="earliest")
    await consumer.start()
    try:
        places = [TopicPartition(topic, partition) for partition in range(partitions)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        found: list[Any] = []
        while any([await consumer.position(place) < ends[place] for place in places]):
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found += records
        return found
    finally:
        await consumer.stop()


def assert_published(records: list[Any], size: int) -> int:
    """The topic holds exactly the records 1..size in order, each with its prev. Returns the number of repeats."""
    tracked: dict[int, int] = defaultdict(int)
    first: dict[int, Any] = {}
    for item in records:
        placed: Source = parse_source(item)
        assert placed.reason is None
        again = first.setdefault(placed.position, item)
        assert (again.headers, again.key, again.value, again.partition) == (
            item.headers,
            item.key,
            item.value,
            item.partition,
        )
        if placed.position > tracked[item.partition]:
            assert placed.prev == tracked[item.partition]
            tracked[item.partition] = placed.position
    assert sorted(first) == list(range(1, size + 1))
    assert all(item.value == record(position).state for position, item in first.items())
    return len(records) - len(first)
