"""Somebody writes to a topic: no service believes it, and the true records of the same customer go on."""

from __future__ import annotations

import asyncio
import os
import uuid
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest

from services.customer.main import Service as Customers
from services.identity.main import Service as Identity
from services.notifications.main import Service as Notifications
from services.projections.main import Service as Projections
from shared import metrics
from shared.access.tokens import make_issuer
from shared.audit.keys import AuditKeys, MacKeys, make
from shared.authenticity import Authenticator
from shared.eventlog.mapper import parse
from shared.events.customer import BirthDateSet
from shared.events.envelope import Contract
from shared.ids import uuid7
from shared.settings import Settings
from shared.topics import partition_of
from tests.shared.topic import read_topic, until
from tests.support.forging import forgeries, send
from tests.support.logs import commit, key_encryption_keys, registered
from tests.support.servers import PostgresUrl

pytestmark = pytest.mark.server

PARTITIONS = 3
SECONDS = 120


@dataclass
class Running:
    """All four services in this process, and what can be seen of them."""

    topic: str
    inboxes: tuple[str, ...]
    customers: Customers
    identity: Identity
    notifications: Notifications
    projections: Projections

    async def tell(self, event: Contract, customer: str, seq: int) -> None:
        """One event of the only customer, and waits until every service stands exactly there."""
        await self.customers.log.commit(commit(event, customer=customer, expected=seq))
        expected = {f"{self.topic}/{partition_of(customer, PARTITIONS)}": seq + 1}

        async def followed() -> bool:
            return all([await places == expected for places in self._places()])

        await until(followed, "every service has applied what is true, and nothing else", SECONDS)

    async def parked(self) -> int:
        health = (self.identity.readiness, self.notifications.readiness, self.projections.readiness)
        return sum([(await of_service()).parked for of_service in health])

    async def planned(self, customer: str) -> list[str]:
        stored = await asyncio.to_thread(self.notifications.log.read, 0, 1_000)
        return [record.type for record in (parse(item.state) for item in stored) if record.customer == customer]

    async def archived(self, customer: str) -> bool:
        found = await (await self.projections.store.collection("customer")).find_one({"_id": customer})
        (member,) = found["members"]
        return bool(member["archived"])

    def _places(self) -> list[Any]:
        return [*(asyncio.to_thread(self._inbox, url) for url in self.inboxes), self._views()]

    def _inbox(self, url: str) -> dict[str, int]:
        with psycopg.connect(url) as connection:
            statement = "SELECT source, position FROM inbox_position WHERE position > 0 AND starts_with(source, %s)"
            return dict(connection.execute(statement, (self.topic,)).fetchall())

    async def _views(self) -> dict[str, int]:
        store = self.projections.store
        positions = await store.positions() if await store.complete() else {}
        return {name: at for name, at in positions.items() if at and name.startswith(self.topic)}


@dataclass
class World:
    """Where the services keep what they know, and their topics."""

    kafka: str
    audit_keys: Path
    settings: Callable[[str], Settings]
    topics: dict[str, str]

    @property
    def topic(self) -> str:
        return self.topics["customer"]

    @property
    def keys(self) -> MacKeys:
        given = AuditKeys.read(self.audit_keys).relay
        assert given is not None
        return given

    def rotate(self) -> None:
        """One more key, which is the current one from now on."""
        keys = {**self.keys.keys, 2: os.urandom(32)}
        content = {"current": 2, "keys": {str(version): b64encode(key).decode() for version, key in keys.items()}}
        (self.audit_keys / "relay.json").write_bytes(orjson.dumps(content))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Running]:
        """The services, made from their settings as their processes make them."""
        of, (customer, identity, notifications) = self.settings, self.topics.values()
        services = (
            Customers(of("customer"), topic=customer),
            Identity(of("identity"), topic=customer, own_topic=identity),
            Notifications(of("notifications"), topics=(customer, identity), own_topic=notifications),
            Projections(of("projections"), topics={topic: log for log, topic in self.topics.items()}),
        )
        async with AsyncExitStack() as stack:
            for service in services:
                await stack.enter_async_context(service.app.router.lifespan_context(service.app))
            inboxes = tuple(of(service).postgres_url for service in ("identity", "notifications"))
            yield Running(self.topic, inboxes, *services)

    async def forge(self) -> int:
        """Everything that can be made of the last record. Answers how much that is."""
        last = (await read_topic(self.kafka, self.topic))[-1]
        forged = forgeries(last, self.keys, PARTITIONS)
        await send(self.kafka, self.topic, forged.values())
        return len(forged)

    def refused(self) -> int:
        return int(metrics.RECORDS_FORGED.labels(self.topic)._value.get())


@pytest.fixture
def world(postgres_url: PostgresUrl, kafka: str, mongo_url: str, keyring_url: str, tmp_path: Path) -> World:
    run = uuid.uuid4().hex[:8]
    logs = ("customer", "identity", "notifications")
    databases = {log: postgres_url(log) for log in logs}
    key_encryption_keys(tmp_path)
    make(tmp_path / "audit")
    given: dict[str, Any] = {
        "mongo_url": mongo_url,
        "mongo_database": f"views_{run}",
        "keyring_url": keyring_url,
        "kafka": kafka,
        "partitions": PARTITIONS,
        "kek_file": next(tmp_path.glob("kek-*.json")),
        "jwks_file": make_issuer(tmp_path / "issuer"),
        "audit_keys": tmp_path / "audit",
        "spool": tmp_path / "spool",
    }

    def settings(service: str) -> Settings:
        return Settings(service=service, postgres_url=databases.get(service, ""), **given)

    return World(kafka, tmp_path / "audit", settings, {log: f"{log}.events.{run}" for log in logs})


async def test_no_service_believes_a_forged_record_and_the_true_ones_of_that_customer_go_on(world: World) -> None:
    customer = uuid7()
    async with world.running() as running:
        await running.tell(registered(birth_date=date(1980, 3, 1)), customer, 0)
        forged = await world.forge()
        await until(lambda: world.refused() >= 3 * forged, "every service refused every forged record", SECONDS)
        await running.tell(BirthDateSet(birth_date=date(1980, 3, 2)), customer, 1)

        assert await running.parked() == 0
        assert await running.planned(customer) == ["reminder.planned", "reminder.cancelled", "reminder.planned"]
        assert not await running.archived(customer)


async def test_after_a_rotation_of_keys_what_was_published_before_is_still_believed(world: World) -> None:
    customer = uuid7()
    async with world.running() as running:
        await running.tell(registered(birth_date=date(1980, 3, 1)), customer, 0)
    await world.forge()
    world.rotate()
    async with world.running() as running:
        await running.tell(BirthDateSet(birth_date=date(1980, 3, 2)), customer, 1)
        await running.projections.rebuild.start(["customer"])
        await running.projections.rebuild.wait()
        (build, *_) = await running.projections.rebuild.progress()

        assert (build["state"], build["error"]) == ("done", None)
        assert not await running.archived(customer)
    records = await read_topic(world.kafka, world.topic)
    believed = [record for record in records if Authenticator(world.keys).doubt(record) is None]
    versions = {record.headers[-1][1].partition(b":")[0] for record in believed}
    assert versions == {b"1", b"2"}
