"""A process dies at each crash point: what was asked for is done once, and the views say what the logs say."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import httpx
import psycopg
import pytest
from aiokafka import AIOKafkaProducer
from pymongo import MongoClient

from deploy import replay
from deploy.client import Client, caught_up, connect
from deploy.history import open_history
from shared.audit.keys import AuditKeys
from shared.authenticity import Authenticator
from shared.crash import POINTS
from shared.events.envelope import Recorded, instant
from shared.ids import derive, uuid7
from shared.privacy.ledger import Ledger
from shared.topics import partition_of
from tests.e2e.system import people, send_until_taken
from tests.faults.stand import Stand
from tests.support.forging import Forged

pytestmark = [pytest.mark.server, pytest.mark.slow]

SECONDS = 180
USER = "u1"
ROWS = 600
"""More than two groups of an import."""
TOPIC = "customer.events"
PARTITIONS = 12
PARKED_KEY = "not-a-customer"


@dataclass
class Scene:
    """The running system, its user, and how a process is made to die."""

    stand: Stand
    client: Client

    @property
    def restarts(self) -> int:
        return sum(service.restarts for service in self.client.state.services.values())

    async def die(self, point: str, work: Awaitable[Any]) -> None:
        """Does the work with the point armed; returns when a process died there and was started again."""
        before = self.restarts
        armed = self.stand.arm(point)
        try:
            working = asyncio.ensure_future(work)
            await until(lambda: not armed.exists(), f"nobody came by {point}")
            await until(lambda: self.restarts > before, f"nobody was started again after {point}")
            await asyncio.gather(working, return_exceptions=True)
        finally:
            armed.unlink(missing_ok=True)

    async def ask(self, service: str, path: str, body: Any, key: str) -> dict[str, Any] | None:
        """One attempt; None if its outcome is unknown."""
        try:
            answer = await self.client.http.post(
                self.client.url(service, path), json=body, headers=self.client.headers({"Idempotency-Key": key})
            )
        except httpx.HTTPError:
            return None
        if answer.is_server_error or answer.status_code == httpx.codes.CONFLICT:
            return None
        assert answer.is_success, answer.text
        content: dict[str, Any] = answer.json()
        return content

    async def ask_until_known(self, service: str, path: str, body: Any, key: str) -> dict[str, Any]:
        """The same again under the same key, until an answer comes."""
        deadline = time.monotonic() + SECONDS
        while (answer := await self.ask(service, path, body, key)) is None:
            assert time.monotonic() < deadline, f"{path} was not answered"
            await asyncio.sleep(0.1)
        return answer

    async def events(self) -> list[Recorded]:
        """Of all logs, once nothing is behind and the views say the same."""
        await caught_up(self.client, seconds=SECONDS)
        with open_history(self.stand.home) as history:
            checked = await replay.check(history, self.client.state)
            assert checked.equal, list(checked.lines())
            assert checked.counts["identity.number_assigned"] == checked.counts["customer.registered"]
            return list(history.all_events(checked.heads))


Case: TypeAlias = Callable[[Scene, str], Awaitable[None]]


async def registering(scene: Scene, point: str) -> None:
    body, key = person(point), uuid7()

    await scene.die(point, scene.ask("customer", "/customers", body, key))
    await scene.ask_until_known("customer", "/customers", body, key)

    command = derive("command", USER, key)
    of_command = [event.type for event in await scene.events() if event.command == command]
    assert of_command.count("customer.registered") == 1


async def importing(scene: Scene, point: str) -> None:
    source, content = "crash", people("crash", ROWS)

    await scene.die(point, send_until_taken(scene.client, source, content))
    await send_until_taken(scene.client, source, content)

    registered = [
        event.data.external_id  # type: ignore[attr-defined]
        for event in await scene.events()
        if event.type == "customer.registered" and event.data.source == source  # type: ignore[attr-defined]
    ]
    assert sorted(registered) == [f"{source}-{n:05}" for n in range(ROWS)]


async def reminding(scene: Scene, point: str) -> None:
    customer = (await scene.ask_until_known("customer", "/customers", person(point), uuid7()))["id"]
    await caught_up(scene.client, seconds=SECONDS)
    reminder = {"customer": customer, "due_at": instant(datetime.now(UTC) + timedelta(seconds=0.5))}

    planned = await scene.ask_until_known("notifications", "/reminders", reminder, uuid7())
    await scene.die(point, asyncio.sleep(0))
    # What was claimed by the dead process is due again in two minutes: they are over.
    execute(scene, "notifications", "UPDATE deliveries SET next_try_at = now()")
    await until(lambda: "message.sent" in told(scene, planned["id"]), "no message was sent")

    assert told(scene, planned["id"]) == {"reminder.planned": 1, "reminder.fired": 1, "message.sent": 1}
    assert len([line for line in spooled(scene) if planned["id"] in line]) == 1
    await scene.events()


async def redriving(scene: Scene, point: str) -> None:
    service = "projections" if point.startswith("views.") else "identity"
    await park(scene, service)

    await scene.die(point, scene.ask(service, "/ops/redrive", {}, uuid7()))
    answer = await scene.ask_until_known(service, "/ops/redrive", {}, uuid7())

    assert answer["parked"] == len((await scene.client.get(service, "/ops/parked"))["keys"]) == 1
    await scene.events()


async def rebuilding(scene: Scene, point: str) -> None:
    views = {"views": "all"}

    await scene.die(point, scene.ask("projections", "/ops/rebuild", views, uuid7()))
    with MongoClient[dict[str, Any]](scene.client.state.servers["mongo"].url) as mongo:
        # A build whose process ended is taken for dead after a minute: it is over.
        mongo["custlog"]["builds"].update_many({"running": True}, {"$set": {"updated_at": "2020-01-01T00:00:00Z"}})
    build = (await scene.ask_until_known("projections", "/ops/rebuild", views, uuid7()))["id"]

    await until_async(lambda: _is_done(scene, build), "the build was not made")
    await scene.events()


async def erasing(scene: Scene, point: str) -> None:
    customer = (await scene.ask_until_known("customer", "/customers", person(point), uuid7()))["id"]
    path = f"/customers/{customer}"
    await scene.ask_until_known("customer", f"{path}/request-erasure", {"reason": "asked"}, uuid7())

    async with connect(scene.stand.home, "u2", "manager") as second:
        approver = Scene(scene.stand, second)
        await scene.die(point, approver.ask_until_known("customer", f"{path}/approve-erasure", {}, uuid7()))
    said = f"SELECT count(*) FROM events WHERE customer = '{customer}' AND starts_with(topic, 'customer.erased.')"
    await until(lambda: execute(scene, "customer", said) == [(1,)], "the customer was not erased")

    of_customer = [event for event in await scene.events() if event.customer == customer]
    assert [event.type for event in of_customer].count("customer.erased") == 1
    key = f"SELECT wrapped IS NULL FROM data_keys WHERE subject = '{customer}'"
    assert execute(scene, "keyring", key) == [(True,)]
    assert list(Ledger(scene.stand.home.erasures).subjects()).count(customer) == 1


async def erasing_with_builds_kept(scene: Scene, point: str) -> None:
    build = (await scene.ask_until_known("projections", "/ops/rebuild", {"views": "all"}, uuid7()))["id"]
    await until_async(lambda: _is_done(scene, build), "the build was not made")

    await erasing(scene, point)

    with MongoClient[dict[str, Any]](scene.client.state.servers["mongo"].url) as mongo:
        views = mongo["custlog"]

        def only_the_active_are_left() -> bool:
            active = {row["active"] for row in views["aliases"].find({})}
            return {name for name in views.list_collection_names() if "__v" in name} == active

        await until(only_the_active_are_left, "a build from before the erasure is left")


CASES: Mapping[str, Case] = {
    "keyring": registering,
    "log": registering,
    "relay": registering,
    "consumer": registering,
    "views": registering,
    "views.before_redrive_commit": redriving,
    "views.before_drop_retired": erasing_with_builds_kept,
    "intake": importing,
    "redrive": redriving,
    "timers": reminding,
    "delivery": reminding,
    "rebuild": rebuilding,
    "erasing": erasing,
}
"""Crash point, or the first word of several -> what leads there, and what must be so afterwards."""


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with Stand(tmp_path_factory.mktemp("crashes"), seed=1, disks=False, clocks=False) as stand:
        stand.start()
        yield stand


@pytest.fixture
async def scene(stand: Stand) -> AsyncIterator[Scene]:
    async with connect(stand.home, USER, "sales", "import", "operator") as client:
        client.http.timeout = httpx.Timeout(30)
        await caught_up(client)
        yield Scene(stand, client)


@pytest.mark.parametrize("point", POINTS)
async def test_a_crash_at_this_point_loses_and_doubles_nothing(scene: Scene, point: str) -> None:
    case = CASES.get(point) or CASES[point.partition(".")[0]]

    await case(scene, point)


def person(point: str) -> dict[str, Any]:
    return {"kind": "person", "source": "desk", "name": f"Ada {point}", "birth_date": "1980-01-02"}


async def park(scene: Scene, service: str) -> None:
    """A record that its relay vouches for and nobody can read, put aside by every service that follows the topic."""
    if (await scene.client.get(service, "/ops/parked"))["parked"]:
        return
    record = unreadable(scene)
    producer = AIOKafkaProducer(bootstrap_servers=scene.client.state.servers["kafka"].url)
    await producer.start()
    try:
        await producer.send_and_wait(
            TOPIC, record.value, key=record.key, partition=record.partition, headers=record.headers
        )
    finally:
        await producer.stop()
    await until_async(lambda: _is_parked(scene, service), "nothing was parked")


def unreadable(scene: Scene) -> Forged:
    """A record without a position, with a right code."""
    keys = AuditKeys.read(scene.stand.home.audit_keys).relay
    assert keys is not None
    ((epoch,),) = execute(scene, "customer", f"SELECT epoch FROM relay_position WHERE topic = '{TOPIC}'")
    partition, key, value = partition_of(PARKED_KEY, PARTITIONS), PARKED_KEY.encode(), b"{"
    headers: list[tuple[str, bytes]] = [("epoch", epoch.encode())]
    mac = Authenticator(keys).sign(TOPIC, partition, key, value, headers)
    return Forged(partition, key, value, [*headers, mac])


async def _is_parked(scene: Scene, service: str) -> bool:
    return bool((await scene.client.get(service, "/ops/parked"))["parked"] == 1)


async def _is_done(scene: Scene, build: str) -> bool:
    rows = await scene.client.get("projections", "/ops/rebuild")
    (state,) = {row["state"] for row in rows if row["id"] == build}
    assert state in {"running", "done"}
    return bool(state == "done")


def told(scene: Scene, reminder: str) -> Counter[str]:
    """The types of a reminder's events, counted."""
    with open_history(scene.stand.home) as history:
        events = history.all_events({**dict.fromkeys(history.connections, 0), **history.heads()})
        return Counter(event.type for event in events if event.stream == f"reminder-{reminder}")


def spooled(scene: Scene) -> list[str]:
    return [path.read_text() for path in scene.stand.home.spool.rglob("*.json")]


def execute(scene: Scene, database: str, statement: str) -> list[Any]:
    """Runs a statement of ours in a service's database; answers its rows, if it has any."""
    url = scene.client.state.servers["postgres"].url.rpartition("/")[0] + f"/{database}"
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


async def until(met: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not met():
        assert time.monotonic() < deadline, otherwise
        await asyncio.sleep(0.05)


async def until_async(met: Callable[[], Awaitable[bool]], otherwise: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not await met():
        assert time.monotonic() < deadline, otherwise
        await asyncio.sleep(0.05)
