"""The whole service on real servers: customers in from Kafka, numbers and links out to Kafka, questions over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from services.identity.main import Service
from shared.access.tokens import issue, make_issuer
from shared.eventlog.commit import Append, Commit
from shared.eventlog.log import Log
from shared.eventlog.mapper import parse
from shared.events.envelope import Contract
from shared.ids import uuid7
from shared.privacy.keyring import Keyring
from shared.relay import Relay
from shared.settings import Settings
from shared.topics import ensure_topics, partition_of
from tests.identity.people import person
from tests.support.logs import cause, key_encryption_keys, running_log

pytestmark = pytest.mark.server
PARTITIONS = 3


@dataclass
class World:
    """The service, and the customer log beside it."""

    folder: Path
    settings: Settings
    customers: Log
    topic: str
    own_topic: str
    service: Service
    http: httpx.AsyncClient

    async def register(self, event: Contract) -> str:
        customer = uuid7()
        await self.customers.commit(Commit(cause(), (Append(f"customer-{customer}", customer, 0, (event,)),)))
        return customer

    async def ask(self, method: str, path: str, body: Any = None, role: str = "manager") -> Any:
        headers = {"Authorization": f"Bearer {issue(self.folder / 'issuer', 'u1', [role])}"}
        return (await self.http.request(method, path, json=body, headers=headers)).json()

    async def identity(self, customer: str) -> str | None:
        found = await self.ask("GET", f"/identities/{customer}")
        return found.get("identity") if isinstance(found, dict) else None

    async def caught_up(self) -> bool:
        state = (await self.http.get("/health/ready")).json()
        return bool(state["ok"]) and not any(state["lag"].values())


async def until(condition: Callable[[], Awaitable[bool]], what: str, seconds: float = 30) -> None:
    """Waits for a condition, polling; fails with `what` after the deadline."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)


@asynccontextmanager
async def publishing(log: Log, url: str, kafka: str, topic: str) -> AsyncIterator[None]:
    relay = Relay(log, postgres_url=url, bootstrap=kafka, topic=topic, partitions=PARTITIONS)
    log.when_committed(relay.wake_threadsafe)
    task = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        await relay.stop()
        await task


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(service.app)
    async with (
        service.app.router.lifespan_context(service.app),
        httpx.AsyncClient(transport=transport, base_url="http://identity") as http,
    ):
        yield http


def _only(folder: Path, pattern: str) -> Path:
    (file,) = folder.glob(pattern)
    return file


@pytest.fixture
async def world(postgres_url: Callable[[str], str], kafka: str, tmp_path: Path) -> AsyncIterator[World]:
    run = uuid7()[-8:]
    topic, own_topic = f"customer.events.{run}", f"identity.events.{run}"
    await ensure_topics(kafka, [topic, own_topic], partitions=PARTITIONS, replication=1)
    keys = key_encryption_keys(tmp_path)
    settings = Settings(
        service="identity",
        postgres_url=postgres_url("identity"),
        keyring_url=postgres_url("keyring"),
        kafka=kafka,
        partitions=PARTITIONS,
        kek_file=_only(tmp_path, "kek-*.json"),
        jwks_file=make_issuer(tmp_path / "issuer"),
    )
    async with AsyncExitStack() as stack:
        keyring = Keyring(settings.keyring_url, keys)
        keyring.open()
        stack.callback(keyring.close)
        url = postgres_url("customer")
        customers = stack.enter_context(running_log("customer", url, keyring))
        await stack.enter_async_context(publishing(customers, url, kafka, topic))
        service = Service(settings, topic=topic, own_topic=own_topic)
        http = await stack.enter_async_context(running(service))
        world = World(tmp_path, settings, customers, topic, own_topic, service, http)
        await until(world.caught_up, "the service never became ready")
        yield world


async def read_topic(kafka: str, topic: str, count: int) -> list[tuple[str, str]]:
    """(key, type) of the first records of a topic."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            found = [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()
    return [(record.key.decode(), parse(record.value).type) for record in found]


async def test_customers_go_in_and_numbers_and_links_come_out(world: World) -> None:
    ann = await world.register(person("Ann", "Lee", born="1980-02-03"))
    bob = await world.register(person("Bob", "Ray", born="1970-02-03"))
    again = await world.register(person("Lee", "Ann", born="1980-02-03"))

    async def linked() -> bool:
        return {await world.identity(again), await world.identity(ann)} in ({ann}, {again})

    await until(linked, "the customers were not linked")
    published = Counter(await read_topic(world.settings.kafka, world.own_topic, 4))
    found = await world.ask("GET", f"/identities/{ann}")
    looked_up = await world.ask("GET", f"/numbers/{found['members'][1]['number']}")

    assert found["identity"] == ann
    assert Counter(kind for _, kind in published.elements()) == {"identity.number_assigned": 3, "identity.linked": 1}
    assert {key for key, kind in published if kind == "identity.number_assigned"} == {ann, bob, again}
    assert looked_up["customer"] == again


async def test_a_second_start_catches_up_and_does_nothing_twice(world: World) -> None:
    first = await world.register(person("Ann", "Lee", born="1980-02-03"))

    async def numbered(customer: str) -> bool:
        return await world.identity(customer) is not None

    await until(lambda: numbered(first), "the customer was not numbered")
    again = Service(world.settings, topic=world.topic, own_topic=world.own_topic)
    async with running(again) as http:
        world.http = http
        second = await world.register(person("Bob", "Ray"))
        await until(lambda: numbered(second), "the second instance did not help")
        await until(world.caught_up, "the second instance did not catch up")

    assert await asyncio.to_thread(world.service.log.head) == 2


async def test_a_poison_record_waits_while_others_are_numbered(world: World) -> None:
    poisoned = uuid7()
    producer = AIOKafkaProducer(bootstrap_servers=world.settings.kafka)
    await producer.start()
    try:
        await producer.send_and_wait(
            world.topic,
            b"\xffnonsense",
            key=poisoned.encode(),
            partition=partition_of(poisoned, PARTITIONS),
            headers=[("position", b"0")],
        )
    finally:
        await producer.stop()
    customer = await world.register(person("Ann", "Lee"))

    async def parked() -> bool:
        found = await world.ask("GET", "/ops/parked", role="operator")
        return bool(found["parked"] == 1) and await world.identity(customer) is not None

    await until(parked, "the poison record was not parked, or the customer after it not numbered")
    assert (await world.http.get("/health/ready")).json()["parked"] == 1
