"""What the tables of the identity service promise: one suite for PostgreSQL and for the stand-in in memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from services.identity import decision_store
from services.identity import store as in_postgres
from services.identity.decision_store import Assertion, Request, Review
from services.identity.domain.assertions import assert_never, assert_same, withdraw
from services.identity.domain.clustering import Scored
from services.identity.domain.deciding import decide, follow
from services.identity.matching.sharing import COMMON
from services.identity.store import FIRST, Profile
from shared.eventlog.log import Log
from shared.events.envelope import Contract, SealedPart
from shared.events.identity import (
    ApprovalDecided,
    ApprovalRequested,
    Asserted,
    AssertionEnded,
    ReviewClosed,
    ReviewOpened,
)
from tests.identity.world import customers
from tests.support import memory_decisions, memory_identity
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
                decision_store.create_tables(tx.cursor)
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
        assert store.versions(tx.cursor, [ann, bob, nobody]) == {ann: 3, bob: 5}


def test_those_who_may_be_compared_come_page_by_page(desk: Desk) -> None:
    store, log = desk
    ann, bob, carl, dora, eve = customers(5)
    sealed = SealedPart("1", "bm9uY2U=", "Y3Q=", ("features",))
    compared = [Profile(each, 1, sealed) for each in (ann, dora, eve)]
    with log.transaction() as tx:
        store.put_profiles(tx.cursor, [*compared, Profile(bob, 1, None), Profile(carl, 1, sealed, restricted=True)])

        assert store.comparable(tx.cursor, FIRST, 2) == compared[:2]
        assert store.comparable(tx.cursor, dora, 2) == compared[2:]
        assert store.comparable(tx.cursor, eve, 2) == []
        assert store.count_comparable(tx.cursor) == 3


def test_holders_of_a_key_come_oldest_first_and_never_many_more_than_common(desk: Desk) -> None:
    store, log = desk
    everyone = customers(COMMON + 5)
    with log.transaction() as tx:
        store.put_evidence(tx.cursor, [(customer, {b"common": 1}) for customer in reversed(everyone)])
        store.put_evidence(tx.cursor, [(everyone[1], {b"rare": 2}), (everyone[0], {b"rare": 2})])
        found = store.holders(tx.cursor, {b"common", b"rare", b"free"})
        more = store.holders(tx.cursor, {b"common"}, spare=2)
    assert found == {b"common": everyone[: COMMON + 1], b"rare": everyone[:2], b"free": []}
    assert more == {b"common": everyone[: COMMON + 3]}


def test_evidence_is_read_key_by_key_and_goes_when_it_is_taken_back_or_purged(desk: Desk) -> None:
    store, log = desk
    ann, bob, eve = customers(3)
    with log.transaction() as tx:
        store.put_evidence(tx.cursor, [(bob, {b"2": 2, b"1": 1}), (ann, {b"2": 2, b"3": 3}), (eve, {b"1": 1})])
        assert store.evidence(tx.cursor, {ann, bob}) == [(b"1", 1, bob), (b"2", 2, ann), (b"2", 2, bob), (b"3", 3, ann)]
        store.drop_evidence(tx.cursor, [(b"2", ann), (b"9", ann)])
        store.purge(tx.cursor, bob)
        assert store.evidence(tx.cursor, {ann, bob, eve}) == [(b"1", 1, eve), (b"3", 3, ann)]
        assert store.evidence_of(tx.cursor, {ann, bob, eve}) == {eve: {b"1": 1}, ann: {b"3": 3}}
        assert store.evidence_of(tx.cursor, ()) == {}
        store.change_evidence(tx.cursor, {ann: {b"3": 3}, eve: {b"1": 1}}, {ann: {b"4": 4}, bob: {b"3": 3}})
        assert store.evidence_of(tx.cursor, {ann, bob, eve}) == {eve: {b"1": 1}, ann: {b"4": 4}, bob: {b"3": 3}}


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
        assert (state.links, state.strengths, state.bans) == ({(ann, bob)}, {(ann, bob): 0}, set())
        assert store.identities(tx.cursor, [bob]).links == set()
        assert store.identities(tx.cursor, customers(1)).members == {}


class Teller:
    """Events written as a command writes them, and what they come to."""

    def __init__(self, desk: Desk) -> None:
        self.store, self.log = desk
        self.decided = memory_decisions if self.store is memory_identity else decision_store
        self.position = 0

    def tell(self, tx: Any, *events: Contract) -> None:
        told = [(position, "ann", event) for position, event in enumerate(events, self.position + 1)]
        self.position += len(events)
        self.decided.write(tx.cursor, self.decided.changes_of(told))


def test_what_a_decision_changed_is_saved(desk: Desk) -> None:
    world = Teller(desk)
    ann, bob, eve = customers(3)
    with world.log.transaction() as tx:
        world.store.put_members(tx.cursor, {customer: customer for customer in (ann, bob, eve)})
        state = world.store.identities(tx.cursor, [ann, bob, eve], with_links=True)
        found = [
            Scored(ann, bob, 9000, vector="v"),
            Scored(ann, eve, 5000),
            Scored(bob, eve, 500, "review", vector="w"),
        ]
        world.tell(tx, *decide(state, (ann, bob, eve), found))
        assert world.store.identities(tx.cursor, [eve], with_links=True) == state
        world.tell(tx, *follow(state, assert_never(state, eve, ann, "checked"), (ann,), found))
        assert world.store.identities(tx.cursor, [eve, ann], with_links=True) == state
        world.tell(tx, *follow(state, assert_same(state, bob, eve, "seen", overrule=True), (bob, eve), found))
        assert world.store.identities(tx.cursor, [eve], with_links=True) == state
        world.tell(tx, *follow(state, withdraw(state, bob, eve, "same", "no"), (bob, eve), found[:1]))
        assert world.store.identities(tx.cursor, [eve, ann], with_links=True) == state
        assert state.links == {(ann, bob)}


def test_assertions_come_with_author_reason_and_expiry_until_they_end(desk: Desk) -> None:
    world = Teller(desk)
    ann, bob, eve = customers(3)
    until = datetime(2027, 1, 1, tzinfo=UTC)
    with world.log.transaction() as tx:
        said = Asserted(a=eve, others=(ann, bob), says="never", reason="twins", expires=until)
        world.tell(tx, said, Asserted(a=ann, others=(bob,), says="same", reason="seen"))
        row = Assertion("never", "ann", "twins", until, 1)
        seen = Assertion("same", "ann", "seen", None, 2)
        assert world.decided.assertions_of(tx.cursor, [eve]) == {(ann, eve): row, (bob, eve): row}
        assert world.decided.all_assertions(tx.cursor, 0, 9) == {(ann, eve): row, (bob, eve): row, (ann, bob): seen}
        assert world.decided.all_assertions(tx.cursor, 1, 9) == {(ann, bob): seen}
        assert world.decided.expired(tx.cursor, until, 9) == [(ann, eve), (bob, eve)]
        assert world.decided.expired(tx.cursor, until - timedelta(seconds=1), 9) == []
        world.tell(tx, AssertionEnded(a=eve, others=(ann,), says="never", because="expired"))
        assert world.decided.assertions(tx.cursor, [ann, bob, eve]) == {(bob, eve): row, (ann, bob): seen}


def test_questions_stay_open_until_they_are_answered_and_go_when_nothing_asks_them(desk: Desk) -> None:
    world = Teller(desk)
    ann, bob, eve = customers(3)
    asked = ReviewOpened(a=ann, b=bob, why="weight", weight=700, model="m.v1", evidence=("name",), vector="v")
    with world.log.transaction() as tx:
        world.store.put_members(tx.cursor, {ann: ann, bob: ann, eve: eve})
        world.tell(tx, asked, asked.model_copy(update={"b": eve}), asked.model_copy(update={"a": bob, "b": eve}))
        world.tell(tx, ReviewClosed(a=ann, b=bob, answer="unsure"), ReviewClosed(a=bob, b=eve, answer="gone"))
        left = Review("weight", 700, "m.v1", ("name",), "v", 2)
        done = Review("weight", 700, "m.v1", ("name",), "v", 1, "unsure", "ann")
        assert world.decided.open_reviews(tx.cursor, 9) == {(ann, eve): left}
        assert world.decided.open_review(tx.cursor, 2) == ((ann, eve), left)
        assert [world.decided.open_review(tx.cursor, position) for position in (1, 3)] == [None, None]
        assert world.decided.open_alike(tx.cursor, "m.v1", "v") == [(ann, eve)]
        assert world.decided.open_alike(tx.cursor, "m.v2", "v") == []
        assert world.decided.answered_reviews(tx.cursor, 9) == {(ann, bob): done}
        assert world.decided.reviews(tx.cursor, [ann, bob, eve]) == {(ann, eve): left, (ann, bob): done}
        assert world.decided.reach(tx.cursor, [ann]) == {ann, eve}
        assert [world.store.asked_with(tx.cursor, [one]) for one in (ann, bob, eve)] == [{bob, eve}, {ann}, {ann}]
        assert world.store.asked_with(tx.cursor, [bob, eve]) == {ann}
        assert world.store.asked_with(tx.cursor, []) == set()
        assert world.decided.reach(tx.cursor, [bob]) == {ann, bob, eve}
        assert world.decided.sizes(tx.cursor, [bob, eve]) == {bob: 2, eve: 1}


def test_requests_stay_open_until_they_are_decided(desk: Desk) -> None:
    world = Teller(desk)
    ann, bob, request = customers(3)
    asked = ApprovalRequested(request_id=request, a=ann, b=bob, says="same", reason="seen", size=30, overrule=True)
    with world.log.transaction() as tx:
        world.tell(tx, asked)
        row = Request(request, ann, bob, "same", "seen", 30, None, True, False, "ann", 1)
        assert world.decided.requests(tx.cursor, 9) == [row]
        assert world.decided.request(tx.cursor, request) == row
        world.tell(tx, ApprovalDecided(request_id=request, approved=False))
        assert world.decided.request(tx.cursor, request) is None
