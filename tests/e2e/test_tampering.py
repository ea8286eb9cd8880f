"""Somebody with every right on the databases alters the past: auditors find out, and learn where."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest

from deploy.client import running_state
from deploy.embedded.home import PROJECT, Home
from deploy.embedded.running import down, up
from deploy.monitor.topic_watch import TopicWatch
from shared.audit.note import Note
from shared.audit.snapshot import snapshot
from shared.authenticity import REPLAYED
from shared.mongo import connect
from tests.e2e.tampering import ATTACKS, Database, Tampered, edit, forget_signatures, put_back
from tests.shared.topic import read_topic
from tests.support.forging import forgeries, send

pytestmark = [pytest.mark.server, pytest.mark.slow]

LOG = "customer"
TOPIC = "customer.events"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tampered]:
    """Two imports, with a look of the monitor after each; from then on the log's service stands still."""
    home = Home.at(tmp_path_factory.mktemp("tampering") / "home")
    up(home)
    try:
        tampered = Tampered(home)
        for name in ("older", "last"):
            tampered.bring(name, 9)
            assert tampered.alarms() == []
            tampered.save(name)
        with tampered.held_still(LOG):
            yield tampered
    finally:
        down(home)


@pytest.fixture
def kept(system: Tampered, tmp_path: Path) -> Path:
    """A checkpoint that an auditor has kept."""
    file = tmp_path / "kept"
    with snapshot(system.url(LOG), LOG) as seen:
        file.write_bytes(seen.note)
    return file


def with_another_actor(bundle: Path) -> Path:
    """The bundle, but for one word in one event."""
    other = bundle.with_name("other.zip")
    with zipfile.ZipFile(bundle) as archive, zipfile.ZipFile(other, "w") as copy:
        for name in archive.namelist():
            content = archive.read(name)
            if name == f"{LOG}/events.jsonl":
                assert b'"id":"importer"' in content
                content = content.replace(b'"id":"importer"', b'"id":"somebody"', 1)
            copy.writestr(name, content)
    return other


@pytest.mark.parametrize("name", ATTACKS)
def test_whatever_is_done_to_the_records_is_found_with_its_position(system: Tampered, name: str) -> None:
    size = system.sizes["last"][LOG]
    position = 5
    end = size if name == "tail cut" else position

    with system.altered(LOG, lambda database: ATTACKS[name](database, position)):
        verified, said = system.custlog("audit", "verify")
        alarms = system.alarms()

    assert not verified
    assert {log for log, verdict in said["logs"].items() if not verdict["ok"]} == {LOG}
    assert (said["logs"][LOG]["first"], said["logs"][LOG]["last"]) == (position, end)
    (of_log,) = [alarm for alarm in alarms if alarm["kind"] == "altered"]
    assert (of_log["log"], of_log["first"], of_log["last"]) == (LOG, position, end)


def test_a_log_put_back_to_an_older_state_is_given_away_by_whoever_saw_more(system: Tampered, kept: Path) -> None:
    older, last = system.sizes["older"][LOG], system.sizes["last"][LOG]

    with system.altered(LOG, lambda database: put_back(database, "older")):
        alone, _ = system.custlog("audit", "verify")
        with_kept, said = system.custlog("audit", "verify", "--since", str(kept))
        alarms = [alarm for alarm in system.alarms() if alarm["kind"] == "rolled_back"]

    assert alone, "all its own signatures fit"
    assert not with_kept
    assert (said["logs"][LOG]["first"], said["logs"][LOG]["last"]) == (older + 1, last)
    assert {(alarm["log"], alarm["first"], alarm["last"]) for alarm in alarms} == {(LOG, older + 1, last)}
    assert [alarm["by"].partition(" ")[0] for alarm in alarms] == ["checkpoints", "witness"]


def test_two_histories_signed_with_the_logs_own_keys_are_given_away_by_the_witness_and_by_what_was_kept(
    system: Tampered, kept: Path
) -> None:
    older, last = system.sizes["older"][LOG], system.sizes["last"][LOG]

    def rewrite(database: Database) -> None:
        edit(database, older + 2)
        forget_signatures(database)

    with system.altered(LOG, rewrite):
        system.sign_again(LOG)
        alone, _ = system.custlog("audit", "verify")
        with_kept, said = system.custlog("audit", "verify", "--since", str(kept))
        alarms = [alarm for alarm in system.alarms() if alarm["kind"] == "split"]

    assert alone, "all its own signatures fit"
    assert not with_kept
    assert said["logs"][LOG]["first"] <= older + 2 <= said["logs"][LOG]["last"]
    assert {(alarm["log"], alarm["first"], alarm["last"]) for alarm in alarms} == {(LOG, older + 1, last)}
    assert [alarm["by"].partition(" ")[0] for alarm in alarms] == ["checkpoints", "witness"]
    for alarm in alarms:
        one, other = (Note.parse(note.encode()) for note in alarm["evidence"])
        assert one.text != other.text


