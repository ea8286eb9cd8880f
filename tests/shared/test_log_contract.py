"""What the log promises to commands, readers and consumers: one suite for PostgreSQL and for its stand-in in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from shared.errors import AlreadyReserved, CommandReused, Conflict, CustlogError, TooLarge, VersionConflict
from shared.eventlog.commit import MAX_EVENTS, Append, Commit, Committed
from shared.eventlog.log import Log, Transaction
from shared.events.customer import CustomerArchived, ExtensionFieldSet
from shared.events.envelope import Erased
from shared.ids import uuid7
from tests.support.logs import cause, commit, registered, running_keyring, running_log
from tests.support.memory_log import MemoryLog


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.server)])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    if request.param == "memory":
        yield MemoryLog("customer")
        return
    database = request.getfixturevalue("postgres_url")
    with running_keyring(database("keyring"), tmp_path) as keyring:
        url = database("customer")
        with running_log("customer", url, keyring) as log:
            yield log


def archived(customer: str, expected: int) -> Commit:
    return commit(CustomerArchived(reason="x"), customer=customer, expected=expected)


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


async def test_events_have_gapless_positions_in_the_order_of_their_commits(log: Log) -> None:
    customer = uuid7()
    two = commit(registered(), CustomerArchived(reason="x"), customer=customer)

    answers = await log.commit_many([two, commit(expected=9), commit(), archived(customer, 2)])

    assert [answer.position for answer in answers if isinstance(answer, Committed)] == [1, 3, 4]
    stored = log.read(0, 10)
    assert [event.id for event in stored] == [1, 2, 3, 4]
    assert [event.originator_version for event in stored] == [1, 2, 1, 3]
    assert [event.id for event in log.read(1, 2)] == [2, 3]
    assert log.read(4, 10) == []
    assert await log.newest() == 4


async def test_what_became_of_a_command_can_be_asked(log: Log) -> None:
    done, unknown = commit(), commit()
    answer = await log.commit(done)

    found = await log.recall([(c.cause.command, c.digest) for c in (done, unknown)])
    (reused,) = await log.recall([(done.cause.command, b"other")])

    assert found == [replace(answer, replayed=True), None]
    assert isinstance(reused, CommandReused)


async def test_a_command_that_changes_nothing_is_remembered_all_the_same(log: Log) -> None:
    empty = Commit(cause(), (), digest=b"d", result={"id": "x"})

    first, second = await log.commit(empty), await log.commit(empty)

    assert (first.result, second.result, second.replayed) == ({"id": "x"}, {"id": "x"}, True)
    assert log.head() == 0


async def test_the_holders_of_reserved_keys_can_be_asked(log: Log) -> None:
    taken = replace(commit(), reserve=("source:crm:1",))
    await log.commit(taken)

    assert await log.holders(("source:crm:1", "source:crm:2")) == {"source:crm:1": taken.owner}


async def test_only_its_holder_releases_a_key(log: Log) -> None:
    taken, other = replace(commit(), reserve=("k",)), replace(commit(), release=("k",))
    await log.commit_many([taken])
    await log.commit(other)

    assert await log.holders(("k",)) == {"k": taken.owner}


async def test_a_commit_on_two_streams_is_taken_or_refused_whole(log: Log) -> None:
    customer = uuid7()
    both = Commit(
        cause(),
        (
            Append(f"customer-{customer}", customer, 0, (registered(),)),
            Append(f"order-{customer}", customer, 3, (CustomerArchived(reason="x"),)),
        ),
    )

    (answer,) = await log.commit_many([both])

    assert isinstance(answer, VersionConflict)
    assert log.head() == 0


async def test_a_transaction_that_fails_writes_nothing_of_its_commits(log: Log) -> None:
    command = replace(commit(), reserve=("k",))

    def fail() -> None:
        with log.transaction() as tx:
            tx.lock()
            tx.append([command])
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        await log.in_thread(fail)

    assert log.head() == 0
    assert await log.holders(("k",)) == {}
    assert await log.recall([(command.cause.command, command.digest)]) == [None]
    assert await log.load(command.owner) == []


async def test_a_savepoint_that_fails_costs_only_itself(log: Log) -> None:
    def fail(tx: Transaction) -> None:
        with tx.cursor.connection.transaction():
            tx.append([commit()])
            raise RuntimeError("half-way")

    def work() -> list[Committed | CustlogError]:
        with log.transaction() as tx:
            first = tx.append([commit()])
            with pytest.raises(RuntimeError, match="half-way"):
                fail(tx)
            return first + tx.append([commit()])

    answers = await log.in_thread(work)

    assert [answer.position for answer in answers if isinstance(answer, Committed)] == [1, 2]
    assert log.head() == 2


async def test_a_transaction_recalls_what_it_has_just_written(log: Log) -> None:
    command = commit()

    def work() -> Committed | CommandReused | None:
        with log.transaction() as tx:
            tx.append([command])
            return tx.recall(command.cause.command, command.digest)

    assert await log.in_thread(work) == Committed(1, command.result, replayed=True)
