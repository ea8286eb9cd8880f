"""The whole service on real servers: Kafka in, HTTP, messages and Kafka out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from services.notifications.main import Service
from shared.access.tokens import issue, make_issuer
from shared.eventlog.commit import Append, Commit
from shared.eventlog.log import Log
from shared.eventlog.mapper import parse
from shared.events.envelope import Contract
from shared.events.identity import Linked, Move
from shared.ids import uuid7
from shared.privacy.keyring import Keyring
from shared.relay import Relay
from shared.settings import Settings
from shared.topics import ensure_topics
from tests.support.logs import cause, key_encryption_keys, registered, running_log

pytestmark = pytest.mark.server
PARTITIONS = 3


@dataclass
class World:
    """The service, and the logs and topics of its neighbours."""

    folder: Path
    settings: Settings
    customers: Log
    identities: Log
    topics: tuple[str, str]
    own_topic: str
    life: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        """Starts the service; closing `life` stops it."""
        self.service = Service(self.settings, topics=self.topics, own_topic=self.own_topic)
        self.http = await self.life.enter_async_context(running(self.service))

    async def tell(self, log: Log, customer: str, *events: Contract) -> None:
        stream = f"{log.name}-{customer}"
        seq = len(await log.load(stream))
        await log.commit(Commit(cause(), (Append(stream, customer, seq, events),)))

    async def register(self, birth_date: date | None) -> str:
        customer = uuid7()
        await self.tell(self.customers, customer, registered(birth_date=birth_date))
        return customer

    def as_role(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {issue(self.folder / 'issuer', 'u1', [role])}"}

    async def ask(
        self, method: str, path: str, body: Any = None, *, role: str = "admin", **headers: str
    ) -> httpx.Response:
        return await self.http.request(method, path, json=body, headers=self.as_role(role) | headers)

    async def caught_up(self) -> bool:
        state = (await self.http.get("/health/ready")).json()
        return bool(state["ok"]) and not any(state["lag"].values())

    async def told(self, customer: str) -> list[str]:
        stored = await asyncio.to_thread(self.service.log.read, 0, 10_000)
        return [record.type for record in map(parse, (item.state for item in stored)) if record.customer == customer]

    def spooled(self) -> list[dict[str, str]]:
        return [orjson.loads(file.read_bytes()) for file in (self.folder / "spool").glob("*.json")]


async def until(condition: Callable[[], Awaitable[bool]], what: str, seconds: float = 30) -> None:
    """Waits for a condition, polling; fails with `what` after the deadline."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)


def kek_file(folder: Path) -> Path:
    """The file that key_encryption_keys has made."""
    return next(folder.glob("kek-*.json"))


@asynccontextmanager
async def publishing(log: Log, url: str, kafka: str, topic: str) -> AsyncIterator[None]:
    relay = Relay(log, postgres_url=url, bootstrap=kafka, topic=topic, partitions=PARTITIONS)
    log.when_committed(relay.wake_threadsafe)
    running = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        await relay.stop()
        await running


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(service.app)
    async with (
        service.app.router.lifespan_context(service.app),
        httpx.AsyncClient(transport=transport, base_url="http://notifications") as http,
    ):
        yield http


@pytest.fixture
async def world(empty: Callable[[str], str], kafka: str, tmp_path: Path) -> AsyncIterator[World]:
    run = uuid7()[-8:]
    topics, own_topic = (f"customer.events.{run}", f"identity.events.{run}"), f"notifications.events.{run}"
    await ensure_topics(kafka, [*topics, own_topic], partitions=PARTITIONS, replication=1)
    keyring_url = empty("keyring")
    keys = key_encryption_keys(tmp_path)
    settings = Settings(
        service="notifications",
        postgres_url=empty("notifications"),
        keyring_url=keyring_url,
        kafka=kafka,
        partitions=PARTITIONS,
        kek_file=kek_file(tmp_path),
        jwks_file=make_issuer(tmp_path / "issuer"),
        timezone="Europe/Berlin",
        clock="test",
        spool=tmp_path / "spool",
    )
    async with AsyncExitStack() as stack:
        keyring = Keyring(keyring_url, keys)
        keyring.open()
        stack.callback(keyring.close)
        logs = []
        for name, topic in zip(("customer", "identity"), topics, strict=True):
            url = empty(name)
            logs.append(stack.enter_context(running_log(name, url, keyring)))
            await stack.enter_async_context(publishing(logs[-1], url, kafka, topic))
        world = World(tmp_path, settings, logs[0], logs[1], topics, own_topic)
        await world.start()
        stack.push_async_callback(world.life.aclose)
        await until(world.caught_up, "the service never became ready")
        yield world


