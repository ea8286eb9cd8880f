"""The sequencer on a real PostgreSQL: it follows the log, holds when that was altered, and asks its witnesses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from shared import metrics
from shared.audit.keys import AuditKeys
from shared.audit.note import Note, Verifier
from shared.audit.sequencer import Sequencer
from shared.audit.store import Store
from shared.audit.witness_client import Refusal
from shared.eventlog.log import Log
from tests.shared.topic import until
from tests.support.audit_store import LOG, audit_keys, fill, rows
from tests.support.cosigners import MemoryWitness
from tests.support.logs import running_keyring, running_log

pytestmark = pytest.mark.server


@pytest.fixture
def url(postgres_url: Callable[[str], str]) -> str:
    return postgres_url("audit")


@pytest.fixture
def log(url: str, keyring_url: str, tmp_path: Path) -> Iterator[Log]:
    with running_keyring(keyring_url, tmp_path) as keyring, running_log(LOG, url, keyring) as log:
        yield log


@pytest.fixture
def keys(tmp_path: Path) -> AuditKeys:
    return audit_keys(tmp_path / "audit")


@pytest.fixture(autouse=True)
def without_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IDLE_SECONDS", "HELD_SECONDS", "WITNESS_SECONDS"):
        monkeypatch.setattr(f"shared.audit.sequencer.{name}", 0.1)


@asynccontextmanager
async def running(url: str, keys: AuditKeys, **options: Any) -> AsyncIterator[Sequencer]:
    store = Store(url, LOG, origin=keys.origin(LOG), signers=keys.signers(LOG), verifiers=keys.verifiers(LOG))
    sequencer = Sequencer(store, **{"seconds": 0.05} | options)
    task = asyncio.create_task(sequencer.run())
    try:
        yield sequencer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def signed(sequencer: Sequencer, size: int) -> Any:
    return until(lambda: sequencer.status().size >= size, f"size {size}, not {sequencer.status()}")


def said(sequencer: Sequencer, state: str) -> Any:
    return until(lambda: sequencer.status().state == state, f"{state}, not {sequencer.status()}")


async def test_what_is_committed_is_signed(log: Log, url: str, keys: AuditKeys) -> None:
    await fill(log, 5)
    async with running(url, keys) as sequencer:
        await signed(sequencer, 5)
        log.when_committed(sequencer.wake_threadsafe)
        await fill(log, 5)
        await signed(sequencer, 10)
        assert sequencer.status().state == "signing"
        assert metrics.REGISTRY.get_sample_value("custlog_audit_size", {"log": LOG}) == 10
    assert sequencer.status().state == "stopped"


async def test_a_commit_wakes_it_before_it_looks_by_itself(
    log: Log, url: str, keys: AuditKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.audit.sequencer.IDLE_SECONDS", 600)
    async with running(url, keys) as sequencer:
        log.when_committed(sequencer.wake_threadsafe)
        await said(sequencer, "signing")
        await fill(log, 5)
        await signed(sequencer, 5)


async def test_a_log_that_was_cut_holds_it_until_it_is_whole_again(log: Log, url: str, keys: AuditKeys) -> None:
    alarms: list[tuple[str, str]] = []
    await fill(log, 5)
    async with running(url, keys, alarm=lambda *told: alarms.append(told)) as sequencer:
        await signed(sequencer, 5)
        rows(url, "UPDATE events SET notification_id = -5 WHERE notification_id = 5")
        await said(sequencer, "held")
        await asyncio.sleep(0.3)
        assert alarms == [("cut", "the log ends at position 4, and was signed up to 5")]
        assert sequencer.status().reason == alarms[0][1]
        rows(url, "UPDATE events SET notification_id = 5 WHERE notification_id = -5")
        await said(sequencer, "signing")
    labels = {"log": LOG, "kind": "cut"}
    assert metrics.REGISTRY.get_sample_value("custlog_audit_alarms_total", labels) == 1


async def test_without_postgres_it_tries_again(log: Log, url: str, keys: AuditKeys) -> None:
    database = url.rpartition("/")[2]
    elsewhere = url.removesuffix(database) + "postgres"
    await fill(log, 5)
    async with running(url, keys) as sequencer:
        await signed(sequencer, 5)
        rows(elsewhere, f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        rows(elsewhere, ended, database)
        await said(sequencer, "retrying")
        rows(elsewhere, f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
        await said(sequencer, "signing")


async def test_checkpoints_are_cosigned(log: Log, url: str, keys: AuditKeys) -> None:
    witness = MemoryWitness()
    async with running(url, keys, witnesses=witness) as sequencer:
        log.when_committed(sequencer.wake_threadsafe)
        for size in (5, 10):
            await fill(log, 5)
            await until(lambda size=size: bool(witness.seen) and witness.seen[-1].size == size, f"size {size}")  # type: ignore[misc]
        await until(lambda: cosigned(url, witness), "cosigned")
    assert witness.closed
    assert Verifier(keys.verifiers(LOG)).open(newest(url)).text == witness.seen[-1].text


async def test_a_silent_witness_stops_nothing_and_is_asked_again(log: Log, url: str, keys: AuditKeys) -> None:
    witness = MemoryWitness()
    witness.silent = True
    await fill(log, 5)
    async with running(url, keys, witnesses=witness) as sequencer:
        await signed(sequencer, 5)
        assert not cosigned(url, witness)
        witness.silent = False
        await until(lambda: cosigned(url, witness), "cosigned")


async def test_a_refusal_is_an_alarm_and_stops_nothing(log: Log, url: str, keys: AuditKeys) -> None:
    alarms: list[tuple[str, str]] = []
    witness = MemoryWitness()
    witness.refusal = Refusal(
        "witness.example", "unproven", "it holds a history that this checkpoint does not continue"
    )
    async with running(url, keys, witnesses=witness, alarm=lambda *told: alarms.append(told)) as sequencer:
        log.when_committed(sequencer.wake_threadsafe)
        for size in (5, 10):
            await fill(log, 5)
            await signed(sequencer, size)
        await until(lambda: bool(sequencer.status().refused), "a refusal")
        assert alarms == [("unproven", witness.refusal.sentence)]
        witness.refusal = None
        await fill(log, 5)
        await until(lambda: cosigned(url, witness) and not sequencer.status().refused, "cosigned")


async def test_a_witness_that_saw_what_another_process_signed_is_no_alarm(log: Log, url: str, keys: AuditKeys) -> None:
    alarms: list[tuple[str, str]] = []
    witness = MemoryWitness()
    witness.refusal = Refusal("witness.example", "ahead", "it has cosigned a checkpoint of size 5 before", 5)
    async with running(url, keys, witnesses=witness, alarm=lambda *told: alarms.append(told)) as sequencer:
        await until(lambda: alarms == [("ahead", "it has cosigned a checkpoint of size 5 before")], "an alarm")
        await fill(log, 5)
        await until(lambda: sequencer.status().size == 5 and not sequencer.status().refused, "no refusal")


def newest(url: str) -> bytes:
    ((note,),) = rows(url, "SELECT note FROM audit_checkpoints ORDER BY size DESC LIMIT 1")
    assert isinstance(note, bytes)
    return note


def cosigned(url: str, witness: MemoryWitness) -> bool:
    return witness.cosigner.key.name in {each.name for each in Note.parse(newest(url)).signatures}
