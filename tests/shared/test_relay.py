"""The relay against a real PostgreSQL and a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiokafka import AIOKafkaProducer

from shared.relay import Relay
from shared.topics import TopicMismatch, ensure_topics, partition_of
from tests.shared.topic import PARTITIONS, MemoryLog, Stored, assert_published, read_topic, record, until
from tests.support.servers import PostgresUrl

pytestmark = pytest.mark.server

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def topic(kafka: str) -> str:
    name = f"relay.{uuid.uuid4().hex[:8]}"
    await ensure_topics(kafka, [name], partitions=PARTITIONS, replication=1)
    return name


@pytest.fixture
def database(postgres_url: PostgresUrl) -> str:
    return postgres_url("relay")


@contextlib.asynccontextmanager
async def running(log: Any, database: str, kafka: str, topic: str, **options: Any) -> AsyncIterator[Relay]:
    options = {"partitions": PARTITIONS, "batch": 50} | options
    relay = Relay(log, postgres_url=database, bootstrap=kafka, topic=topic, **options)
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        await relay.stop()
        await task


def reached(relay: Relay, position: int) -> Any:
    return until(lambda: relay.status().position >= position, f"position {position}, not {relay.status()}")


def stored_position(database: str) -> int:
    with psycopg.connect(database) as connection:
        try:
            row = connection.execute("SELECT position FROM relay_position").fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
    return row[0] if row else 0


def stored(database: str, position: int) -> Any:
    return until(lambda: stored_position(database) >= position, f"position {position}")


def cut_off(database: str, topic: str) -> int:
    """End the PostgreSQL sessions of the relays of a topic that hold its lock."""
    with psycopg.connect(database, autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid "
            "WHERE a.application_name = %s AND l.locktype = 'advisory' AND l.granted",
            (f"relay {topic}",),
        )
        return len(ended.fetchall())


async def test_a_log_is_published_once_in_order_with_its_bytes(kafka: str, database: str, topic: str) -> None:
    log = MemoryLog(333)
    async with running(log, database, kafka, topic) as relay:
        await reached(relay, 333)
        log.grow(3)
        relay.wake()
        await reached(relay, 336)
        assert (relay.status().lag, relay.status().leader) == (0, True)
    records = await read_topic(kafka, topic)
    assert assert_published(records, 336) == 0
    assert {partition_of(item.key, PARTITIONS) == item.partition for item in records} == {True}
    assert stored_position(database) == 336
    assert relay.status().state == "stopped"


async def test_a_wake_from_another_thread_is_heard_before_the_next_poll(kafka: str, database: str, topic: str) -> None:
    log = MemoryLog()
    async with running(log, database, kafka, topic, poll_seconds=60.0) as relay:
        await until(lambda: relay.status().leader, "leading")
        log.grow(1)
        await asyncio.to_thread(relay.wake_threadsafe)
        await reached(relay, 1)


async def test_one_leads_and_the_other_takes_over(kafka: str, database: str, topic: str) -> None:
    log = MemoryLog(60)
    async with running(log, database, kafka, topic) as first:
        await reached(first, 60)
        async with running(log, database, kafka, topic) as second:
            log.grow(60)
            await reached(first, 120)
            assert second.status().state == "standby"
            await first.stop()
            log.grow(60)
            await reached(second, 180)
    assert assert_published(await read_topic(kafka, topic), 180) == 0


async def test_a_leader_that_lost_its_lock_publishes_nothing_twice_in_effect(
    kafka: str, database: str, topic: str
) -> None:
    log = MemoryLog(60)
    async with running(log, database, kafka, topic) as first, running(log, database, kafka, topic) as second:
        for size in (120, 180, 240):
            await until(lambda: first.status().leader or second.status().leader, "a leader")
            assert cut_off(database, topic) == 1
            log.grow(60)
            first.wake()
            second.wake()
            await stored(database, size)
    assert_published(await read_topic(kafka, topic), 240)


async def test_a_crash_between_the_commit_and_the_position_repeats_the_same_records(
    kafka: str, database: str, topic: str
) -> None:
    log = MemoryLog(40)
    async with running(log, database, kafka, topic) as relay:
        await reached(relay, 40)
        with psycopg.connect(database) as blocking:
            blocking.execute("LOCK TABLE relay_position IN EXCLUSIVE MODE")
            log.grow(40)

            async def in_kafka() -> bool:
                return len(await read_topic(kafka, topic)) == 80

            await until(in_kafka, "80 records in Kafka")
            assert relay.status().position == 40
            cut_off(database, topic)
        await reached(relay, 80)
    assert assert_published(await read_topic(kafka, topic), 80) == 40


@pytest.mark.slow
async def test_everything_is_published_over_kills(kafka: str, database: str, topic: str) -> None:
    size = 4000
    chance = random.Random(7)
    command = [sys.executable, "-m", "tests.shared.relay_process", database, kafka, topic, str(size)]
    goals = [*sorted(chance.sample(range(1, size), 4)), size]
    for goal in goals:
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL)
        try:
            await stored(database, goal)
        finally:
            process.kill()
            await process.wait()
    assert_published(await read_topic(kafka, topic), size)


@pytest.mark.parametrize("part", ["metadata", "sending"])
async def test_a_relay_whose_kafka_client_has_died_within_goes_on_with_another(
    kafka: str, database: str, topic: str, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    made: list[AIOKafkaProducer] = []

    class Producer(AIOKafkaProducer):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            made.append(self)

    monkeypatch.setattr("shared.relay.AIOKafkaProducer", Producer)
    log = MemoryLog(40)
    async with running(log, database, kafka, topic) as relay:
        await reached(relay, 40)
        died = made[-1].client._sync_task if part == "metadata" else made[-1]._sender.sender_task
        died.cancel()
        await until(lambda: len(made) > 1, "another producer")
        log.grow(40)
        relay.wake()
        await reached(relay, 80)
    assert_published(await read_topic(kafka, topic), 80)


async def test_a_record_too_large_for_kafka_stops_the_relay_before_it(kafka: str, database: str, topic: str) -> None:
    log = MemoryLog(5)
    log.records.append(record(6, pad=1_200_000))
    log.grow(1)
    async with running(log, database, kafka, topic) as relay:
        await until(lambda: relay.status().state == "stopped", "stopped")
    assert "position 6" in relay.status().reason
    assert_published(await read_topic(kafka, topic), 5)


async def test_large_records_are_spread_over_several_transactions(kafka: str, database: str, topic: str) -> None:
    log = MemoryLog()
    log.records = [record(position, pad=900_000) for position in range(1, 25)]
    async with running(log, database, kafka, topic) as relay:
        await reached(relay, 24)
    assert [len(item.value) > 900_000 for item in await read_topic(kafka, topic)] == [True] * 24


async def test_a_record_that_is_no_record_stops_the_relay_before_it(kafka: str, database: str, topic: str) -> None:
    log = MemoryLog()
    log.records.append(Stored(1, b"{}"))
    async with running(log, database, kafka, topic) as relay:
        await until(lambda: relay.status().state == "stopped", "stopped")
    assert "position 1" in relay.status().reason
    assert await read_topic(kafka, topic) == []


async def test_a_failing_log_is_tried_again(kafka: str, database: str, topic: str) -> None:
    class Failing(MemoryLog):
        failures = 2

        def read(self, after: int, limit: int) -> list[Stored]:
            if self.failures:
                self.failures -= 1
                raise psycopg.OperationalError("no connection")
            return super().read(after, limit)

    async with running(Failing(3), database, kafka, topic) as relay:
        await reached(relay, 3)
    assert assert_published(await read_topic(kafka, topic), 3) == 0


async def test_a_topic_with_another_number_of_partitions_is_refused(kafka: str, topic: str) -> None:
    await ensure_topics(kafka, [topic], partitions=PARTITIONS, replication=1)
    with pytest.raises(TopicMismatch, match=rf"{topic} has {PARTITIONS} partitions, 5"):
        await ensure_topics(kafka, [topic], partitions=5, replication=1)


async def test_a_topic_may_be_created_by_several_processes_at_once(kafka: str) -> None:
    name = f"relay.{uuid.uuid4().hex[:8]}"
    await asyncio.gather(*(ensure_topics(kafka, [name], partitions=2, replication=1) for _ in range(4)))
