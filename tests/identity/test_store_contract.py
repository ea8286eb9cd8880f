"""What the tables of the identity service promise: one suite for PostgreSQL and for the stand-in in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from services.identity import store as in_postgres
from services.identity.domain import evolve, link, separate
from services.identity.store import COMMON, Profile
from shared.eventlog.log import Log
from shared.events.envelope import SealedPart
from tests.identity.world import customers
from tests.support import memory_identity
from tests.support.logs import running_keyring, running_log
from tests.support.memory_log import MemoryLog

Desk: TypeAlias = tuple[Any, Log]
"""The functions under test, and the log in whose transactions they run."""


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.server)])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    if request.param == "memory":
        yield memory_identity, MemoryLog("identity")
        return
    database = request.getfixturevalue("postgres_url")
    with running_keyring(database("keyring"), tmp_path) as keyring:
        url = database("identity")
        with running_log("identity", url, keyring) as log:
            with log.transaction() as tx:
                in_postgres.create_tables(tx.cursor)
            yield in_postgres, log


def test_profiles_are_kept_replaced_and_purged(desk: Desk) -> None:
    store, log = desk
    ann, bob, nobody = customers(3)
    sealed = SealedPart("1", "bm9uY2U=", "Y3Q=", ("features",))
    with log.transaction() as tx:
        store.put_profiles(tx.cursor, [Profile(ann, 1, None), Profile(bob, 2, sealed)])
        store.put_profiles(tx.cursor, [Profile(ann, 3, sealed)])
        store.put_version(tx.cursor, bob, 5)
        assert store.profiles(tx.cursor, [ann, bob, nobody]) == {
            ann: Profile(ann, 3, sealed),
            bob: Profile(bob, 5, sealed),
        }
        store.purge(tx.cursor, bob)
        assert store.profiles(tx.cursor, [bob]) == {bob: Profile(bob, 5, None)}


def test_holders_of_a_key_come_oldest_first_and_never_many_more_than_common(desk: Desk) -> None:
    store, log = desk
    everyone = customers(COMMON + 5)
    with log.transaction() as tx:
        store.put_evidence(tx.cursor, [(customer, {b"common": 1}) for customer in reversed(everyone)])
        store.put_evidence(tx.cursor, [(everyone[1], {b"rare": 2}), (everyone[0], {b"rare": 2})])
        found = store.holders(tx.cursor, {b"common", b"rare", b"free"})
    assert found == {b"common": everyone[: COMMON + 1], b"rare": everyone[:2], b"free": []}


def test_evidence_is_read_key_by_key_and_goes_when_it_is_taken_back_or_purged(desk: Desk) -> None:
    store, log = desk
    ann, bob, eve = customers(3)
    with log.transaction() as tx:
        store.put_evidence(tx.cursor, [(bob, {b"2": 2, b"1": 1}), (ann, {b"2": 2, b"3": 3}), (eve, {b"1": 1})])
        assert store.evidence(tx.cursor, {ann, bob}) == [(b"1", 1, bob), (b"2", 2, ann), (b"2", 2, bob), (b"3", 3, ann)]
        store.drop_evidence(tx.cursor, [(b"2", ann), (b"9", ann)])
        store.purge(tx.cursor, bob)
        assert store.evidence(tx.cursor, {ann, bob, eve}) == [(b"1", 1, eve), (b"3", 3, ann)]


def test_evidence_is_not_added_twice(desk: Desk) -> None:
    store, log = desk
    (ann,) = customers(1)
    with pytest.raises(Exception, match=r"duplicate|already"), log.transaction() as tx:  # noqa: PT012 - both are needed
        store.put_evidence(tx.cursor, [(ann, {b"1": 1})])
        store.put_evidence(tx.cursor, [(ann, {b"1": 1})])


def test_identities_come_with_all_their_members_and_what_holds_among_them(desk: Desk) -> None:
    store, log = desk
    ann, bob, eve, zoe = customers(4)
    with log.transaction() as tx:
        store.put_members(tx.cursor, {ann: ann, bob: ann, eve: eve, zoe: zoe})
        store.put_links(tx.cursor, {(ann, bob): 7})
        state = store.identities(tx.cursor, [bob, eve], with_links=True)
        assert state.members == {ann: {ann, bob}, eve: {eve}}
        assert (state.links, state.bans) == ({(ann, bob)}, set())
        assert store.identities(tx.cursor, [bob]).links == set()
        assert store.identities(tx.cursor, customers(1)).members == {}


def test_what_a_decision_changed_is_saved(desk: Desk) -> None:
    store, log = desk
    ann, bob, eve = customers(3)
    with log.transaction() as tx:
        store.put_members(tx.cursor, {ann: ann, bob: ann, eve: ann})
        store.put_links(tx.cursor, {(ann, bob): 7, (ann, eve): 3})
        before = store.identities(tx.cursor, [ann], with_links=True)
        apart = before.copy()
        for event in separate(apart, eve, ann, "checked"):
            evolve(apart, event)
        store.save(tx.cursor, before, apart, {})
        assert store.identities(tx.cursor, [ann, eve], with_links=True) == apart
        assert store.links_of(tx.cursor, [ann, bob, eve]) == [(ann, bob, 7)]

        again = apart.copy()
        for linked in link(again, eve, bob, evidence=(), decided_by="manual", lift_ban=True):
            evolve(again, linked)
        store.save(tx.cursor, apart, again, {(bob, eve): 9})
        assert store.identities(tx.cursor, [bob], with_links=True) == again
        assert store.links_of(tx.cursor, [ann, bob, eve]) == [(ann, bob, 7), (bob, eve, 9)]
