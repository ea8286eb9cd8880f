"""Views built anew from a real Kafka while writing goes on, and the service as a whole."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from services.projections.application import Application
from services.projections.consumer import Consumer
from services.projections.rebuild import Rebuild
from services.projections.store import ALIASES, BUILDS
from services.projections.streams import Topics
from services.projections.views import VIEWS
from services.projections.views.numbers import NUMBERS
from services.projections.views.pulse import PULSE
from shared.errors import Conflict, Invalid
from shared.events.customer import CustomerRegistered
from shared.events.identity import NumberAssigned
from shared.privacy.keyring import Keyring
from shared.subscription import kafka_broker, subscribe
from shared.topics import ensure_topics
from tests.projections.stage import ANN, BEN, PARTITIONS, Received, Wire, differences, failing, sources, views_in
from tests.projections.test_any_order import a_history
from tests.shared.topic import until
from tests.support.events import History, customer_registered

pytestmark = pytest.mark.server


class Stage:
    """Topics of their own, with a producer."""

    def __init__(self, kafka: str) -> None:
        self.kafka = kafka
        run = uuid.uuid4().hex[:8]
        self.topics = {f"{log}.{run}": log for log in ("customer", "identity", "notifications")}
        self.reader = Topics(kafka, list(self.topics), PARTITIONS)
        self.producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")

    async def publish(self, records: list[Received]) -> None:
        for record in records:
            await self.producer.send(
                record.topic, record.value, key=record.key, partition=record.partition, headers=record.headers
            )
        await self.producer.flush()


@pytest.fixture
async def stage(kafka: str) -> AsyncIterator[Stage]:
    made = Stage(kafka)
    await ensure_topics(kafka, list(made.topics), partitions=PARTITIONS, replication=1)
    await made.producer.start()
    try:
        yield made
    finally:
        await made.producer.stop()


@asynccontextmanager
async def following(stage: Stage, application: Application) -> AsyncIterator[Consumer]:
    consumer = Consumer(application)
    consumer.subscription = subscribe(
        kafka_broker(stage.kafka, "test"),
        list(stage.topics),
        group=f"views-{uuid.uuid4().hex[:8]}",
        handle=consumer.handle,
        resume=consumer.resume,
    )
    await consumer.subscription.start()
    try:
        yield consumer
    finally:
        await consumer.subscription.stop()


async def settled(application: Application, wire: Wire) -> None:
    async def done() -> bool:
        positions = await application.store.positions()
        heads = {record.source.name: record.source.position for record in wire.records}
        return all(positions[name] == position for name, position in heads.items())

    await until(done, "the views have taken everything")


async def test_the_consumer_follows_the_topics_and_a_rebuild_switches_while_writing_goes_on(
    stage: Stage, mongo_url: str, keyring: Keyring
) -> None:
    wire = Wire(keyring, stage.topics)
    events = a_history(11, 900)
    async with views_in(mongo_url, keyring, topics=stage.topics) as application, following(stage, application):
        before = await application.store.active()
        await stage.publish(wire.put(events[:300]))
        await settled(application, wire)
        rebuild = Rebuild(application, stage.reader)

        async def write_on() -> None:
            for start in range(300, len(events), 20):
                await stage.publish(wire.put(events[start : start + 20]))

        writing = asyncio.create_task(write_on())
        await rebuild.start(list(VIEWS))
        await rebuild.wait()
        await writing
        await settled(application, wire)
        (progress,) = await rebuild.progress()
        assert (progress["state"], progress["error"]) == ("done", None)
        after = await application.store.active()
        assert not set(before.values()) & set(after.values())
        assert await differences(application, wire.events()) == []
        names = await application.store.database.list_collection_names()
        assert set(before.values()) <= set(names)


async def test_the_build_before_the_last_is_dropped(stage: Stage, mongo_url: str, keyring: Keyring) -> None:
    async with views_in(mongo_url, keyring, topics=stage.topics) as application:
        rebuild = Rebuild(application, stage.reader)
        first = (await application.store.active())["pulse"]
        for _ in range(2):
            await rebuild.start(["pulse"])
            await rebuild.wait()
        names = await application.store.database.list_collection_names()
        assert first not in names
        assert len([name for name in names if name.startswith("pulse__")]) == 2


async def test_a_rebuild_leaves_out_what_is_parked(stage: Stage, mongo_url: str, keyring: Keyring) -> None:
    switch = {"on": True}
    views = {**VIEWS, "numbers": failing(NUMBERS, NumberAssigned.TYPE, switch)}
    told = History().tell(ANN, customer_registered("Ann")).tell(ANN, NumberAssigned(number="K-1", rule="r", serial=1))
    told.tell(BEN, customer_registered("Ben"))
    wire = Wire(keyring, stage.topics)
    async with views_in(mongo_url, keyring, topics=stage.topics, views=views) as application:
        records = wire.put(told.events)
        await stage.publish(records)
        await application.take(sources(records))
        rebuild = Rebuild(application, stage.reader)
        switch["on"] = False
        await rebuild.start(list(VIEWS))
        await rebuild.wait()
        assert (await rebuild.progress())[0]["state"] == "done"
        numbers = await application.store.collection("numbers")
        assert await numbers.find_one({"_id": "K-1"}) is None
        await application.redrive()
        assert await differences(application, wire.events()) == []


async def test_a_build_that_cannot_take_what_the_live_view_took_is_given_up(
    stage: Stage, mongo_url: str, keyring: Keyring
) -> None:
    switch = {"on": False}
    views = {**VIEWS, "numbers": failing(NUMBERS, CustomerRegistered.TYPE, switch)}
    wire = Wire(keyring, stage.topics)
    async with views_in(mongo_url, keyring, topics=stage.topics, views=views) as application:
        records = wire.put(History().tell(ANN, customer_registered("Ann")).events)
        await stage.publish(records)
        await application.take(sources(records))
        before = await application.store.active()
        switch["on"] = True
        rebuild = Rebuild(application, stage.reader)
        await rebuild.start(["numbers"])
        await rebuild.wait()
        (progress,) = await rebuild.progress()
        assert progress["state"] == "failed"
        assert "numbers cannot fold" in progress["error"]
        assert await application.store.active() == before
        names = await application.store.database.list_collection_names()
        assert len([name for name in names if name.startswith("numbers__")]) == 1


async def test_a_view_of_a_new_version_is_built_before_it_is_read(
    stage: Stage, mongo_url: str, keyring: Keyring
) -> None:
    wire = Wire(keyring, stage.topics)
    database = f"views_{uuid.uuid4().hex[:8]}"
    async with views_in(mongo_url, keyring, topics=stage.topics, database=database) as application:
        records = wire.put(a_history(12, 30))
        await stage.publish(records)
        await application.take(sources(records))
    newer = {**VIEWS, "pulse": replace(PULSE, version=2)}
    async with views_in(mongo_url, keyring, topics=stage.topics, database=database, views=newer) as application:
        assert await application.store.outdated() == ["pulse"]
        rebuild = Rebuild(application, stage.reader)
        task = asyncio.create_task(rebuild.keep_current(0.05))

        async def current() -> bool:
            return await application.store.outdated() == []

        await until(current, "the new version is built")
        task.cancel()
        await rebuild.wait()
        assert await differences(application, wire.events()) == []
        await application.store.mongo.client.drop_database(database)


async def test_only_one_rebuild_runs_and_only_of_views_there_are(
    stage: Stage, mongo_url: str, keyring: Keyring
) -> None:
    async with views_in(mongo_url, keyring, topics=stage.topics) as application:
        rebuild = Rebuild(application, stage.reader)
        with pytest.raises(Invalid):
            await rebuild.start(["nothing"])
        await rebuild.start(["pulse"])
        with pytest.raises(Conflict):
            await rebuild.start(["agenda"])
        await rebuild.wait()


async def test_a_build_whose_process_ended_is_cleared_away(stage: Stage, mongo_url: str, keyring: Keyring) -> None:
    async with views_in(mongo_url, keyring, topics=stage.topics) as application:
        store = application.store
        await store.create([PULSE], "dead_1")
        old = "2020-01-01T00:00:00.000000Z"
        await store.database[BUILDS].insert_one({"_id": "dead", "running": True, "updated_at": old, "state": "running"})
        rebuild = Rebuild(application, stage.reader)
        await rebuild.start(["pulse"])
        await rebuild.wait()
        assert not [name for name in await store.database.list_collection_names() if "dead" in name]
        assert (await store.database[BUILDS].find_one({"_id": "dead"}))["state"] == "failed"
        assert await store.database[ALIASES].count_documents({}) == len(VIEWS)


async def test_a_build_that_was_taken_for_dead_never_becomes_the_view(
    stage: Stage, mongo_url: str, keyring: Keyring
) -> None:
    wire = Wire(keyring, stage.topics)
    async with views_in(mongo_url, keyring, topics=stage.topics) as application:
        store = application.store
        records = wire.put(a_history(14, 60))
        await stage.publish(records)
        await application.take(sources(records))
        rebuild, other = (Rebuild(application, stage.reader) for _ in range(2))
        complete = asyncio.Event()

        async def stand_still(session: Any, **build: Any) -> None:
            await store.database[BUILDS].update_one({"_id": build["build"]}, {"$set": {"updated_at": "2020"}})
            await other.start(["agenda"])
            await other.wait()
            complete.set()
            await Rebuild._finish(rebuild, session, **build)

        rebuild._finish = stand_still  # type: ignore[method-assign]
        await rebuild.start(["pulse"])
        await rebuild.wait()
        assert complete.is_set()
        assert await differences(application, wire.events()) == []


async def test_views_wiped_while_nothing_arrives_come_back(stage: Stage, mongo_url: str, keyring: Keyring) -> None:
    wire = Wire(keyring, stage.topics)
    async with (
        views_in(mongo_url, keyring, topics=stage.topics) as application,
        following(stage, application) as consumer,
    ):
        await stage.publish(wire.put(a_history(13, 40)))
        await settled(application, wire)
        await application.store.mongo.client.drop_database(application.store.database.name)
        await consumer.look()
        await settled(application, wire)
        assert await differences(application, wire.events()) == []
