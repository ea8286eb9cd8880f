"""What people say of two customers, what contradicts it, and what it comes to."""

from __future__ import annotations

import random
from collections.abc import Collection
from datetime import UTC, datetime
from itertools import combinations

import pytest

from services.identity.domain.assertions import Contradiction, assert_never, assert_same, expire, withdraw
from services.identity.domain.clustering import Scored
from services.identity.domain.deciding import GONE, decide, follow
from services.identity.domain.identities import Banned, Identities, Pair, components, evolve, pair
from shared.errors import Conflict, Invalid, NotFound
from shared.events.envelope import Contract
from shared.events.identity import (
    Asserted,
    AssertionEnded,
    Linked,
    LinkedV1,
    Move,
    ReviewClosed,
    ReviewOpened,
    Separated,
)
from tests.identity.test_domain import A, B, C, D, alone, customer, merge, part

STRONG, WEAK = 12_000, 4_000


def found(*ends: tuple[str, str, int]) -> list[Scored]:
    return [Scored(*pair(a, b), weight, model="m.v1") for a, b, weight in ends]


def matched(*ends: tuple[str, str, int], members: tuple[str, ...] = (A, B, C, D)) -> Identities:
    state = alone(*members)
    decide(state, members, found(*ends))
    return state


def test_a_merge_by_hand_is_an_assertion_and_a_link() -> None:
    state = alone(A, B)

    said, linked = merge(state, B, A)

    assert said == Asserted(a=B, others=(A,), says="same", reason="checked")
    assert isinstance(linked, Linked)
    assert (linked.decided_by, linked.reason, linked.weight) == ("manual", "checked", None)
    assert (state.same, state.members) == ({(A, B)}, {A: {A, B}})


def test_a_merge_of_two_who_are_one_already_is_recorded_and_holds_when_their_evidence_goes() -> None:
    state = matched((A, B, STRONG))

    assert [type(event) for event in merge(state, A, B)] == [Asserted]
    assert decide(state, (A, B), []) == []
    assert merge(state, B, A) == []


def test_an_automatic_link_goes_with_its_evidence() -> None:
    state = matched((A, B, STRONG), (B, C, WEAK))

    (parted,) = decide(state, (A, B, C), found((A, B, STRONG)))

    assert isinstance(parted, Separated)
    assert (parted.decided_by, parted.reason, parted.moves) == ("matching", GONE, (Move(customer=C, identity=C),))


def test_evidence_that_goes_on_one_way_and_is_there_on_another_keeps_them_one() -> None:
    state = matched((A, B, STRONG), (B, C, WEAK))

    decide(state, (A, B, C), found((A, B, STRONG), (A, C, WEAK)))

    assert state.members == {A: {A, B, C}, D: {D}}
    assert state.links == {(A, B), (A, C)}


def test_two_who_are_never_one_part_where_the_evidence_is_weakest() -> None:
    state = matched((A, B, STRONG), (B, C, WEAK), (C, D, STRONG))

    said = assert_never(state, A, D, "twins")
    follow(state, said, (A, D), found((A, B, STRONG), (B, C, WEAK), (C, D, STRONG)), parted=(A, D))

    assert state.members == {A: {A, B}, C: {C, D}}


def test_a_ban_is_inherited_by_whoever_joins_either_side_and_the_pair_that_would_cross_it_is_asked() -> None:
    state = matched((A, B, STRONG))
    part(state, A, B)

    events = decide(state, (A, B, C), found((A, B, STRONG), (B, C, WEAK), (A, C, STRONG)))

    assert state.members == {A: {A, C}, B: {B}, D: {D}}
    assert [(event.a, event.b, event.why) for event in events if isinstance(event, ReviewOpened)] == [(B, C, "never")]


def test_a_merge_across_a_ban_is_refused_with_the_path_to_it() -> None:
    state = alone(A, B, C, D)
    merge(state, A, B)
    merge(state, C, D)
    follow(state, assert_never(state, B, C, "twins"), (B, C))

    with pytest.raises(Banned, match=f"{A} and {B} are one, customers {B} and {C} .* {C} and {D} are one"):
        assert_same(state, A, D, "seen")
    over = follow(state, assert_same(state, A, D, "seen", overrule=True), (A, D), reason="seen")

    assert over[0] == AssertionEnded(a=B, others=(C,), says="never", because="overruled")
    assert state.members == {A: {A, B, C, D}}


