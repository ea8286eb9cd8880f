"""The index of the trail on a real PostgreSQL: every record once, behind the log, and cut where the log was cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shared.audit import trail
from shared.audit.trail import TrailIndex, filled
from shared.eventlog.log import Log
from shared.eventlog.mapper import parse
from shared.events.envelope import moment
from tests.shared.topic import until
from tests.support.audit_store import fill, rows
from tests.support.logs import running_keyring, running_log

pytestmark = pytest.mark.server

LOG = "customer"


@pytest.fixture
def url(postgres_url: Callable[[str], str]) -> str:
    return postgres_url("trail")


@pytest.fixture
def log(url: str, keyring_url: str, tmp_path: Path) -> Iterator[Log]:
    with running_keyring(keyring_url, tmp_path) as keyring, running_log(LOG, url, keyring) as log:
        yield log


@pytest.fixture
def index(url: str, log: Log) -> Iterator[TrailIndex]:
    with closing(TrailIndex(url, LOG)) as index:
        yield index


def indexed(url: str) -> list[tuple[Any, ...]]:
    return rows(url, "SELECT position, at, actor, type, command::text, correlation FROM audit_trail ORDER BY position")


def expected(url: str) -> list[tuple[Any, ...]]:
    stored = rows(url, "SELECT notification_id, state FROM events ORDER BY notification_id")
    records = [(position, parse(state)) for position, state in stored]  # type: ignore[arg-type]
    return [
        (position, moment(each.recorded_at), each.actor.id, each.type, each.command, each.correlation)
        for position, each in records
    ]


async def test_it_has_every_record_of_the_log_portion_by_portion(index: TrailIndex, log: Log, url: str) -> None:
    await fill(log, 12, events=2)

    more = [index.advance(most=10) for _ in range(3)]

    assert more == [True, True, False]
    assert indexed(url) == expected(url)
    with psycopg.connect(url) as connection:
        assert filled(connection) == 24


async def test_it_goes_on_from_where_it_was(index: TrailIndex, log: Log, url: str) -> None:
    await fill(log, 3)
    index.advance()
    await fill(log, 2)

    with closing(TrailIndex(url, LOG)) as again:
        assert again.advance() is False

    assert indexed(url) == expected(url)


async def test_what_was_cut_off_the_log_is_cut_off_the_index(index: TrailIndex, log: Log, url: str) -> None:
    await fill(log, 5)
    index.advance()
    rows(url, "DELETE FROM events WHERE notification_id > 3 RETURNING 1")

    index.advance()
    await fill(log, 1)
    index.advance()

    assert [row[0] for row in indexed(url)] == [1, 2, 3, 4]
    assert indexed(url) == expected(url)


async def test_a_record_that_is_none_stops_it_there(index: TrailIndex, log: Log, url: str) -> None:
    await fill(log, 2)
    index.advance()
    await fill(log, 1)
    rows(url, r"UPDATE events SET state = '\x7b' WHERE notification_id = 3 RETURNING 1")

    with pytest.raises(psycopg.DataError):
        index.advance()

    index.close()
    assert [row[0] for row in indexed(url)] == [1, 2]


async def test_while_another_process_fills_it_nothing_is_done_twice(index: TrailIndex, log: Log, url: str) -> None:
    await fill(log, 2)
    index.advance()
    await fill(log, 2)
    with psycopg.connect(url) as other:
        other.execute(trail._TRY_LOCK)
        assert index.advance() is False

    assert len(indexed(url)) == 2


async def test_the_task_fills_it_until_it_is_cancelled(index: TrailIndex, log: Log, url: str) -> None:
    await fill(log, 4)
    running = asyncio.create_task(index.run())

    def complete() -> bool:
        with psycopg.connect(url) as connection:
            return filled(connection) == 4

    await until(complete, "the index is filled")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert indexed(url) == expected(url)


def test_a_log_without_an_index_has_filled_nothing(url: str) -> None:
    with psycopg.connect(url) as connection:
        assert filled(connection) == 0
