"""A customer is erased from a whole system: from everywhere, for good, with a proof; nobody else is."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiokafka import AIOKafkaProducer
from pymongo import MongoClient

from deploy import client, replay
from deploy.canary.needles import Needles
from deploy.canary.report import Report
from deploy.canary.scan import scan, values_of
from deploy.client import Client, running_state
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import PROJECT, Home
from deploy.embedded.running import down, up
from deploy.history import open_history
from shared.audit.keys import AuditKeys
from shared.clock import SystemClock
from shared.events.catalogue import LOGS
from shared.events.customer import CustomerRegistered
from shared.events.envelope import Erased, instant
from shared.ids import uuid7
from shared.topics import ensure_topics
from tests.e2e.system import custlog, people, pid_of, send_until_taken
from tests.shared.topic import until

pytestmark = [pytest.mark.server, pytest.mark.slow]

SECONDS = 120


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home.at(tmp_path_factory.mktemp("erasure") / "home")
    up(home)
    try:
        yield home
    finally:
        down(home)


@dataclass(frozen=True)
class Person:
    """Somebody of whom nobody else has anything."""

    word: str

    @property
    def name(self) -> str:
        return f"Zoë {self.word} Quartz"

    @property
    def body(self) -> dict[str, Any]:
        number = sum(map(ord, self.word)) % 9000 + 1000
        return {
            "kind": "person",
            "source": "desk",
            "external_id": uuid7(),
            "name": {"full": self.name, "given": f"Zoë {self.word}", "family": "Quartz"},
            "birth_date": "1980-01-02",
            "phones": [f"+4930{number}{number}"],
            "emails": [f"{self.word}@quartz.example"],
            "address": {"lines": [f"{self.word} Alley 7"], "postcode": "10115", "country": "DE"},
        }


async def register(home: Home, word: str) -> str:
    """A customer of whom every service has taken note."""
    async with client.connect(home, "u1", "sales", "operator") as sales:
        answer = await sales.send("POST", "customer", "/customers", Person(word).body)
        await client.caught_up(sales)
    known: str = answer.json()["id"]
    return known


def request(home: Home, customer: str) -> None:
    assert custlog(home, "erase", customer, "--user", "ann", "--reason", "asked")["state"] == "requested"


def approve(home: Home, customer: str, *options: str) -> dict[str, Any]:
    return custlog(home, "erase", customer, "--approve", "--user", "ben", *options)


async def shown(reader: Client, customer: str) -> str:
    """Everything that the services show of a customer, as text."""
    paths = [f"/customers/{customer}{rest}" for rest in ("", "/golden", "/timeline?limit=200")]
    answers = [await reader.http.get(reader.url("projections", path), headers=reader.headers()) for path in paths]
    return " ".join(answer.text for answer in answers)


def sought(home: Home, customer: str) -> Needles:
    with open_history(home) as history:
        return values_of(history, home, customer)


async def found(home: Home, customer: str, values: Needles, *also: Path) -> Report:
    return await scan(home, customer, values, also, lambda _: None)


async def test_an_erasure_from_the_request_to_the_certificate(home: Home, tmp_path: Path) -> None:
    customer, other = await register(home, "Xylograph"), await register(home, "Marzipane")
    custlog(home, "backup", "--to", str(tmp_path / "backup"))
    assert custlog(home, "erase", customer, "--status")["state"] == "none"
    with pytest.raises(EmbeddedError, match="Nobody requested"):
        approve(home, customer)
    request(home, customer)
    with pytest.raises(EmbeddedError, match="somebody else has to approve"):
        custlog(home, "erase", customer, "--approve", "--user", "ann")

    certificate = tmp_path / "certificate.zip"
    done = approve(home, customer, "--scan", "--also", str(tmp_path / "backup"), "--certificate", str(certificate))

    assert done["state"] == "done"
    assert done["waiting"] == done["troubles"] == []
    assert {place["kind"] for place in done["before"]["places"] if place["found"]} <= {"mongo", "files", "http"}
    assert done["scan"]["clean"], [place for place in done["scan"]["places"] if place["found"]]
    assert done["scan"]["values"] == done["before"]["values"] > 5
    said = "\n".join(custlog(home, "audit", "certificate", str(certificate))["said"])
    assert "proven: requested by ann, approved by ben" in said
    assert "found nothing" in said
    assert "PASS" in verified(home, certificate)
    async with client.connect(home, "reader", "manager") as reader:
        assert "Xylograph" not in await shown(reader, customer)
        assert Person("Marzipane").name in await shown(reader, other)


def verified(home: Home, certificate: Path) -> str:
    """What the auditor's own program says, as a process of its own."""
    keys = AuditKeys.read(home.audit_keys)
    own = [key for log in LOGS for key in keys.verifiers(log) if key.name == keys.origin(log)]
    given = [argument for key in own for argument in ("--key", str(key))]
    given += [argument for key in keys.witnesses for argument in ("--witness", str(key))]
    command = [sys.executable, str(PROJECT / "shared" / "audit" / "verify.py"), str(certificate), *given]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


