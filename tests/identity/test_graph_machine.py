"""Links, assertions and evidence that comes and goes, beside a model that knows nothing but sets and a union-find."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from services.identity.domain.assertions import Contradiction, assert_never, assert_same, withdraw
from services.identity.domain.clustering import Band, Scored, cluster
from services.identity.domain.deciding import decide, follow
from services.identity.domain.identities import Banned, Identities, Pair, components, evolve, pair
from shared.errors import Conflict
from shared.events.envelope import Contract
from shared.events.identity import Linked, Separated
from tests.identity.test_domain import alone, customer

EVERYONE = [customer(number) for number in range(1, 9)]
someone = st.sampled_from(EVERYONE)
two = st.tuples(someone, someone).filter(lambda ends: ends[0] != ends[1]).map(lambda ends: pair(*ends))
weights = st.integers(1, 4).map(lambda bits: 1000 * bits)
bands = st.sampled_from(["merge", "merge", "review"])


def guard(left: object, right: object) -> str | None:
    """Somebody who must not stand with anybody of another: the first two customers differ in a code."""
    sides = (set(left), set(right))  # type: ignore[call-overload]
    ends = {EVERYONE[0], EVERYONE[1]}
    return "code" if all(side & ends for side in sides) and ends <= sides[0] | sides[1] else None


class GraphMachine(RuleBasedStateMachine):
    """`scored`, `same` and `never` are the model; `told` is what a reader knows who sees nothing but the moves."""

    def __init__(self) -> None:
        super().__init__()
        self.state = alone(*EVERYONE)
        self.scored: dict[Pair, Scored] = {}
        self.same: set[Pair] = set()
        self.never: set[Pair] = set()
        self.events: list[Contract] = []
        self.told = {member: member for member in EVERYONE}

    def happened(self, events: list[Contract]) -> None:
        self.events += events
        for event in events:
            if isinstance(event, Linked | Separated):
                self.told.update((move.customer, move.identity) for move in event.moves)

    def say(self, said: list[Contract], ends: Pair) -> None:
        self.happened(follow(self.state, said, ends, self.complete(ends), guard=guard, parted=ends, reason="x"))

    def complete(self, about: Pair) -> list[Scored]:
        """All pairs of the component that hangs together, held back or not, by any pair."""
        reach = [*self.scored, *self.state.links, *self.same]
        here = {member for part in components(EVERYONE, reach) if part & set(about) for member in part}
        return [one for ends, one in self.scored.items() if ends[0] in here]

    @rule(ends=two, weight=weights, band=bands)
    def evidence_comes(self, ends: Pair, weight: int, band: Band) -> None:
        self.scored[ends] = Scored(*ends, weight, band, ("rule",), "m.v1", "m.v1", f"{band}{weight}")
        self.happened(decide(self.state, ends, self.complete(ends), guard=guard))

    @rule(ends=two)
    def evidence_goes(self, ends: Pair) -> None:
        before = self.complete(ends)
        if self.scored.pop(ends, None) is not None:
            left = [one for one in before if one.ends != ends]
            self.happened(decide(self.state, {end for one in before for end in one.ends}, left, guard=guard))

    @rule(ends=two, overrule=st.booleans())
    def two_are_the_same(self, ends: Pair, overrule: bool) -> None:
        across = (
            {
                ban
                for ban in self.never
                if {self.state.identity_of[end] for end in ban} == {self.state.identity_of[end] for end in ends}
            }
            if self.state.identity_of[ends[0]] != self.state.identity_of[ends[1]]
            else set()
        )
        try:
            said = assert_same(self.state, *ends, "x", overrule=overrule)
        except Banned:
            assert across
            assert not overrule
            return
        assert overrule or not across
        self.never -= across
        self.same.add(ends)
        self.say(said, ends)

    @rule(ends=two, by_itself=st.booleans())
    def two_are_never_one(self, ends: Pair, by_itself: bool) -> None:
        before = self.state.members[self.state.identity_of[ends[0]]] - {ends[0]}
        shared = ends[1] in before
        try:
            said = assert_never(self.state, *ends, "x", alone=by_itself)
        except Contradiction:
            assert shared
            return
        self.say(said, ends)
        self.same, self.never = set(self.state.same), set(self.state.bans)
        assert ends in self.never
        assert not by_itself or not shared or {pair(ends[0], other) for other in before} <= self.never

    @rule(ends=two, says=st.sampled_from(["same", "never"]))
    def what_was_said_is_withdrawn(self, ends: Pair, says: str) -> None:
        known = self.same if says == "same" else self.never
        try:
            said = withdraw(self.state, *ends, says, "x")  # type: ignore[arg-type]
        except Conflict:
            assert ends not in known
            return
        known.remove(ends)
        self.say(said, ends)

    @invariant()
    def assertions_are_those_of_the_model(self) -> None:
        assert (self.state.same, self.state.bans) == (self.same, self.never)

    @invariant()
    def identities_are_what_pairs_and_assertions_say_and_nothing_of_the_order(self) -> None:
        goal = cluster(EVERYONE, self.scored.values(), same=self.same, never=self.never, guard=guard)
        assert self.state.identity_of == goal.cluster_of
        found = components(EVERYONE, self.state.links)
        assert self.state.members == {min(part): part for part in found}

    @invariant()
    def links_are_a_forest_that_evidence_or_assertions_support_and_bans_are_kept(self) -> None:
        assert len(self.state.links) == len(EVERYONE) - len(self.state.members)
        supported = {ends for ends, one in self.scored.items() if one.band == "merge"} | self.same
        assert self.state.links <= supported
        together = {pair(*two) for members in self.state.members.values() for two in combinations(members, 2)}
        assert not together & self.never

    @invariant()
    def questions_are_open_between_identities_only_and_one_of_two(self) -> None:
        asked = [ends for ends, question in self.state.asked.items() if question.open]
        between = [pair(self.state.identity_of[a], self.state.identity_of[b]) for a, b in asked]
        assert all(a != b for a, b in between)
        assert len(set(between)) == len(between)
        assert set(asked) <= self.scored.keys() - self.never

    @invariant()
    def the_events_alone_tell_the_state_and_the_moves_alone_the_memberships(self) -> None:
        again = alone(*EVERYONE)
        for event in self.events:
            evolve(again, event)
        assert again == self.state
        assert self.told == self.state.identity_of


def test_any_order_of_evidence_and_decisions_leads_to_what_they_say() -> None:
    run_state_machine_as_test(GraphMachine, settings=settings(max_examples=60, stateful_step_count=30, deadline=None))


scores = st.dictionaries(two, st.tuples(weights, bands), max_size=14)


def decided(scored: dict[Pair, tuple[int, Band]], order: list[Pair]) -> Identities:
    """The state after these pairs were found one by one in this order."""
    state, found = alone(*EVERYONE), dict[Pair, Scored]()
    for ends in order:
        found[ends] = Scored(*ends, *scored[ends])
        here = {member for part in components(EVERYONE, found) if set(ends) & part for member in part}
        decide(state, ends, [one for one in found.values() if one.a in here], guard=guard)
    return state


@settings(max_examples=300, deadline=None)
@given(scores, st.randoms(use_true_random=False))
def test_the_same_pairs_in_any_order_give_the_same_identities_and_questions(
    scored: dict[Pair, tuple[int, Band]], random: object
) -> None:
    shuffled = list(scored)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    one, other = decided(scored, list(scored)), decided(scored, shuffled)

    assert one.identity_of == other.identity_of
