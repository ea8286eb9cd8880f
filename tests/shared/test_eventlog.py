"""The event log on a real PostgreSQL: what it promises to commands, readers and consumers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from eventsourcing.persistence import IntegrityError, StoredEvent

from shared.errors import AlreadyReserved, CommandReused, Conflict, CustlogError, TooLarge, Unavailable, VersionConflict
from shared.eventlog.commit import MAX_EVENTS, Append, Commit, Committed
from shared.eventlog.log import Log
from shared.events.customer import CustomerArchived, ExtensionFieldSet
from shared.events.envelope import Erased
from shared.ids import uuid7
from tests.support.logs import cause, commit, registered, running_keyring, running_log

pytestmark = pytest.mark.server


@pytest.fixture
def log_url(postgres_url: Callable[[str], str]) -> str:
    return postgres_url("customer")


@pytest.fixture
def log(log_url: str, keyring_url: str, tmp_path: Path) -> Iterator[Log]:
    with running_keyring(keyring_url, tmp_path) as keyring, running_log("customer", log_url, keyring) as log:
        yield log


async def test_what_was_committed_is_read_back(log: Log) -> None:
    event = registered("Ann Example")
    command = commit(event)

    answer = await log.commit(command)

    (recorded,) = await log.load(command.appends[0].stream)
    assert answer == Committed(1, command.result)
    assert recorded.data == event
    assert (recorded.seq, recorded.log, recorded.customer) == (1, "customer", command.appends[0].customer)
    assert recorded.actor.id == "u1"


async def test_personal_fields_are_not_in_the_stored_bytes(log: Log) -> None:
    await log.commit(commit(registered("Canary Xylophone")))

    (stored,) = log.read(0, 10)

    assert b"Canary" not in stored.state
    assert b"Xylophone" not in stored.state


async def test_a_repeated_command_gets_the_same_answer_and_writes_nothing(log: Log) -> None:
    command = commit()
    first = await log.commit(command)

    second = await log.commit(command)

    assert second == replace(first, replayed=True)
    assert log.head() == 1


async def test_a_command_id_with_another_body_is_refused(log: Log) -> None:
    command = commit()
    await log.commit(command)

    with pytest.raises(CommandReused):
        await log.commit(replace(command, digest=b"other"))

    assert log.head() == 1


async def test_a_stale_version_is_refused_with_the_present_one(log: Log) -> None:
    customer = uuid7()
    await log.commit(commit(customer=customer))

    with pytest.raises(VersionConflict) as refused:
        await log.commit(commit(CustomerArchived(reason="old"), customer=customer, expected=0))

    assert refused.value.current == 1


async def test_a_version_ahead_of_the_stream_is_refused(log: Log) -> None:
    with pytest.raises(VersionConflict):
        await log.commit(commit(CustomerArchived(reason="old"), expected=7))


async def test_a_reserved_key_belongs_to_one_stream_until_it_is_released(log: Log) -> None:
    first = replace(commit(), reserve=("source:crm:1",))
    await log.commit(first)
    with pytest.raises(AlreadyReserved):
        await log.commit(replace(commit(), reserve=("source:crm:1",)))

    customer = first.appends[0].customer
    await log.commit(
        replace(commit(CustomerArchived(reason="x"), customer=customer, expected=1), release=("source:crm:1",))
    )
    answer = await log.commit(replace(commit(), reserve=("source:crm:1",)))

    assert answer.position == 3


async def test_one_refused_command_of_a_group_costs_the_others_nothing(log: Log) -> None:
    taken = replace(commit(), reserve=("source:crm:1",))
    await log.commit(taken)
    group = [commit(), replace(commit(), reserve=("source:crm:1",)), commit(expected=5), taken, commit()]

    answers = await log.commit_many(group)

    kinds = [type(answer) for answer in answers]
    assert kinds == [Committed, AlreadyReserved, VersionConflict, Committed, Committed]
    assert log.head() == 3


async def test_two_commands_of_one_group_on_one_stream_cannot_both_win(log: Log) -> None:
    customer = uuid7()

    answers = await log.commit_many([commit(customer=customer), commit(customer=customer)])

    assert sorted(type(answer).__name__ for answer in answers) == ["Committed", "VersionConflict"]


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


async def test_racing_commands_on_one_stream_have_one_winner_per_version(log: Log) -> None:
    customer = uuid7()
    await log.commit(commit(customer=customer))

    racing = [commit(CustomerArchived(reason=f"r{n}"), customer=customer, expected=1) for n in range(20)]
    answers = await asyncio.gather(*(log.commit(one) for one in racing), return_exceptions=True)

    assert sum(isinstance(answer, Committed) for answer in answers) == 1
    assert [event.seq for event in await log.load(f"customer-{customer}")] == [1, 2]


async def test_an_erased_subject_reads_as_erased_and_takes_nothing_personal_any_more(log: Log) -> None:
    customer = uuid7()
    await log.commit(commit(customer=customer))
    log.keyring.destroy(customer)

    (recorded,) = await log.load(f"customer-{customer}")
    with pytest.raises(Conflict, match="erased"):
        await log.commit(commit(registered(), customer=customer, expected=1))

    assert isinstance(recorded.data.name, Erased)  # type: ignore[attr-defined]


async def test_an_event_too_large_for_kafka_is_refused_alone(log: Log) -> None:
    large = commit(registered(tags=tuple(f"t{n:062}" for n in range(9000))))

    answers = await log.commit_many([commit(), large, commit()])

    assert [type(answer) for answer in answers] == [Committed, TooLarge, Committed]


async def test_a_command_with_too_many_events_is_refused(log: Log) -> None:
    events = [ExtensionFieldSet(field="f", value=n) for n in range(MAX_EVENTS + 1)]

    with pytest.raises(TooLarge, match="split it"):
        await log.commit(commit(*events))


async def test_a_transaction_that_fails_writes_neither_events_nor_rows(log: Log) -> None:
    def fail() -> None:
        with log.transaction() as tx:
            tx.cursor.execute("CREATE TABLE effects (n int)")
            tx.append([commit()])
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        await log.in_thread(fail)

    assert log.head() == 0


async def test_a_transaction_writes_all_its_commits_and_wakes_the_relay(log: Log) -> None:
    woken: list[bool] = []
    log.when_committed(lambda: woken.append(True))
    unguarded = Commit(cause(), (Append("identity-1", uuid7(), 0, (CustomerArchived(reason="x"),)),))

    def work() -> list[Committed | CustlogError]:
        with log.transaction() as tx:
            tx.lock()
            return tx.append([unguarded, commit()])

    answers = await log.in_thread(work)

    assert [answer.position for answer in answers if isinstance(answer, Committed)] == [1, 2]
    assert woken


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