async def test_a_birthday_goes_from_topic_to_message_and_topic(world: World) -> None:
    a, b = await world.register(date(1980, 3, 1)), await world.register(date(1980, 3, 1))
    await world.tell(
        world.identities, a, Linked(a=a, b=b, evidence=("x",), decided_by="x", moves=(Move(customer=b, identity=a),))
    )

    async def planned() -> bool:
        return await world.told(a) == await world.told(b) == ["reminder.planned"] and await world.caught_up()

    await until(planned, "the reminders were not planned")
    moved = await world.ask("PUT", "/clock", {"now": "2100-03-02T00:00:00Z"}, role="operator")

    async def sent() -> bool:
        return "message.sent" in await world.told(a) + await world.told(b)

    assert moved.json() == {"now": "2100-03-02T00:00:00.000000Z"}
    await until(sent, "no message was sent")
    (message,) = world.spooled()
    assert message["kind"] == "birthday"
    assert sorted(await world.told(a) + await world.told(b)).count("reminder.fired") == 1
    assert await world.ask("POST", "/timers/run", role="operator") is not None
    published = await read_topic(world.settings.kafka, world.own_topic, 7)
    assert published == {"reminder.planned": 4, "reminder.fired": 1, "reminder.cancelled": 1, "message.sent": 1}


async def test_a_stopped_service_catches_up_without_doing_anything_twice(world: World) -> None:
    first = await world.register(date(1980, 3, 1))

    async def planned() -> bool:
        return await world.told(first) == ["reminder.planned"]

    await until(planned, "the reminder was not planned")
    await world.life.aclose()
    second = await world.register(date(1980, 3, 1))
    await world.start()

    async def both_planned() -> bool:
        return await world.told(second) == ["reminder.planned"] and await world.caught_up()

    await until(both_planned, "the second reminder was not planned")
    assert await world.told(first) == ["reminder.planned"]


async def test_poison_on_a_topic_parks_and_is_shown(world: World) -> None:
    customer = uuid7()
    producer = AIOKafkaProducer(bootstrap_servers=world.settings.kafka)
    await producer.start()
    try:
        headers = [("position", b"1"), ("prev", b"0")]
        await producer.send_and_wait(world.topics[0], b"{no json", customer.encode(), partition=0, headers=headers)
    finally:
        await producer.stop()

    async def parked() -> bool:
        answer = await world.ask("GET", "/ops/parked", role="operator")
        return bool(answer.json() == {"parked": 1, "keys": [customer]})

    await until(parked, "the poison was not parked")
    answer = await world.ask("POST", "/ops/redrive", {"key": customer}, role="operator")
    assert answer.json() == {"applied": 0, "parked": 1}
    ready = await world.http.get("/health/ready")
    assert (ready.status_code, ready.json()["parked"]) == (200, 1)