async def test_who_is_held_is_not_erased_and_the_command_says_by_what(home: Home) -> None:
    customer = await register(home, "Holdfast")
    async with client.connect(home, "judge", "manager") as manager:
        path = f"/customers/{customer}"
        await manager.send("POST", "customer", f"{path}/place-hold", {"reason": "lawsuit", "until": "2999-12-31"})
        request(home, customer)
        with pytest.raises(EmbeddedError, match=r"lawsuit, to the end of 2999-12-31 UTC.*lift-hold"):
            approve(home, customer)
        (hold,) = custlog(home, "erase", customer, "--status")["holds"]
        await manager.send("POST", "customer", f"{path}/lift-hold", {"hold_id": hold["id"]})
    assert approve(home, customer, "--wait")["state"] == "done"


async def test_the_scan_finds_what_is_planted_in_every_kind_of_place(home: Home, tmp_path: Path) -> None:
    customer = await register(home, "Plantation")
    values, name = sought(home, customer), Person("Plantation").name
    state = running_state(home)
    before = await found(home, customer, values)
    dirty = {(place.kind, place.name) for place in before.dirty}
    assert not before.blind
    assert not {kind for kind, _ in dirty} & {"postgres", "kafka"}

    with planted(state.servers["postgres"].url, home, tmp_path, name.casefold()):
        await ensure_topics(state.servers["kafka"].url, ["planted"], partitions=1, replication=1)
        producer = AIOKafkaProducer(bootstrap_servers=state.servers["kafka"].url, compression_type="gzip")
        await producer.start()
        await producer.send_and_wait("planted", b"{}", headers=[("name", name.encode())])
        await producer.stop()
        after = await found(home, customer, values, tmp_path)

    new = {(place.kind, place.name) for place in after.dirty} - dirty
    assert {("postgres", "identity: public.planted"), ("kafka", "planted"), ("mongo", "planted.here")} <= new
    assert ("files", f"{home.data.name}/logs") in new
    assert ("files", tmp_path.name) in new


@contextmanager
def planted(postgres: str, home: Home, folder: Path, text: str) -> Iterator[None]:
    """The text in a table, a collection, a log and a file, for as long as it lasts."""
    log = home.logs / "planted.log"
    with (
        psycopg.connect(postgres.rpartition("/")[0] + "/identity", autocommit=True) as database,
        MongoClient[dict[str, Any]](running_state(home).servers["mongo"].url) as mongo,
    ):
        try:
            database.execute("CREATE TABLE planted (content bytea)")
            database.execute("INSERT INTO planted VALUES (%s)", (b"..." + text.encode(),))
            mongo["planted"]["here"].insert_one({"deep": [{"down": text}]})
            log.write_text(text)
            (folder / "export.csv").write_text(f"id,name\n1,{text}\n")
            yield
        finally:
            database.execute("DROP TABLE IF EXISTS planted")
            mongo.drop_database("planted")
            log.unlink(missing_ok=True)


async def test_of_two_that_are_one_person_one_can_be_erased(home: Home) -> None:
    gone, stays = await register(home, "Vanishing"), await register(home, "Lasting")
    async with client.connect(home, "reader", "manager") as reader:
        await reader.send("POST", "identity", "/links", {"a": gone, "b": stays, "reason": "said so at the desk"})
        await client.caught_up(reader)
        together = await shown(reader, stays)
        assert "Vanishing" in together
        assert "Lasting" in together
        values = sought(home, gone)
        request(home, gone)
        approve(home, gone, "--wait")

        for ref in (gone, stays):
            text = await shown(reader, ref)
            assert "Vanishing" not in text
            assert "Lasting" in text
    assert not [
        place for place in (await found(home, gone, values)).dirty if place.kind in {"postgres", "kafka", "http"}
    ]
    async with client.connect(home, "operator", "operator") as operator:
        with open_history(home) as history:
            checked = await replay.check(history, operator.state)
            events = history.of_customers([gone, stays])
    assert checked.equal, list(checked.lines())
    names = {event.customer: event.data.name for event in events if isinstance(event.data, CustomerRegistered)}
    assert isinstance(names[gone], Erased)
    assert not isinstance(names[stays], Erased)


@pytest.mark.parametrize("service", ["customer", "identity", "notifications", "projections"])
async def test_a_process_that_was_stopped_meanwhile_opens_nothing_when_it_goes_on(home: Home, service: str) -> None:
    customer = await register(home, f"Frozen{service}")
    name = Person(f"Frozen{service}").name
    async with client.connect(home, "reader", "manager", "sales") as reader:
        assert name in await shown(reader, customer)
        request(home, customer)
        stopped = pid_of(home, service)
        # Whoever carries erasures out cannot be stopped before the key is gone: it is stopped right after.
        if service != "customer":
            os.kill(stopped, signal.SIGSTOP)
        try:
            approve(home, customer)
            await until_key_is_gone(home, customer)
            if service == "customer":
                os.kill(stopped, signal.SIGSTOP)
                assert name not in await shown(reader, customer)
        finally:
            os.kill(stopped, signal.SIGCONT)

        # No pause: the first answer after it goes on.
        assert name not in await shown(reader, customer)
        if service == "customer":
            with pytest.raises(EmbeddedError, match="409"):
                await reader.send("POST", "customer", f"/customers/{customer}/tag", {"add": ["vip"]})
    assert custlog(home, "erase", customer, "--wait")["state"] == "done"