def test_a_document_altered_in_a_view_is_found(system: Tampered) -> None:
    async def altered(chosen: dict[str, Any], archived: bool) -> tuple[str, bool]:
        mongo = connect(running_state(system.home).servers["mongo"].url)
        try:
            database = mongo.database("custlog")
            active = await database["aliases"].find_one({"_id": "directory"})
            assert active is not None
            before = await database[active["active"]].find_one_and_update(
                chosen, {"$set": {"members.0.archived": archived}}
            )
            return before["_id"], before["members"][0]["archived"]
        finally:
            await mongo.close()

    document, before = asyncio.run(altered({"archived": False}, archived=True))
    try:
        (alarm,) = system.alarms("--views")
    finally:
        asyncio.run(altered({"_id": document}, before))

    assert (alarm["kind"], alarm["log"]) == ("view", "directory")
    assert document in alarm["sentence"]
    assert system.alarms("--views") == []


def test_records_that_were_published_and_are_not_in_the_topic_are_missed(system: Tampered) -> None:
    head = system.sizes["last"][LOG]
    told = "UPDATE relay_position SET position = %s WHERE topic = %s"
    with psycopg.connect(system.url(LOG)) as database:
        database.execute(told, (head + 2, TOPIC))
    try:
        (alarm,) = system.alarms()
    finally:
        with psycopg.connect(system.url(LOG)) as database:
            database.execute(told, (head, TOPIC))

    assert (alarm["kind"], alarm["first"], alarm["last"]) == ("missing", head + 1, head + 2)


def test_the_real_commands_convince_an_auditor_who_brings_keys_of_their_own(
    system: Tampered, kept: Path, tmp_path: Path
) -> None:
    logs = [str(key) for log in system.sizes["last"] for key in system.keys.verifiers(log)]
    trusted = [part for key in logs for part in ("--key", key)]
    trusted += [part for key in system.keys.witnesses for part in ("--witness", str(key))]
    own = [sys.executable, "-c", "from deploy.cli import main; main()"]
    home = ["--home", str(system.home.data), "--json"]

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    verified = orjson.loads(run(*own, "audit", "verify", "--since", str(kept), *trusted, *home))
    bundle = tmp_path / "bundle.zip"
    given = ("--disclose", "--since", str(kept))
    proved = orjson.loads(run(*own, "audit", "prove", "last:last-00000", "-o", str(bundle), *given, *home))
    with zipfile.ZipFile(bundle) as archive:
        program = Path(archive.extract("verify.py", tmp_path))
    judged = run(sys.executable, "-I", str(program), str(bundle), "--since", str(kept), *trusted)
    altered = subprocess.run(
        [sys.executable, "-I", str(program), str(with_another_actor(bundle)), *trusted],
        capture_output=True,
        text=True,
        check=False,
    )

    assert verified["ok"]
    assert {verdict["cosigned"] for verdict in verified["logs"].values()} == {True}
    assert proved["bytes"] == bundle.stat().st_size
    assert judged.startswith("PASS\n")
    assert altered.returncode == 1
    assert altered.stderr.startswith("FAIL")


def test_records_that_somebody_puts_on_a_topic_are_found_with_their_place(system: Tampered) -> None:
    kafka = running_state(system.home).servers["kafka"].url
    relay = system.keys.relay
    assert relay is not None

    async def forge() -> tuple[int, int, set[str]]:
        bare = TopicWatch(LOG, TOPIC, bootstrap=kafka, url=system.url(LOG), authenticator=None)
        assert await bare.look() == []
        partitions = bare.partitions
        true = (await read_topic(kafka, TOPIC, partitions))[-1]
        await send(kafka, TOPIC, forgeries(true, relay, partitions).values())
        kinds: set[str] = {alarm.kind for alarm in await bare.look()}
        return true.partition, true.offset, kinds - {"missing"}

    partition, offset, without_keys = asyncio.run(forge())
    alarms = system.alarms()
    verified, _ = system.custlog("audit", "verify")

    assert without_keys == {"forged", "unlike_log"}, "whoever has no key of the relays compares with the log"
    assert {alarm["kind"] for alarm in alarms} == {"forged"}
    assert len({alarm["sentence"] for alarm in alarms}) == 5
    assert REPLAYED in {alarm["by"] for alarm in alarms}
    here = [alarm["place"] for alarm in alarms if alarm["place"]["partition"] == partition]
    assert len(here) == 4
    assert all(place["topic"] == TOPIC and place["offset"] > offset for place in here)
    assert verified, "the log itself is as it was"


def test_alarms_were_kept_and_what_is_put_back_is_believed_again(system: Tampered) -> None:
    written = (system.home.data.with_name("home-monitor") / "alarms.jsonl").read_bytes().splitlines()
    kinds = {orjson.loads(line)["kind"] for line in written}

    verified, said = system.custlog("audit", "verify")

    assert {"altered", "rolled_back", "split", "view", "missing", "forged"} <= kinds
    assert verified
    sizes = {log: verdict["size"] for log, verdict in said["logs"].items()}
    assert sizes == {**system.sizes["last"], "access": sizes["access"]}
    assert sizes["access"] >= system.sizes["last"]["access"], "of tokens and bundles it keeps a record"