async def test_a_follow_up_over_http(world: World) -> None:
    customer = await world.register(None)
    body = {"customer": customer, "kind": "follow_up", "due_at": "2100-01-01T10:00:00+01:00", "note": "call back"}

    made = await world.ask("POST", "/reminders", body, role="sales", **{"Idempotency-Key": "k1"})
    again = await world.ask("POST", "/reminders", body, role="sales", **{"Idempotency-Key": "k1"})
    seen = await world.ask("GET", f"/reminders/{made.json()['id']}", role="sales")
    masked = await world.ask("GET", f"/reminders/{made.json()['id']}", role="viewer")
    cancelled = await world.ask("POST", f"/reminders/{made.json()['id']}/cancel", {"reason": "done"}, role="sales")
    late = await world.ask("POST", f"/reminders/{made.json()['id']}/cancel", role="sales")

    assert (made.status_code, made.headers["etag"], again.json()) == (201, '"1"', made.json())
    assert seen.json() == {
        "id": made.json()["id"],
        "customer": customer,
        "version": 1,
        "status": "planned",
        "kind": "follow_up",
        "zone": "Europe/Berlin",
        "due_at": "2100-01-01T09:00:00.000000Z",
        "local_date": "2100-01-01",
        "note": "call back",
    }
    assert (masked.json()["note"], masked.json()["local_date"]) == ("***", "2100-**-**")
    assert cancelled.json() == {"id": made.json()["id"], "version": 2}
    assert (late.status_code, late.json()["type"]) == (409, "urn:custlog:problem:conflict")


DUE = "2030-01-01T00:00:00Z"
BAD_REQUESTS: list[tuple[str, str, Any, str, int]] = [
    ("POST", "/reminders", {"customer": "x", "due_at": DUE}, "sales", 422),
    ("POST", "/reminders", {"customer": uuid7(), "due_at": "2030-01-01T00:00:00"}, "sales", 422),
    ("POST", "/reminders", {"customer": uuid7(), "due_at": "0999-12-31T00:00:00Z"}, "sales", 422),
    ("POST", "/reminders", {"customer": uuid7(), "due_at": "9999-12-31T23:59:59-14:00"}, "sales", 422),
    ("POST", "/reminders", {"customer": uuid7(), "due_at": DUE, "extra": 1}, "sales", 422),
    ("POST", "/reminders", {"customer": uuid7(), "due_at": DUE}, "sales", 404),
    ("POST", "/reminders", {"customer": uuid7(), "due_at": DUE}, "viewer", 403),
    ("GET", f"/reminders/{uuid7()}", None, "sales", 404),
    ("GET", "/reminders/x", None, "sales", 422),
    ("POST", f"/reminders/{uuid7()}/cancel", None, "sales", 404),
    ("PUT", "/clock", {"now": "2030-01-01T00:00:00Z"}, "sales", 403),
    ("PUT", "/clock", {"now": "soon"}, "operator", 422),
    ("POST", "/timers/run", None, "sales", 403),
    ("GET", "/ops/parked", None, "sales", 403),
]


async def test_bad_requests_get_a_problem(world: World) -> None:
    for method, path, body, role, status in BAD_REQUESTS:
        answer = await world.ask(method, path, body, role=role)

        assert (answer.status_code, method, path, role) == (status, method, path, role)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_commands_are_taken_while_there_is_no_broker(world: World) -> None:
    await world.life.aclose()
    customer = await world.register(None)
    world.settings = world.settings.model_copy(update={"kafka": "127.0.0.1:1"})
    await world.start()

    made = await world.ask("POST", "/reminders", {"customer": customer, "due_at": DUE}, role="sales")

    assert made.status_code == 201
    assert (await world.http.get("/health/ready")).status_code == 503


async def test_a_set_up_with_the_machine_s_clock_has_no_clock_to_move(world: World) -> None:
    settings = world.settings.model_copy(update={"clock": "system"})
    service = Service(settings, topics=world.topics, own_topic=world.own_topic)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(service.app), base_url="http://notifications") as http:
        moved = await http.put("/clock", json={"now": "2030-01-01T00:00:00Z"}, headers=world.as_role("operator"))
        run = await http.post("/timers/run", headers=world.as_role("operator"))

    assert (moved.status_code, run.status_code) == (404, 404)
    service.keyring.close()


async def read_topic(kafka: str, topic: str, count: int) -> dict[str, int]:
    """How many records of each type the topic holds, read until there are `count`."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await consumer.start()
    found: dict[str, int] = {}
    try:
        async with asyncio.timeout(30):
            async for record in consumer:
                name = parse(record.value).type
                found[name] = found.get(name, 0) + 1
                if sum(found.values()) >= count:
                    return found
    finally:
        await consumer.stop()
    return found
