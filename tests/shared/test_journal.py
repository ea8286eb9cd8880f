"""What the access log promises: nothing is shown without a record, and nobody can flood it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from deploy.history import database_url
from shared import metrics
from shared.access import journal as journals
from shared.access.exports import Export, record
from shared.access.journal import Access, Journal
from shared.errors import Unavailable
from shared.eventlog.log import Log
from shared.eventlog.mapper import parse
from shared.events.access import (
    ANONYMOUS,
    AlarmRaised,
    CommandRefused,
    Exported,
    LoginFailed,
    PersonalDataRead,
    about_actor,
)
from shared.events.envelope import Actor, Recorded
from shared.ids import uuid7
from shared.privacy.keyring import Keyring
from tests.support.events import an_id
from tests.support.logs import running_keyring, running_log
from tests.support.memory_log import MemoryLog
from tests.support.servers import PostgresUrl

ANN, BEN = an_id("ann"), an_id("ben")
OPERATION = "GET /customers/{ref}"
REFUSED = CommandRefused(service="customer", operation="POST /customers", status=403, problem="forbidden", count=1)


@pytest.fixture
def access_url(postgres_url: PostgresUrl) -> str:
    return postgres_url("access")


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.server)])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    if request.param == "memory":
        yield MemoryLog("access")
        return
    database = request.getfixturevalue("postgres_url")
    with (
        running_keyring(database("keyring"), tmp_path) as keyring,
        running_log("access", database("access"), keyring) as log,
    ):
        yield log


def access(account: str = "u1", operation: str = OPERATION) -> Access:
    return Access(Actor(id=account, kind="user"), "web", "service", uuid7(), operation)


def events(log: Log) -> list[Recorded]:
    return log.open_all([parse(bytes(stored.state)) for stored in log.read(0, 10_000)])


def count_of(event: Recorded) -> int:
    assert isinstance(event.data, CommandRefused | LoginFailed)
    return event.data.count


async def test_a_read_is_recorded_for_each_customer_whose_fields_were_shown(log: Log) -> None:
    asked = access()

    await Journal(log).read(asked, {ANN: {"name", "birth_date"}, BEN: {"name"}, an_id("masked"): set()})

    found = {event.customer: event for event in events(log)}
    assert {customer: event.data for customer, event in found.items()} == {
        ANN: PersonalDataRead(operation=OPERATION, fields=("birth_date", "name")),
        BEN: PersonalDataRead(operation=OPERATION, fields=("name",)),
    }
    assert {(event.actor.id, event.channel, event.purpose, event.correlation) for event in found.values()} == {
        ("u1", "web", "service", asked.correlation)
    }


async def test_an_answer_that_shows_nothing_leaves_no_record(log: Log) -> None:
    await Journal(log).read(access(), {})
    await Journal(None).read(access(), {ANN: {"name"}})

    assert log.head() == 0


async def test_reads_at_once_are_all_recorded(log: Log) -> None:
    journal = Journal(log)

    await asyncio.gather(*(journal.read(access(f"u{n}"), {ANN: {"name"}, BEN: {"name"}}) for n in range(60)))
    await journal.read(access("u60"), {ANN: {"name"}})

    found = events(log)
    assert Counter(event.actor.id for event in found) == {f"u{n}": 2 for n in range(60)} | {"u60": 1}


async def test_more_customers_than_one_commit_takes_are_recorded_too(log: Log) -> None:
    many = {an_id(str(n)): {"name"} for n in range(1_100)}

    await Journal(log).read(access(), many)

    assert {event.customer for event in events(log)} == many.keys()


async def test_an_export_is_recorded_under_the_watermark_that_its_file_carries(log: Log) -> None:
    journal = Journal(log)

    about_ann = await record(journal, access("u1"), Export("subject", 12, "subject_access", ANN))
    about_many = await record(journal, access("u1"), Export("audit", 0, "inspection"))

    assert about_ann != about_many
    assert {event.customer: event.data for event in events(log)} == {
        ANN: Exported(what="subject", rows=12, watermark=about_ann, reason="subject_access"),
        about_actor("u1"): Exported(what="audit", rows=0, watermark=about_many, reason="inspection"),
    }


async def test_alike_refusals_are_one_event_with_their_count(log: Log) -> None:
    journal = Journal(log)
    for _ in range(1_000):
        journal.refused(access("u1"), REFUSED)
    journal.refused(access("u2"), REFUSED)
    journal.refused(access(ANONYMOUS), LoginFailed(reason="no-token", count=1))

    await journal.flush()
    await journal.flush()

    assert sorted((event.actor.id, event.customer, count_of(event)) for event in events(log)) == [
        (ANONYMOUS, about_actor(ANONYMOUS), 1),
        ("u1", about_actor("u1"), 1_000),
        ("u2", about_actor("u2"), 1),
    ]


async def test_an_alarm_is_recorded_once_however_often_it_is_raised(log: Log) -> None:
    journal = Journal(log)
    alarm = AlarmRaised(log="customer", kind="hole", first=7, sentence="Position 7 is missing.")
    for _ in range(3):
        journal.refused(access("audit"), alarm)

    await journal.flush()

    assert [event.data for event in events(log)] == [alarm]


async def test_different_refusals_beyond_what_memory_takes_are_counted_as_lost(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "MOST_WAITING", 3)
    journal = Journal(log)
    before = metrics.REFUSALS_LOST._value.get()
    for n in range(5):
        journal.refused(access(f"u{n}"), REFUSED)
    journal.refused(access("u0"), REFUSED)

    await journal.flush()

    assert sorted((event.actor.id, count_of(event)) for event in events(log)) == [("u0", 2), ("u1", 1), ("u2", 1)]
    assert metrics.REFUSALS_LOST._value.get() - before == 2


@pytest.mark.server
async def test_while_the_log_is_away_nothing_may_be_shown_and_refusals_wait(
    access_url: str, keyring_url: str, tmp_path: Path
) -> None:
    name = access_url.rpartition("/")[2]
    with running_keyring(keyring_url, tmp_path) as keyring, running_log("access", access_url, keyring) as log:
        journal = Journal(log)
        await journal.read(access(), {ANN: {"name"}})
        journal.refused(access(), REFUSED)

        await _let_in(access_url, name, allowed=False)
        with pytest.raises(Unavailable):
            await journal.read(access(), {BEN: {"name"}})
        await journal.flush()
        await _let_in(access_url, name, allowed=True)
        await journal.flush()
        await journal.read(access(), {BEN: {"birth_date"}})

        told = [event.data for event in events(log)]
        assert told.count(PersonalDataRead(operation=OPERATION, fields=("birth_date",))) == 1
        assert told.count(REFUSED) == 1


@pytest.mark.server
async def test_reads_go_on_after_every_connection_was_cut(access_url: str, keyring_url: str, tmp_path: Path) -> None:
    with running_keyring(keyring_url, tmp_path) as keyring, running_log("access", access_url, keyring) as log:
        journal = Journal(log)
        for n in range(3):
            reading = asyncio.create_task(_read_until_taken(journal, f"u{n}"))
            await asyncio.sleep(0.001 * n)
            await _cut(access_url, access_url.rpartition("/")[2])
            await reading

        assert {event.actor.id for event in events(log)} == {f"u{n}" for n in range(3)}
        assert {event.seq for event in events(log)} == {1}


@pytest.mark.server
async def test_a_reader_who_goes_away_disturbs_nobody(access_url: str, keyring_url: str, tmp_path: Path) -> None:
    with running_keyring(keyring_url, tmp_path) as keyring, running_log("access", access_url, keyring) as log:
        journal = Journal(log)
        gone = asyncio.create_task(journal.read(access("gone"), {ANN: {"name"}}))
        await asyncio.sleep(0)
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone

        await journal.read(access("here"), {ANN: {"name"}})

        assert "here" in {event.actor.id for event in events(log)}


@pytest.mark.server
async def test_processes_that_begin_together_share_one_log(access_url: str, keyring_url: str, tmp_path: Path) -> None:
    def work(keyring: Keyring, account: str) -> None:
        with running_log("access", access_url, keyring) as log:
            asyncio.run(Journal(log).read(access(account), {ANN: {"name"}}))

    with running_keyring(keyring_url, tmp_path) as keyring:
        await asyncio.gather(*(asyncio.to_thread(work, keyring, f"u{n}") for n in range(4)))
        with running_log("access", access_url, keyring) as log:
            assert {event.actor.id for event in events(log)} == {"u0", "u1", "u2", "u3"}


async def _read_until_taken(journal: Journal, account: str) -> None:
    while True:
        with suppress(Unavailable):
            return await journal.read(access(account), {ANN: {"name"}})


async def _let_in(url: str, name: str, *, allowed: bool) -> None:
    await asyncio.to_thread(_administer, url, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {str(allowed).lower()}')
    if not allowed:
        await _cut(url, name)


async def _cut(url: str, name: str) -> None:
    await asyncio.to_thread(
        _administer, url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    )


def _administer(url: str, statement: str) -> None:
    with psycopg.connect(database_url(url, "postgres"), autocommit=True) as connection:
        connection.execute(statement)
