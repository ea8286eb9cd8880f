"""What the tables of the notifications service promise: one suite for PostgreSQL and for the stand-in in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from services.notifications import store as in_postgres
from services.notifications.rules.birthday import MonthDay
from services.notifications.rules.permission import Word
from services.notifications.rules.timer import Timer
from services.notifications.store import Delivery
from shared.eventlog.log import Log
from shared.ids import uuid7
from tests.support import memory_timers
from tests.support.logs import commit, running_keyring, running_log
from tests.support.memory_log import MemoryLog

Desk: TypeAlias = tuple[Any, Log]
"""The functions under test, and the log in whose transactions they run."""
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.server)])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    if request.param == "memory":
        yield memory_timers, MemoryLog("notifications")
        return
    database = request.getfixturevalue("postgres_url")
    with running_keyring(database("keyring"), tmp_path) as keyring:
        url = database("notifications")
        with running_log("notifications", url, keyring) as log:
            with log.transaction() as tx:
                in_postgres.create(tx.cursor)
            yield in_postgres, log


def timer(customer: str, *, due_in: int = 0, **fields: Any) -> Timer:
    """A planned birthday reminder that is due so many hours from now."""
    due = NOW + timedelta(hours=due_in)
    made = Timer(uuid7(), customer, "birthday", due, due.date(), "UTC", MonthDay(11, 22), 1, "planned")
    return replace(made, **fields)


def by_id(timers: list[Timer]) -> list[Timer]:
    return sorted(timers, key=lambda one: one.reminder_id)


def test_timers_are_kept_replaced_and_found(desk: Desk) -> None:
    store, log = desk
    ann, bob = uuid7(), uuid7()
    first, second, third = timer(ann), timer(ann, birthday=None, kind="follow_up"), timer(bob)
    ended = replace(first, status="cancelled", reason="archived", seq=2, local_date=date(2027, 1, 1))
    with log.transaction() as tx:
        store.save_timers(tx.cursor, [first, second, third])
        store.save_timers(tx.cursor, [ended])
        store.save_timers(tx.cursor, [])
        assert by_id(store.timers_of(tx.cursor, [ann])) == [ended, second]
        assert store.timers_by_id(tx.cursor, [third.reminder_id, uuid7()]) == {third.reminder_id: third}


def test_planned_timers_that_are_due_are_claimed_the_longest_due_first(desk: Desk) -> None:
    store, log = desk
    ann = uuid7()
    early, late, coming, over = timer(ann, due_in=-5), timer(ann), timer(ann, due_in=1), timer(ann, status="fired")
    with log.transaction() as tx:
        assert store.oldest_due(tx.cursor, NOW) is None
        store.save_timers(tx.cursor, [coming, over, late, early])
        assert store.claim_due(tx.cursor, NOW, 10) == [early, late]
        assert store.claim_due(tx.cursor, NOW, 1) == [early]
        assert store.oldest_due(tx.cursor, NOW) == early.due_at
        assert store.claim_due(tx.cursor, early.due_at - timedelta(microseconds=1), 10) == []


def test_the_move_with_the_highest_position_holds(desk: Desk) -> None:
    store, log = desk
    ann, bob, eve = sorted(uuid7() for _ in range(3))
    with log.transaction() as tx:
        store.save_moves(tx.cursor, {bob: (ann, 5), eve: (eve, 4)})
        store.save_moves(tx.cursor, {bob: (bob, 4), eve: (ann, 6)})
        assert store.identities(tx.cursor, [ann, bob, eve]) == {bob: ann, eve: ann}


def test_an_identity_was_greeted_if_one_of_its_present_members_was(desk: Desk) -> None:
    store, log = desk
    ann, bob, eve = sorted(uuid7() for _ in range(3))
    with log.transaction() as tx:
        store.save_timers(tx.cursor, [timer(bob, status="fired"), timer(eve), timer(eve, status="cancelled")])
        asked = [(customer, year) for customer in (ann, bob, eve) for year in (2026, 2027)]
        assert store.greeted(tx.cursor, asked) == {(bob, 2026)}
        store.save_moves(tx.cursor, {bob: (ann, 5)})
        assert store.greeted(tx.cursor, asked) == {(ann, 2026)}
        store.save_timers(tx.cursor, [timer(ann, status="fired", local_date=date(2027, 1, 1))])
        assert store.greeted(tx.cursor, asked) == {(ann, 2026), (ann, 2027)}
        assert store.greeted(tx.cursor, []) == set()


def test_the_record_of_a_timer_is_read_back_from_the_log(desk: Desk) -> None:
    store, log = desk
    written = commit()
    with log.transaction() as tx:
        tx.append([written])
        found = store.records_at(tx.cursor, [(written.owner, 1), (written.owner, 2)])
        assert {stream: record.seq for stream, record in found.items()} == {written.owner: 1}


def test_a_purge_removes_what_is_there_and_says_how_much(desk: Desk) -> None:
    store, log = desk
    ann, bob = uuid7(), uuid7()
    mine, other = timer(ann), timer(bob)
    with log.transaction() as tx:
        store.save_timers(tx.cursor, [mine, other])
        store.save_moves(tx.cursor, {ann: (bob, 1)})
        for _ in range(2):
            store.queue(tx.cursor, [Delivery(uuid7(), mine.reminder_id, ann, "birthday", "spool")])
        assert store.purge(tx.cursor, ann) == 4
        assert store.purge(tx.cursor, ann) == 0
        assert store.timers_of(tx.cursor, [ann, bob]) == [other]


def test_the_last_word_of_every_customer_of_a_person_is_found(desk: Desk) -> None:
    store, log = desk
    ann, again, bob = sorted(uuid7() for _ in range(3))
    given = Word(ann, "marketing", "spool", "given", 3)
    withdrawn = Word(again, "marketing", "spool", "withdrawn", 5)
    restricted = Word(bob, "", "", "restricted", 6)
    with log.transaction() as tx:
        store.save_moves(tx.cursor, {again: (ann, 1)})
        store.save_words(tx.cursor, [given, withdrawn, restricted])
        store.save_words(tx.cursor, [replace(given, said="withdrawn", position=2), replace(restricted, position=7)])

        assert store.words_of(tx.cursor, {again, ann, uuid7()}) == {ann: [given, withdrawn], again: [given, withdrawn]}
        assert store.words_of(tx.cursor, {bob}) == {bob: [replace(restricted, position=7)]}
        store.purge(tx.cursor, again)
        assert store.words_of(tx.cursor, {ann}) == {ann: [given]}
