"""Consumers against a real broker, with their places in a real PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import psycopg
import pytest
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest
from pymongo.errors import BulkWriteError

from shared.authenticity import Admission
from shared.fetching import fetched
from shared.following import follow
from shared.inbox import INBOX_DDL, Inbox, Places, confirm
from shared.relay import Relay
from shared.streaming import BEHIND, NO_HEADERS, Plan, Received, Source, parse_sources, plan, source_name
from shared.subscription import Stop, Subscription, kafka_broker, subscribe
from shared.topics import ensure_topics
from tests.shared.topic import PARTITIONS, MemoryLog, record, until
from tests.support.servers import PostgresUrl

pytestmark = pytest.mark.server


class Consumer:
    """Writes one row per record; a second row of one position is an error of the database."""

    def __init__(
        self,
        database: str,
        kafka: str,
        topics: Sequence[str],
        group: str,
        *,
        confirming: bool = False,
        admission: Admission | None = None,
    ) -> None:
        self.database = database
        self.inbox = Inbox("test")
        self.poison: Callable[[Source], bool] = lambda _: False
        self.before: Callable[[], Any] = lambda: None
        self.batches = 0
        self.duplicates = 0
        with psycopg.connect(database) as connection:
            connection.execute(INBOX_DDL)
            connection.execute(
                "CREATE TABLE IF NOT EXISTS effect (topic text, position bigint, key text, "
                "PRIMARY KEY (topic, position))"
            )
        self.broker = kafka_broker(kafka, "test")
        self.subscription: Subscription = subscribe(
            self.broker,
            topics,
            group=group,
            handle=self.handle,
            resume=self.resume,
            confirm=self.confirm if confirming else None,
            admission=admission,
        )

    async def handle(self, records: list[Received]) -> Plan:
        hold = self.before()
        if hold is not None:
            await hold
        return await asyncio.to_thread(self._apply, parse_sources(records))

    def _apply(self, sources: list[Source]) -> Plan:
        with psycopg.connect(self.database) as connection, connection.cursor() as cursor:
            stored = self.inbox.positions(cursor, {source.name for source in sources})
            blocked = self.inbox.blocked(cursor, {source.key for source in sources})
            places = Places.of(stored)
            decided = plan(sources, places.positions, blocked, places.marks)
            if decided.foreign:
                raise Stop(str(decided.foreign[0]))
            while failed := next((source for source in decided.apply if self.poison(source)), None):
                decided = decided.parking(failed, "it is poison")
            cursor.executemany(
                "INSERT INTO effect (topic, position, key) VALUES (%s, %s, %s)",
                [(source.topic, source.position, source.key) for source in decided.apply],
            )
            self.inbox.advance(cursor, decided.positions)
            self.inbox.park(cursor, decided.park)
        self.batches += 1
        self.duplicates += decided.duplicates
        return decided

    async def resume(self, partitions: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int | None]:
        with psycopg.connect(self.database) as connection, connection.cursor() as cursor:
            stored = self.inbox.positions(cursor, [source_name(*place) for place in partitions])
        return {place: at.next_offset for place in partitions if (at := stored.get(source_name(*place)))}

    async def confirm(self, noted: Mapping[str, str]) -> None:
        with psycopg.connect(self.database) as connection, connection.cursor() as cursor:
            confirm(noted, self.inbox.positions(cursor, list(noted)))

    def effects(self, topic: str | None = None) -> list[int]:
        with psycopg.connect(self.database) as connection:
            rows = connection.execute(
                "SELECT position FROM effect WHERE topic = coalesce(%s, topic) ORDER BY position", (topic,)
            )
            return [position for (position,) in rows]

    def parked(self) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database) as connection:
            return connection.execute("SELECT position, key, reason, value FROM inbox_parked ORDER BY id").fetchall()


class Place:
    """A topic with its log and relay, a group and a database."""

    def __init__(self, kafka: str, database: str, relay: Relay, log: MemoryLog, topic: str) -> None:
        self.kafka, self.database, self.relay, self.log, self.topic = kafka, database, relay, log, topic
        self.group = f"group-{topic}"

    async def publish(self, count: int) -> None:
        self.log.grow(count)
        self.relay.wake()
        await until(lambda: self.relay.status().position == len(self.log.records), "published")

    @contextlib.asynccontextmanager
    async def consumer(self, *topics: str, confirming: bool = False) -> AsyncIterator[Consumer]:
        consumer = Consumer(self.database, self.kafka, topics or [self.topic], self.group, confirming=confirming)
        await consumer.subscription.start()
        try:
            yield consumer
        finally:
            await consumer.subscription.stop()
            await consumer.broker.stop()

    async def applied(self, consumer: Consumer, size: int | None = None) -> None:
        expected = list(range(1, (size or len(self.log.records)) + 1))
        await until(
            lambda: consumer.effects(self.topic) == expected,
            f"all applied; {len(consumer.effects())} of {len(expected)}, {consumer.subscription.state} "
            f"{consumer.subscription.reason}",
        )

    async def send(self, value: bytes | None, key: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka)
        await producer.start()
        await producer.send_and_wait(self.topic, value, key=key, headers=headers, partition=0)
        await producer.stop()


@pytest.fixture
async def place(kafka: str, postgres_url: PostgresUrl) -> AsyncIterator[Place]:
    database = postgres_url("consumer")
    topic = f"events.{uuid.uuid4().hex[:8]}"
    await ensure_topics(kafka, [topic], partitions=PARTITIONS, replication=1)
    log = MemoryLog()
    relay = Relay(log, postgres_url=database, bootstrap=kafka, topic=topic, partitions=PARTITIONS)
    task = asyncio.create_task(relay.run())
    yield Place(kafka, database, relay, log, topic)
    await relay.stop()
    await task


async def test_an_idle_consumer_has_taken_all_and_has_no_lag(place: Place) -> None:
    await place.publish(100)
    async with place.consumer() as consumer:
        await place.applied(consumer)
        await place.publish(5)
        await place.applied(consumer)
        places = {(place.topic, partition) for partition in range(PARTITIONS)}
        await until(lambda: consumer.subscription.lag() == dict.fromkeys(places, 0), f"{consumer.subscription.lag()}")
        assert consumer.subscription.ready
    assert (consumer.subscription.state, consumer.subscription.lag()) == ("stopped", {})


async def test_a_consumer_goes_on_where_its_store_says(place: Place) -> None:
    await place.publish(60)
    async with place.consumer() as first:
        await place.applied(first)
    await place.publish(30)
    async with place.consumer() as second:
        await place.applied(second)
        assert second.duplicates <= PARTITIONS  # the last record of each is looked at again


async def test_a_consumer_whose_store_was_lost_begins_again(place: Place) -> None:
    await place.publish(60)
    async with place.consumer() as first:
        await place.applied(first)
    with psycopg.connect(place.database) as connection:
        connection.execute("TRUNCATE effect, inbox_position")
    async with place.consumer() as second:
        await place.applied(second)


async def test_a_hole_is_filled_by_reading_the_partition_again(place: Place) -> None:
    await place.publish(60)
    async with place.consumer() as consumer:
        await place.applied(consumer)
    with psycopg.connect(place.database) as connection:
        connection.execute("UPDATE inbox_position SET position = 0")  # the offsets stay behind what was lost
        connection.execute("DELETE FROM effect")
    await place.publish(7)
    async with place.consumer() as again:
        await place.applied(again)
        await until(lambda: again.subscription.ready, "ready again")


async def test_a_partition_without_the_record_that_was_read_last_is_read_from_its_beginning(
    place: Place,
) -> None:
    """As after an older backup was restored: the offset is of another topic, in this one it is that of a marker."""
    await place.publish(30)
    async with place.consumer() as consumer:
        await place.applied(consumer)
    with psycopg.connect(place.database) as connection:
        connection.execute("UPDATE inbox_position SET position = 0, next_offset = next_offset + 1")
        connection.execute("DELETE FROM effect")
    again = Consumer(place.database, place.kafka, [place.topic], place.group)
    following = asyncio.create_task(follow(again.subscription))
    try:
        await until(lambda: set(again.subscription.lag().values()) == {0}, "no lag")
        assert len(again.effects()) == 30  # no lag was told before
    finally:
        following.cancel()
        await asyncio.wait([following])
        await again.subscription.stop()
        await again.broker.stop()


async def test_a_hole_that_stays_stops_the_consumer(place: Place) -> None:
    await place.publish(20)
    await place.send(record(99).state, b"k", [("position", b"99"), ("prev", b"98")])
    async with place.consumer() as consumer:
        await until(lambda: consumer.subscription.state == "stopped", "stopped")
        assert f"{place.topic}/0 has no record after position" in consumer.subscription.reason
        assert consumer.effects() == list(range(1, 21))


async def test_garbage_is_parked_and_blocks_nobody(place: Place) -> None:
    await place.send(b"\xff\x00", None, [("position", b"\xff"), ("\N{SNOWMAN}", b"\xfe")])
    await place.send(None, b"\xff", [])
    await place.publish(30)
    async with place.consumer() as consumer:
        await place.applied(consumer)
        assert consumer.parked() == [
            (0, f"{place.topic}/0@0", NO_HEADERS, b"\xff\x00"),
            (0, f"{place.topic}/0@1", NO_HEADERS, b""),
        ]


async def test_records_behind_a_failed_one_wait_and_are_taken_in_order(place: Place) -> None:
    await place.publish(30)
    poisoned = {3, 10, 17, 24, 31}  # one customer's
    async with place.consumer() as consumer:
        consumer.poison = lambda source: source.position == 3
        others = [n for n in range(1, 31) if n not in poisoned]
        await until(lambda: consumer.effects() == others, "the others flow")
        await place.publish(1)
        await until(lambda: len(consumer.parked()) == 5, "the next one waits")
        assert [(row[0], row[2]) for row in consumer.parked()] == [
            (3, "it is poison"),
            (10, BEHIND),
            (17, BEHIND),
            (24, BEHIND),
            (31, BEHIND),
        ]
        with psycopg.connect(place.database) as connection, connection.cursor() as cursor:
            taken = consumer.inbox.take_parked(cursor, consumer.parked()[0][1])
        assert [record(item.position).state == item.value for item in taken] == [True] * 5


async def test_a_failing_store_is_tried_again_and_nothing_is_passed_over(place: Place) -> None:
    failures = 3

    def before() -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise psycopg.OperationalError("the store is down")

    async with place.consumer() as consumer:
        consumer.before = before
        await place.publish(40)
        await until(lambda: consumer.subscription.reason == "OperationalError", "the reason is shown")
        await place.applied(consumer)
        await until(lambda: consumer.subscription.ready, "ready again")


async def test_a_handler_that_asks_to_stop_is_not_called_again(place: Place) -> None:
    def before() -> None:
        raise Stop("1001 records are parked")

    await place.publish(10)
    async with place.consumer() as consumer:
        consumer.before = before
        await until(lambda: consumer.subscription.consumer is None, "out of the group")
        assert (consumer.subscription.state, consumer.subscription.reason) == ("stopped", "1001 records are parked")
        assert consumer.effects() == []
    assert consumer.subscription.reason == "1001 records are parked"


async def test_stop_waits_for_the_running_batch(place: Place) -> None:
    await place.publish(10)
    async with place.consumer() as consumer:
        entered, go_on = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            entered.set()
            await go_on.wait()

        consumer.before = hold
        await entered.wait()
        stopping = asyncio.create_task(consumer.subscription.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        go_on.set()
        await stopping
        assert consumer.batches == 1
        assert consumer.effects() != []


async def test_a_batch_that_fails_counts_as_lag_and_its_error_is_logged_without_values(place: Place) -> None:
    refused = BulkWriteError({"writeErrors": [{"code": 11000, "op": {"name": "Anna"}}]})

    def before() -> None:
        raise refused

    await place.publish(10)
    with structlog.testing.capture_logs() as logs:
        async with place.consumer() as consumer:
            consumer.before = before
            await until(lambda: consumer.subscription.state == "retrying", "retrying")
            waiting = consumer.subscription.lag()
            consumer.before = lambda: None
            await place.applied(consumer)
            places = [(place.topic, partition) for partition in range(PARTITIONS)]
            await until(lambda: consumer.subscription.lag() == dict.fromkeys(places, 0), "no lag")
    assert sum(records or 0 for records in waiting.values()) >= 10
    assert "BulkWriteError" in str(logs)
    assert "Anna" not in str(logs)


async def test_stop_gives_up_a_batch_that_fails(place: Place) -> None:
    def before() -> None:
        raise psycopg.OperationalError("the store is down")

    await place.publish(10)
    async with place.consumer() as consumer:
        consumer.before = before
        await until(lambda: consumer.subscription.state == "retrying", "retrying")
    async with place.consumer() as next_one:
        await place.applied(next_one)


async def test_members_share_the_partitions_and_each_record_is_applied_once(place: Place) -> None:
    other = f"{place.topic}.other"
    await ensure_topics(place.kafka, [other], partitions=PARTITIONS, replication=1)
    both = (place.topic, other)
    async with place.consumer(*both) as first:
        await place.publish(200)
        async with place.consumer(*both) as second:
            await until(lambda: len(second.subscription.lag()) in {2, 4}, "the second has partitions")
            await place.publish(200)
            await place.applied(first)
            for consumer in (first, second):
                assigned = consumer.subscription.lag()
                assert {p for topic, p in assigned if topic == other} == {p for topic, p in assigned if topic != other}
        await until(lambda: len(first.subscription.lag()) == 2 * PARTITIONS, "the first has all again")
        await place.publish(100)
        await place.applied(first)
        assert first.parked() == []


def close_connection(consumer: AIOKafkaConsumer, kind: type) -> None:
    """The next request of a kind meets a connection that uvloop has closed already, and says so with a RuntimeError."""
    send = consumer._client.send

    async def closed(node: int, request: Any, **options: Any) -> Any:
        meant = isinstance(request, kind)
        if meant:
            consumer._client.send = send
            raise RuntimeError("unable to perform operation on a transport; the handler is closed")
        return await send(node, request, **options)

    consumer._client.send = closed


KILLED: Mapping[str, Callable[[AIOKafkaConsumer], object]] = {
    "a fetch": lambda consumer: close_connection(consumer, FetchRequest),
    "a heartbeat": lambda consumer: close_connection(consumer, HeartbeatRequest),
    "fetching": lambda consumer: consumer._fetcher._fetch_task.cancel(),
    "membership": lambda consumer: consumer._coordinator._coordination_task.cancel(),
    "metadata": lambda consumer: consumer._client._sync_task.cancel(),
}


@pytest.mark.parametrize("part", KILLED)
async def test_a_consumer_whose_client_has_died_within_joins_again_and_misses_nothing(place: Place, part: str) -> None:
    consumer = Consumer(place.database, place.kafka, [place.topic], place.group)
    following = asyncio.create_task(follow(consumer.subscription))
    try:
        await place.publish(20)
        await place.applied(consumer)
        before = consumer.subscription.consumer
        assert before is not None
        KILLED[part](before)
        await until(lambda: consumer.subscription.consumer not in (before, None), "another consumer")
        await place.publish(20)
        await place.applied(consumer)
        await until(lambda: consumer.subscription.ready, "ready again")
    finally:
        following.cancel()
        await asyncio.wait([following])
        await consumer.subscription.stop()
        await consumer.broker.stop()


async def test_a_consumer_that_asked_to_stop_is_not_started_again(place: Place) -> None:
    def before() -> None:
        raise Stop("1001 records are parked")

    await place.publish(10)
    consumer = Consumer(place.database, place.kafka, [place.topic], place.group)
    consumer.before = before
    following = asyncio.create_task(follow(consumer.subscription))
    try:
        await until(lambda: consumer.subscription.state == "stopped", "stopped")
        await until(lambda: consumer.subscription.consumer is None, "out of the group")
        await consumer.subscription.start()
        assert consumer.subscription.consumer is None
        assert not following.done()
    finally:
        following.cancel()
        await asyncio.wait([following])
        await consumer.broker.stop()


async def test_a_reader_whose_client_has_died_within_fails_instead_of_waiting_for_ever(place: Place) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=place.kafka)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(place.topic, 0)])
        assert await fetched(consumer, timeout_ms=10) == {}
        consumer._fetcher.error_future.cancel()
        with pytest.raises(KafkaError, match="fetching ended"):
            await fetched(consumer, timeout_ms=10)
    finally:
        await consumer.stop()
