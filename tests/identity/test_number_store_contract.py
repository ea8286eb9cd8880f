"""What the tables of numbering promise: one suite for PostgreSQL and for the stand-in in memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from services.identity import number_store as in_postgres
from services.identity import store
from services.identity.number_store import Counter, Given
from services.identity.numbering.rulebook import DEFAULT_RULE
from services.identity.streams import number_key, stream_of
from shared.eventlog.commit import Append, Commit
from shared.eventlog.log import Log
from shared.eventlog.mapper import parse
from shared.events.envelope import moment
from shared.events.identity import NumberAssigned
from shared.events.numbering import NumberingRulesSet, NumbersLeased
from shared.ids import uuid7
from tests.identity.numbering_rules import NOON, REGION
from tests.support import memory_numbers
from tests.support.logs import cause, running_keyring, running_log
from tests.support.memory_log import MemoryLog

Desk: TypeAlias = tuple[Any, Log]
"""The functions under test, and the log in whose transactions they run."""


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.server)])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    if request.param == "memory":
        yield memory_numbers, MemoryLog("identity")
        return
    database = request.getfixturevalue("postgres_url")
    with running_keyring(database("keyring"), tmp_path) as keyring:
        url = database("identity")
        with running_log("identity", url, keyring) as log:
            with log.transaction() as tx:
                store.create_tables(tx.cursor)
            yield in_postgres, log


def leased(first: int, last: int, *, minutes: int = 0, scope: str = "a") -> NumbersLeased:
    return NumbersLeased(
        lease=uuid7(),
        rule=REGION.id,
        scope=scope,
        first=first,
        last=last,
        holder="till-7",
        expires_at=NOON + timedelta(minutes=minutes),
    )


def test_counters_only_go_up_and_come_back_with_a_failed_transaction(desk: Desk) -> None:
    numbers, log = desk
    with log.transaction() as tx:
        assert numbers.counters(tx.cursor, ["a", "b"]) == {}
        numbers.put_counters(tx.cursor, {})
        numbers.put_counters(tx.cursor, {"a": 5, "b": 2})
        numbers.put_counters(tx.cursor, {"a": 3})
    with pytest.raises(RuntimeError, match="half-way"):
        _raise_and_fail(desk)
    with log.transaction() as tx:
        assert numbers.counters(tx.cursor, ["a", "c"]) == {"a": 5}
        assert numbers.all_counters(tx.cursor) == {"a": Counter(5, 0, None), "b": Counter(2, 0, None)}


def test_counters_tell_how_many_numbers_were_given_and_since_when(desk: Desk) -> None:
    numbers, log = desk
    with log.transaction() as tx:
        assert numbers.began(tx.cursor) is None
        numbers.put_counters(tx.cursor, {"a": 5, "b": 9}, {"a": Given(2, NOON)})
        numbers.put_counters(tx.cursor, {"a": 90})
        numbers.put_counters(tx.cursor, {"a": 93}, {"a": Given(3, NOON - timedelta(days=1))})
    with log.transaction() as tx:
        assert numbers.all_counters(tx.cursor) == {
            "a": Counter(93, 5, NOON - timedelta(days=1)),
            "b": Counter(9, 0, None),
        }


def _raise_and_fail(desk: Desk) -> None:
    numbers, log = desk
    with log.transaction() as tx:
        numbers.put_counters(tx.cursor, {"a": 100})
        raise RuntimeError("half-way")


def test_rules_are_kept_in_the_order_of_their_versions_behind_the_built_in_one(desk: Desk) -> None:
    numbers, log = desk
    with log.transaction() as tx:
        assert numbers.rule_book(tx.cursor).version == 0
        for version in (1, 2):
            event = NumberingRulesSet(
                version=version,
                effective_from=NOON + timedelta(days=version),
                rules=(REGION, DEFAULT_RULE),
                reason="test",
            )
            numbers.put_rules(tx.cursor, event)
    with log.transaction() as tx:
        book = numbers.rule_book(tx.cursor)
    assert [found.version for found in book.sets] == [0, 1, 2]
    assert book.rule(REGION.id).rule == REGION
    assert book.in_force(NOON + timedelta(days=1)).version == 1


def test_leases_are_open_until_they_are_closed_and_found_when_their_time_is_over(desk: Desk) -> None:
    numbers, log = desk
    first, second, other = leased(1, 5), leased(6, 9, minutes=5), leased(1, 2, minutes=9, scope="b")
    with log.transaction() as tx:
        for event in (first, second, other):
            numbers.put_lease(tx.cursor, event)
    with log.transaction() as tx:
        assert numbers.lease(tx.cursor, first.lease) == (first, True)
        assert numbers.lease(tx.cursor, uuid7()) is None
        assert numbers.open_leases(tx.cursor, "a") == [first, second]
        assert numbers.expired(tx.cursor, NOON + timedelta(minutes=5), 10) == [first, second]
        assert numbers.expired(tx.cursor, NOON + timedelta(minutes=5), 1) == [first]
        numbers.close_leases(tx.cursor, [first.lease])
        assert numbers.open_leases(tx.cursor, "a") == [second]
        assert numbers.lease(tx.cursor, first.lease) == (first, False)
        assert numbers.expired(tx.cursor, NOON + timedelta(minutes=5), 10) == [second]


def test_names_in_use_and_versions_of_streams_are_those_of_the_log(desk: Desk) -> None:
    numbers, log = desk
    ann = uuid7()
    with log.transaction() as tx:
        event = NumberAssigned(number="C1", rule="r.v1", serial=1)
        append = Append(stream_of(ann), ann, 0, [event])
        tx.append([Commit(cause(), (append,), reserve=(number_key("C1"), "other:x"))])
    with log.transaction() as tx:
        assert numbers.names(tx.cursor) == ["C1"]
        assert numbers.version(tx.cursor, stream_of(ann)) == 1
        assert numbers.version(tx.cursor, "numbering-new") == 0
        (note,) = log.read(0, 10)
        assert numbers.began(tx.cursor) == moment(parse(note.state).recorded_at)