def test_never_between_two_who_are_the_same_by_a_chain_is_refused_with_the_chain() -> None:
    state = alone(A, B, C)
    merge(state, A, B)
    merge(state, B, C)

    with pytest.raises(Contradiction, match=f"{A} and {B} and {C} are the same by decision"):
        assert_never(state, A, C, "twins")
    assert state.members == {A: {A, B, C}}


def test_never_undoes_the_merge_of_the_same_two() -> None:
    state = alone(A, B)
    merge(state, A, B)

    events = follow(state, assert_never(state, B, A, "twins"), (A, B), parted=(A, B), reason="twins")

    assert [type(event) for event in events] == [AssertionEnded, Asserted, Separated]
    assert (state.same, state.bans) == (set(), {(A, B)})


def test_never_between_others_of_two_sides_undoes_the_merge_by_hand_between_them() -> None:
    state = matched((A, B, STRONG), (C, D, WEAK))
    merge(state, B, C)

    follow(state, assert_never(state, A, D, "no"), (A, D), found((A, B, STRONG), (C, D, WEAK)), parted=(A, D))

    assert state.members == {A: {A, B}, C: {C, D}}
    assert state.bans == {(A, D), (B, C)}


def test_what_is_withdrawn_or_over_holds_no_longer() -> None:
    state = matched((A, B, STRONG))
    part(state, A, B)

    follow(state, withdraw(state, A, B, "never", "seen"), (A, B), found((A, B, STRONG)))
    assert state.members[A] == {A, B}
    merge(state, A, B)
    (ended, *_) = follow(state, expire(state, A, B), (A, B), [])

    assert ended == AssertionEnded(a=A, others=(B,), says="same", because="expired")
    assert state.members[A] == {A}
    assert expire(state, A, B) == []


def test_nothing_is_withdrawn_that_nobody_said() -> None:
    with pytest.raises(Conflict, match="nobody says same"):
        withdraw(alone(A, B), A, B, "same", "x")


def test_customers_that_are_unknown_or_the_same_are_refused() -> None:
    with pytest.raises(NotFound):
        assert_never(alone(A), A, B, "x")
    with pytest.raises(Invalid):
        assert_never(alone(A), A, A, "x")


def test_expiry_is_told_with_the_assertion() -> None:
    until = datetime(2027, 1, 1, tzinfo=UTC)

    (said,) = assert_never(alone(A, B), A, B, "x", expires=until)

    assert said == Asserted(a=A, others=(B,), says="never", reason="x", expires=until)


def test_a_weak_pair_is_asked_once_answered_and_asked_again_only_when_it_looks_different() -> None:
    state = alone(A, B)
    weak = Scored(A, B, 500, "review", vector="v1")

    (opened,) = decide(state, (A, B), [weak])
    assert decide(state, (A, B), [weak]) == []
    follow(state, [ReviewClosed(a=A, b=B, answer="unsure")], (A, B), [weak])
    assert decide(state, (A, B), [weak]) == []
    (again,) = decide(state, (A, B), [Scored(A, B, 600, "review", vector="v2")])
    (closed,) = decide(state, (A, B), [])

    assert isinstance(opened, ReviewOpened)
    assert isinstance(again, ReviewOpened)
    assert closed == ReviewClosed(a=A, b=B, answer="gone")


def test_a_crowd_with_many_questions_is_decided_on_without_looking_at_each_for_each_other() -> None:
    looks: list[Pair] = []

    class Watched(Scored):
        @property
        def ends(self) -> Pair:
            looks.append((self.a, self.b))
            return pair(self.a, self.b)

    crowd = [customer(number) for number in range(1, 31)]
    weak = [Watched(a, b, 400, "review", vector="v") for a, b in combinations(crowd, 2)]
    state = alone(*crowd)
    decide(state, crowd, weak)
    looks.clear()

    follow(state, assert_never(state, crowd[0], crowd[1], "x"), crowd, weak)

    assert sum(question.open for question in state.asked.values()) == len(weak) - 1
    assert len(looks) < 20 * len(weak)


def test_a_guard_holds_a_merge_back_and_asks() -> None:
    state = alone(A, B)

    (opened,) = decide(state, (A, B), found((A, B, STRONG)), guard=lambda _, __: "code")

    assert isinstance(opened, ReviewOpened)
    assert (opened.why, opened.weight, state.members) == ("code", STRONG, {A: {A}, B: {B}})


