"""Relays and consumers at a topic on which somebody else writes too, on real servers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator
from functools import partial

import psycopg
import pytest

from shared.audit.keys import MacKeys
from shared.authenticity import Admission, Authenticator
from shared.relay import Relay
from shared.tails import first_epochs
from shared.topics import ensure_topics
from tests.shared.test_subscription import Consumer
from tests.shared.topic import PARTITIONS, MemoryLog, assert_published, read_topic, until
from tests.support.forging import forgeries, send
from tests.support.servers import PostgresUrl

pytestmark = pytest.mark.server

KEYS = MacKeys(1, {1: os.urandom(32)})
ROTATED = MacKeys(2, {**KEYS.keys, 2: os.urandom(32)})


@pytest.fixture
async def topic(kafka: str) -> str:
    name = f"forged.{uuid.uuid4().hex[:8]}"
    await ensure_topics(kafka, [name], partitions=PARTITIONS, replication=1)
    return name


@pytest.fixture
def database(postgres_url: PostgresUrl) -> str:
    return postgres_url("forged")


@contextlib.asynccontextmanager
async def published(log: MemoryLog, database: str, kafka: str, topic: str, keys: MacKeys | None) -> AsyncIterator[None]:
    """While the relay leads and has published the whole log."""
    authenticator = None if keys is None else Authenticator(keys)
    relay = Relay(
        log, postgres_url=database, bootstrap=kafka, topic=topic, partitions=PARTITIONS, authenticator=authenticator
    )
    task = asyncio.create_task(relay.run())
    try:
        await until(lambda: relay.status().position == log.head(), "published", 60)
        yield
    finally:
        await relay.stop()
        await task


@contextlib.asynccontextmanager
async def following(database: str, kafka: str, topic: str, keys: MacKeys) -> AsyncIterator[Consumer]:
    authenticator = Authenticator(keys)
    admission = Admission(authenticator, partial(first_epochs, kafka, authenticator))
    consumer = Consumer(database, kafka, [topic], f"group-{topic}", admission=admission)
    await consumer.subscription.start()
    try:
        yield consumer
    finally:
        await consumer.subscription.stop()
        await consumer.broker.stop()


def epoch(database: str) -> str:
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT epoch FROM relay_position").fetchone()
    return row[0] if row else ""


async def forge(kafka: str, topic: str) -> None:
    """Everything that can be made of the last record of each partition."""
    last = {record.partition: record for record in await read_topic(kafka, topic)}
    for record in last.values():
        await send(kafka, topic, forgeries(record, KEYS, PARTITIONS).values())


async def applied(consumer: Consumer, log: MemoryLog) -> None:
    expected = list(range(1, log.head() + 1))
    await until(lambda: consumer.effects() == expected, f"all applied, not {consumer.effects()}", 60)


async def test_forged_records_change_nothing_for_a_consumer_nor_for_the_next_relay(
    kafka: str, database: str, topic: str
) -> None:
    log = MemoryLog(30)
    async with published(log, database, kafka, topic, KEYS), following(database, kafka, topic, KEYS) as consumer:
        await applied(consumer, log)
        before = epoch(database)
        await forge(kafka, topic)
    log.grow(20)
    async with published(log, database, kafka, topic, KEYS), following(database, kafka, topic, KEYS) as consumer:
        await applied(consumer, log)
        assert consumer.parked() == []
    assert epoch(database) == before


async def test_records_under_an_older_key_are_still_believed(kafka: str, database: str, topic: str) -> None:
    log = MemoryLog(30)
    async with published(log, database, kafka, topic, KEYS):
        before = epoch(database)
    log.grow(20)
    async with published(log, database, kafka, topic, ROTATED), following(database, kafka, topic, ROTATED) as consumer:
        await applied(consumer, log)
    assert epoch(database) == before


async def test_a_topic_from_before_there_were_keys_is_published_anew_with_codes(
    kafka: str, database: str, topic: str
) -> None:
    log = MemoryLog(30)
    async with published(log, database, kafka, topic, None):
        before = epoch(database)
    async with published(log, database, kafka, topic, KEYS), following(database, kafka, topic, KEYS) as consumer:
        await applied(consumer, log)
    records = await read_topic(kafka, topic)
    assert_published(records, 30)
    assert epoch(database) != before
    assert all(Authenticator(KEYS).doubt(record) is None for record in records)