async def until_key_is_gone(home: Home, customer: str) -> None:
    deadline = time.monotonic() + SECONDS
    with open_history(home) as history:
        while history.keyring.destroyed_at(customer) is None:
            assert time.monotonic() < deadline, "the key was not destroyed"
            await asyncio.sleep(0.01)


async def test_erasures_while_files_come_in_and_views_are_built_anew(home: Home) -> None:
    customers = [await register(home, f"Midway{number}") for number in range(4)]
    for customer in customers:
        request(home, customer)
    async with (
        client.connect(home, "importer", "import", "operator") as importer,
        client.connect(home, "reader", "manager", "operator") as reader,
    ):
        coming = asyncio.create_task(send_until_taken(importer, "midway", people("midway", 600)))
        await reader.send("POST", "projections", "/ops/rebuild", {"views": "all"})
        for number, customer in enumerate(customers):
            await asyncio.to_thread(approve, home, customer, "--wait")
            assert f"Midway{number}" not in await shown(reader, customer)
        await coming
        await client.caught_up(importer)

        async def is_built() -> bool:
            return not any(build["state"] == "running" for build in await reader.get("projections", "/ops/rebuild"))

        await until(is_built, "the views are built", SECONDS)
        with open_history(home) as history:
            checked = await replay.check(history, importer.state)
    assert checked.equal, list(checked.lines())
    assert "midway0 quartz" not in str(checked.folded).casefold()


async def test_erasures_while_the_past_is_replayed(home: Home, tmp_path: Path) -> None:
    customer = await register(home, "Bygone")
    as_of = instant(SystemClock().now())
    request(home, customer)
    over, answers, refusals = asyncio.Event(), list[str](), list[str]()

    async def replaying(*arguments: str) -> None:
        while not over.is_set():
            try:
                answers.append(str(await asyncio.to_thread(custlog, home, "replay", *arguments, "--as-of", as_of)))
            except EmbeddedError as refused:
                refusals.append(str(refused))

    going = [
        asyncio.create_task(replaying("--customer", customer)),
        asyncio.create_task(replaying("--view", "customer", "--keep")),
    ]
    try:

        async def is_replayed() -> bool:
            return len(answers) >= len(going)

        await until(is_replayed, "both were replayed", SECONDS)
        done = await asyncio.to_thread(approve, home, customer, "--wait")
    finally:
        over.set()
        await asyncio.gather(*going)

    assert done["state"] == "done"
    assert all("a customer was erased meanwhile" in refused for refused in refusals)
    lives = [answer for answer in answers if "golden" in answer]
    # The value or Erased, never half: the first and the last name stand in one field, the mail address in another.
    whole = [("Bygone" in life, "bygone@" in life.lower()) for life in lives]
    assert set(whole) <= {(True, True), (False, False)}
    assert whole[0] == (True, True)
    assert "Bygone" not in str(custlog(home, "replay", "--customer", customer, "--as-of", as_of)["golden"])
    folder = tmp_path / "after"
    custlog(home, "replay", "--view", "customer", "--view", "directory", "--as-of", as_of, "-o", str(folder))
    assert "bygone" not in "".join(path.read_text() for path in folder.iterdir()).lower()
    custlog(home, "scratch", "--drop-all")


async def test_a_restored_older_backup_brings_nobody_back_and_the_log_says_so_again(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    up(home)
    try:
        customer, other = await register(home, "Lazarus"), await register(home, "Survivor")
        values = sought(home, customer)
        custlog(home, "backup", "--to", str(tmp_path / "backup"))
        request(home, customer)
        assert approve(home, customer, "--wait")["state"] == "done"
        down(home)
        custlog(home, "restore", str(tmp_path / "backup"))

        up(home)
        # The backup knows of no request: the customer lives in it, the key is in it, and nobody brings either back.
        assert custlog(home, "erase", customer, "--status")["key_destroyed"]
        assert custlog(home, "erase", customer, "--wait")["requested"] is None
        async with client.connect(home, "reader", "manager", "operator") as reader:
            await client.caught_up(reader)
            assert "Lazarus" not in await shown(reader, customer)
            assert "Survivor" in await shown(reader, other)
        seen = await found(home, customer, values)
        # MongoDB's data were made anew, so not even freed blocks hold anything.
        assert seen.clean, seen.dirty
        assert not seen.residue
        certificate = tmp_path / "certificate.zip"
        custlog(home, "erase", customer, "--certificate", str(certificate))
        assert custlog(home, "audit", "certificate", str(certificate))["ok"]
    finally:
        down(home)