@pytest.mark.parametrize(("against", "together"), [("bridge", {A, B, C}), ("code", {A, C})])
def test_what_a_person_says_of_two_takes_nobody_away_but_for_what_no_one_can_have_twice(
    against: str, together: set[str]
) -> None:
    def guard(left: Collection[str], right: Collection[str]) -> str | None:
        return against if {B, C} <= {*left, *right} else None

    state = matched((A, B, STRONG))
    follow(state, assert_same(state, A, C, "same passport"), (A, C), found((A, B, STRONG)), guard=guard)

    assert state.members[A] == together


def test_an_older_manual_link_was_an_assertion_and_an_older_separation_kept_everybody_apart() -> None:
    state = alone(A, B, C)
    evolve(state, Linked(a=A, b=B, evidence=(), decided_by="manual", moves=(Move(customer=B, identity=A),)))
    evolve(state, Linked(a=B, b=C, evidence=("x",), decided_by="r", moves=(Move(customer=C, identity=A),)))
    assert (state.same, state.strengths) == ({(A, B)}, {(B, C): 0})

    evolve(state, Separated(a=B, b=A, reason="x", moves=(Move(customer=B, identity=B), Move(customer=C, identity=C))))

    assert (state.same, state.links, state.bans) == (set(), set(), {(A, B), (B, C)})
    assert issubclass(Linked, LinkedV1)


class Side:
    """A history of edits on some customers: pairs that are found, lost, and said of them, decided one by one."""

    def __init__(self, members: list[str]) -> None:
        self.members = members
        self.scored: dict[Pair, Scored] = {}

    def edit(self, chance: random.Random) -> tuple[str, Pair]:
        ends = pair(*chance.sample(self.members, 2))
        if chance.random() < 0.3 and self.scored:
            ends = chance.choice(sorted(self.scored))
            return "lost", ends
        return chance.choice(["found", "found", "same", "never"]), ends


def apply(state: Identities, scored: dict[Pair, Scored], what: str, ends: Pair, weight: int) -> None:
    if what == "lost":
        scored.pop(ends, None)
        decide(state, ends, list(scored.values()))
    elif what == "found":
        scored[ends] = Scored(*ends, weight)
        decide(state, ends, list(scored.values()))
    else:
        say = assert_same if what == "same" else assert_never
        try:
            said: list[Contract] = say(state, *ends, "x")
        except (Banned, Contradiction):
            return
        follow(state, said, ends, list(scored.values()))


LEFT, RIGHT = [customer(n) for n in (1, 3, 5, 7)], [customer(n) for n in (2, 4, 6, 8)]


def history(seed: int) -> None:
    """Two sides that change, are merged by hand, change on, and are parted: each as if there had been no merge."""
    chance = random.Random(seed)
    merged, apart = alone(*LEFT, *RIGHT), alone(*LEFT, *RIGHT)
    mine: dict[Pair, Scored] = {}
    theirs: dict[Pair, Scored] = {}
    sides = [Side(LEFT), Side(RIGHT)]

    def edits(count: int) -> None:
        for _ in range(count):
            what, ends = chance.choice(sides).edit(chance)
            weight = chance.randint(1, 9) * 1000
            before = set(merged.same), set(merged.bans)
            apply(merged, mine, what, ends, weight)
            apply(apart, theirs, what, ends, weight)
            # What the merge itself forbids to say on one side is not said on the other either.
            if (set(merged.same), set(merged.bans)) == before and what in {"same", "never"}:
                apart.same, apart.bans = set(merged.same) - {seam}, set(merged.bans)
                decide(apart, [*LEFT, *RIGHT], list(theirs.values()))

    seam = pair(chance.choice(LEFT), chance.choice(RIGHT))
    edits(chance.randint(0, 6))
    follow(merged, assert_same(merged, *seam, "one"), seam, list(mine.values()))
    edits(chance.randint(0, 8))
    follow(merged, assert_never(merged, *seam, "two"), seam, list(mine.values()), parted=seam)

    assert merged.identity_of == apart.identity_of, seed
    assert components(merged.identity_of, merged.links) == components(apart.identity_of, apart.links)
    assert merged.bans == apart.bans | {seam}
    assert merged.same == apart.same


def test_a_merge_that_is_undone_after_any_edits_leaves_each_side_as_if_it_had_never_been() -> None:
    for seed in range(300):
        history(seed)


@pytest.mark.slow
def test_the_same_holds_for_ten_thousand_histories() -> None:
    for seed in range(300, 10_300):
        history(seed)
