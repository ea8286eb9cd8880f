"""Relay and consumer over a restart of their broker, and their end while there is none."""

from __future__ import annotations

import asyncio
import gc
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.embedded.kafka import KafkaServer
from shared.relay import Relay
from shared.topics import ensure_topics
from tests.shared.test_subscription import Consumer
from tests.shared.topic import PARTITIONS, MemoryLog, assert_published, read_topic, until
from tests.support.servers import PostgresUrl

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    # aiokafka leaves a socket to the garbage collector when a connection fails while it is being made.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What this module leaves is collected under its own filter, not in the next test."""
    yield
    gc.collect()


async def test_nothing_is_lost_over_a_broker_restart_and_both_end_without_one(
    tmp_path: Path, postgres_url: PostgresUrl
) -> None:
    database = postgres_url("outage")
    topic = f"outage.{uuid.uuid4().hex[:8]}"
    broker = KafkaServer(tmp_path / "kafka")
    await asyncio.to_thread(broker.prepare)
    await asyncio.to_thread(broker.start)
    try:
        await ensure_topics(broker.url, [topic], partitions=PARTITIONS, replication=1)
        log = MemoryLog(50)
        relay = Relay(log, postgres_url=database, bootstrap=broker.url, topic=topic, partitions=PARTITIONS, batch=50)
        relaying = asyncio.create_task(relay.run())
        consumer = Consumer(database, broker.url, [topic], "outage")
        await consumer.subscription.start()
        await until(lambda: len(consumer.effects()) == 50, "all applied")

        await asyncio.to_thread(broker.stop)
        log.grow(60)
        relay.wake()
        await asyncio.to_thread(broker.start)
        await until(lambda: consumer.effects() == list(range(1, 111)), "all applied after the restart", 60)
        assert_published(await read_topic(broker.url, topic), 110)
    finally:
        await asyncio.to_thread(broker.stop)
    log.grow(10)
    relay.wake()
    await until(lambda: relay.status().head == 120, "the relay tries to publish")
    await relay.stop(grace_seconds=0.2)
    await asyncio.wait([relaying])
    await consumer.subscription.stop()
    await consumer.broker.stop()
    assert (relay.status().state, relay.status().position, consumer.subscription.state) == ("stopped", 110, "stopped")
    left = [task for task in asyncio.all_tasks() if "/aiokafka/" in repr(task)]
    assert left == []
