"""The event log on a real PostgreSQL: what it promises to commands, readers and consumers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent

from shared.errors import Unavailable
from shared.eventlog.log import Log
from tests.support.logs import commit, running_keyring, running_log

pytestmark = pytest.mark.server


@pytest.fixture
def log_url(postgres_url: Callable[[str], str]) -> str:
    return postgres_url("customer")


@pytest.fixture
def log(log_url: str, keyring_url: str, tmp_path: Path) -> Iterator[Log]:
    with running_keyring(keyring_url, tmp_path) as keyring, running_log("customer", log_url, keyring) as log:
        yield log


async def test_many_writers_leave_no_gap_and_a_reader_misses_nothing(log: Log, log_url: str) -> None:
    seen: list[int] = []
    writing = True

    async def read() -> None:
        while writing or len(seen) < log.head():
            seen.extend(event.id for event in await log.in_thread(lambda: log.read(seen[-1] if seen else 0, 100)))

    async def write(writer: Log) -> None:
        for _ in range(60):
            await writer.commit(commit())

    reader = asyncio.create_task(read())
    with running_log("customer", log_url, log.keyring) as other:
        await asyncio.gather(*(write(writer) for writer in (log, other) for _ in range(8)))
    writing = False
    await reader

    assert seen == list(range(1, 2 * 8 * 60 + 1))


async def test_a_transaction_that_fails_writes_neither_events_nor_rows(log: Log) -> None:
    def fail() -> None:
        with log.transaction() as tx:
            tx.cursor.execute("CREATE TABLE effects (n int)")
            tx.append([commit()])
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        await log.in_thread(fail)

    assert log.head() == 0


async def test_a_lost_connection_is_retried_without_doubling(log: Log, log_url: str) -> None:
    await log.commit(commit())
    with psycopg.connect(log_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    answer = await log.commit(commit())

    assert answer.position == 2
    assert log.head() == 2


def test_the_library_s_own_way_in_keeps_its_contract(log: Log) -> None:
    events = [StoredEvent("s-1", n, "customer.archived.v1", b"{}") for n in (1, 2)]

    assert log.recorder.insert_events(events) == [1, 2]
    with pytest.raises(IntegrityError):
        log.recorder.insert_events(events)
    assert [event.originator_version for event in log.recorder.select_events("s-1")] == [1, 2]


async def test_a_stopped_log_takes_no_command(postgres_url: Callable[[str], str], tmp_path: Path) -> None:
    with running_keyring(postgres_url("keyring"), tmp_path) as keyring:
        with running_log("customer", postgres_url("customer"), keyring) as log:
            await log.commit(commit())
        with pytest.raises(Unavailable):
            await log.commit(commit())


async def test_the_digest_of_a_command_is_of_no_use_without_the_key(log: Log) -> None:
    command = commit(body=b"a body that could be guessed")
    await log.commit(command)

    with log.datastore.get_connection() as connection:
        row = connection.execute("SELECT digest FROM commands").fetchone()

    assert row is not None
    assert bytes(row["digest"]) != command.digest
    assert bytes(row["digest"]) == log.keyring.keyed(command.digest)
