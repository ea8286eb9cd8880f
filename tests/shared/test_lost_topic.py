"""Topics that lose what they held, and logs that lose what they had: relay and consumer on real servers."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

import psycopg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from shared.lease import want_anew
from shared.relay import Relay
from shared.topics import ensure_topics
from tests.shared.test_subscription import Place
from tests.shared.topic import PARTITIONS, MemoryLog, Stored, assert_published, read_topic, record, until
from tests.support.servers import PostgresUrl

pytestmark = pytest.mark.server


@contextlib.asynccontextmanager
async def relaying(kafka: str, database: str, topic: str, log: MemoryLog) -> AsyncIterator[Place]:
    relay = Relay(log, postgres_url=database, bootstrap=kafka, topic=topic, partitions=PARTITIONS)
    task = asyncio.create_task(relay.run())
    try:
        yield Place(kafka, database, relay, log, topic)
    finally:
        await relay.stop()
        await task


@pytest.fixture
async def topic(kafka: str) -> str:
    name = f"lost.{uuid.uuid4().hex[:8]}"
    await ensure_topics(kafka, [name], partitions=PARTITIONS, replication=1)
    return name


@pytest.fixture
def database(postgres_url: PostgresUrl) -> str:
    return postgres_url("lost")


@contextlib.asynccontextmanager
async def admin(kafka: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def delete(kafka: str, topic: str) -> None:
    async with admin(kafka) as client:
        await client.delete_topics([topic])


def epoch_at(database: str, position: int) -> str | None:
    """The epoch of the relay when it stands at a position, None elsewhere."""
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT epoch FROM relay_position WHERE position = %s", (position,)).fetchone()
    return row[0] if row else None


async def empty(kafka: str, topic: str, partition: int) -> None:
    async with admin(kafka) as client:
        await client.delete_records({TopicPartition(topic, partition): RecordsToDelete(before_offset=-1)})


def another(position: int) -> Stored:
    """The record of another history at a position."""
    return Stored(position, record(position).state.replace(b'"id": "', b'"id": "f'))


async def test_a_topic_that_is_deleted_while_all_runs_comes_back_and_nothing_is_applied_twice(
    kafka: str, database: str, topic: str
) -> None:
    async with relaying(kafka, database, topic, MemoryLog(90)) as place, place.consumer(confirming=True) as consumer:
        await place.applied(consumer)
        await delete(kafka, topic)
        place.log.grow(10)
        place.relay.wake()
        await until(lambda: place.relay.status().position == 100, f"published {place.relay.status()}", 60)
        await place.applied(consumer)
        assert_published(await read_topic(kafka, topic), 100)
        assert (place.relay.status().state, place.relay.status().reason) == ("leading", "")


async def test_a_topic_that_is_deleted_while_nothing_is_to_be_published_comes_back(
    kafka: str, database: str, topic: str
) -> None:
    async with relaying(kafka, database, topic, MemoryLog(90)) as place, place.consumer(confirming=True) as consumer:
        await place.applied(consumer)
        before = epoch_at(database, 90)
        await delete(kafka, topic)
        await until(lambda: epoch_at(database, 90) not in (before, None), "published in another epoch", 60)
        await place.publish(7)
        await place.applied(consumer)


@pytest.mark.parametrize("size", [30, 90, 200])
async def test_a_topic_that_is_deleted_while_all_is_stopped_comes_back(
    kafka: str, database: str, topic: str, size: int
) -> None:
    log = MemoryLog(size)
    async with relaying(kafka, database, topic, log) as place, place.consumer(confirming=True) as consumer:
        await place.applied(consumer)
    await delete(kafka, topic)
    log.grow(100)
    async with relaying(kafka, database, topic, log) as place, place.consumer(confirming=True) as consumer:
        await place.applied(consumer)
        assert_published(await read_topic(kafka, topic), size + 100)


async def test_a_partition_that_is_emptied_while_all_is_stopped_is_published_again(
    kafka: str, database: str, topic: str
) -> None:
    log = MemoryLog(60)
    async with relaying(kafka, database, topic, log) as place:
        await place.publish(1)
    await empty(kafka, topic, 0)
    async with relaying(kafka, database, topic, log) as place, place.consumer() as consumer:
        await place.applied(consumer)
        assert_published(await read_topic(kafka, topic), 61)


async def test_garbage_at_the_end_of_a_topic_does_not_hide_what_the_relay_published(
    kafka: str, database: str, topic: str
) -> None:
    log = MemoryLog(60)
    async with relaying(kafka, database, topic, log) as place:
        await place.publish(1)
        for _ in range(100):
            await place.send(b"garbage", None, [("position", b"999999"), ("prev", b"0")])
    async with relaying(kafka, database, topic, log) as place:
        await place.publish(9)
        assert len(await read_topic(kafka, topic)) == 170


@pytest.mark.parametrize("grown", [0, 60])
async def test_a_log_that_went_back_is_not_published_until_that_is_asked_for(
    kafka: str, database: str, topic: str, grown: int
) -> None:
    log = MemoryLog(60)
    async with relaying(kafka, database, topic, log) as place:
        await place.publish(40)
    log.records = [*log.records[:60], *(another(n) for n in range(61, 61 + grown))]
    async with relaying(kafka, database, topic, log) as place:
        await until(lambda: place.relay.status().state == "held", f"held {place.relay.status()}")
        assert "custlog republish" in place.relay.status().reason
        assert_published(await read_topic(kafka, topic), 100)
        await want_anew(database, topic)
        await until(lambda: place.relay.status().position == 60 + grown, "published anew", 30)

        async def whole() -> bool:
            # Kafka writes the end of a transaction into the partitions after it has answered.
            return len(await read_topic(kafka, topic)) >= 60 + grown

        await until(whole, "the topic holds the log")
        found = await read_topic(kafka, topic)
        assert {item.value for item in found} == {stored.state for stored in log.records}
        assert len(found) == 60 + grown


async def test_a_consumer_does_not_read_on_with_a_database_that_was_set_back(
    kafka: str, database: str, topic: str
) -> None:
    log = MemoryLog(60)
    async with relaying(kafka, database, topic, log) as place:
        async with place.consumer(confirming=True) as consumer:
            await place.applied(consumer)
            with psycopg.connect(database) as connection:
                connection.execute("CREATE TABLE kept AS SELECT * FROM inbox_position")
                connection.execute("CREATE TABLE kept_effect AS SELECT * FROM effect")
            await place.publish(40)
            await place.applied(consumer)
        with psycopg.connect(database) as connection:
            connection.execute("TRUNCATE inbox_position, effect")
            connection.execute("INSERT INTO inbox_position SELECT * FROM kept")
            connection.execute("INSERT INTO effect SELECT * FROM kept_effect")
        async with place.consumer(confirming=True) as again:
            await until(lambda: "older backup" in again.subscription.reason, "held")
            log.records = [*log.records[:60], *(another(n) for n in range(61, 131))]
            await want_anew(database, topic)
            await place.applied(again)
            assert again.subscription.ready


async def test_a_consumer_that_applied_a_lost_history_stops(kafka: str, database: str, topic: str) -> None:
    log = MemoryLog(60)
    async with relaying(kafka, database, topic, log) as place, place.consumer() as consumer:
        await place.applied(consumer)
    again = MemoryLog(40)
    again.records += [another(n) for n in range(41, 81)]
    async with relaying(kafka, database, topic, again) as place, place.consumer() as consumer:
        await want_anew(database, topic)
        await until(lambda: consumer.subscription.state == "stopped", "stopped", 30)
        assert "older backup" in consumer.subscription.reason
