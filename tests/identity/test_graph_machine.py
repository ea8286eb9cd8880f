"""Links, separations and bans in any order, beside a model that knows nothing but edges and a union-find."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from services.identity.domain import Banned, Pair, evolve, link, pair, separate
from shared.errors import Conflict
from shared.events.identity import Linked, Separated
from tests.identity.test_domain import alone, customer, edges, join, part

EVERYONE = [customer(number) for number in range(1, 9)]
someone = st.sampled_from(EVERYONE)


class UnionFind:
    """Roots by path halving; the smaller id is the root."""

    def __init__(self, edges: set[Pair]) -> None:
        self._parent = {member: member for member in EVERYONE}
        for a, b in edges:
            low, high = sorted((self.root(a), self.root(b)))
            self._parent[high] = low

    def root(self, member: str) -> str:
        while self._parent[member] != member:
            self._parent[member] = self._parent[self._parent[member]]
            member = self._parent[member]
        return member


class GraphMachine(RuleBasedStateMachine):
    """`edges` and `bans` are the model; `told` is what a reader knows who sees nothing but the moves."""

    def __init__(self) -> None:
        super().__init__()
        self.state = alone(*EVERYONE)
        self.edges: set[Pair] = set()
        self.bans: set[Pair] = set()
        self.events: list[Linked | Separated] = []
        self.told = {member: member for member in EVERYONE}

    def sides(self, a: str, b: str) -> tuple[list[str], list[str]]:
        found = UnionFind(self.edges)
        ours, theirs = ([m for m in EVERYONE if found.root(m) == found.root(side)] for side in (a, b))
        return ours, theirs

    def happens(self, *events: Linked | Separated) -> None:
        for event in events:
            evolve(self.state, event)
            self.told.update((move.customer, move.identity) for move in event.moves)
            self.events.append(event)

    @rule(a=someone, b=someone, lift=st.booleans())
    def two_are_linked(self, a: str, b: str, lift: bool) -> None:
        if a == b:
            return
        ours, theirs = self.sides(a, b)
        kept_apart = {pair(one, other) for one in ours for other in theirs} & self.bans
        try:
            made = link(self.state, a, b, evidence=(), decided_by="manual", lift_ban=lift)
        except Banned:
            assert kept_apart
            assert not lift
            return
        assert len(made) == (ours != theirs)
        self.happens(*made)
        if made:
            assert lift or not kept_apart
            self.edges.add(pair(a, b))
            self.bans -= kept_apart

    @rule(a=someone, b=someone)
    def one_is_separated(self, a: str, b: str) -> None:
        ours, theirs = self.sides(a, b)
        try:
            made = separate(self.state, a, b, "checked")
        except Conflict:
            assert a == b or ours != theirs
            return
        assert ours == theirs
        self.happens(*made)
        self.edges = {edge for edge in self.edges if a not in edge}
        self.bans |= {pair(a, other) for other in ours if other != a}

    @invariant()
    def identities_are_what_a_union_find_finds(self) -> None:
        found = UnionFind(self.edges)
        assert self.state.identity_of == {member: found.root(member) for member in EVERYONE}
        assert self.state.members == {
            root: {member for member in EVERYONE if found.root(member) == root}
            for root in {found.root(member) for member in EVERYONE}
        }

    @invariant()
    def links_are_a_forest_and_bans_are_kept(self) -> None:
        assert (self.state.links, self.state.bans) == (self.edges, self.bans)
        assert len(self.state.links) == len(EVERYONE) - len(self.state.members)
        together = {pair(*two) for members in self.state.members.values() for two in combinations(members, 2)}
        assert not together & self.state.bans

    @invariant()
    def the_events_alone_tell_the_state_and_the_moves_alone_the_memberships(self) -> None:
        again = alone(*EVERYONE)
        for event in self.events:
            evolve(again, event)
        assert again == self.state
        assert self.told == self.state.identity_of


def test_any_order_of_decisions_keeps_identities_a_forest_named_after_its_oldest() -> None:
    run_state_machine_as_test(GraphMachine, settings=settings(max_examples=80, stateful_step_count=40, deadline=None))


@settings(max_examples=100, deadline=None)
@given(before=edges, after=edges, chosen=someone)
def test_a_merge_that_is_undone_after_any_other_links_leaves_both_sides_as_if_it_had_never_been(
    before: list[Pair], after: list[Pair], chosen: str
) -> None:
    guest = customer(9)
    visited, untouched = alone(*EVERYONE, guest), alone(*EVERYONE, guest)
    join(visited, *before, (guest, chosen), *after)
    join(untouched, *before, *after)

    part(visited, guest, chosen)

    assert visited.identity_of == untouched.identity_of
    assert (visited.members, visited.links) == (untouched.members, untouched.links)
