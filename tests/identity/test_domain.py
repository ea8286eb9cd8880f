"""Links, identities and bans: given what is, when somebody decides, then these events."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.domain.assertions import assert_never, assert_same
from services.identity.domain.deciding import follow
from services.identity.domain.identities import Banned, Identities, components, evolve, link, pair
from shared.errors import Invalid, NotFound
from shared.events.customer import CustomerArchived
from shared.events.envelope import Contract
from shared.events.identity import Ends, Linked, Move, Separated


def customer(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012d}"


A, B, C, D = (customer(number) for number in range(1, 5))
customers = st.integers(1, 8).map(customer)
edges = st.lists(st.tuples(customers, customers).filter(lambda edge: edge[0] != edge[1]), max_size=15)


def alone(*members: str) -> Identities:
    state = Identities()
    for member in members:
        state.admit(member)
    return state


def join(state: Identities, *pairs: tuple[str, str]) -> list[Linked]:
    made = []
    for a, b in pairs:
        for event in link(state, a, b, evidence=("identifier",), decided_by="match.exact.v1"):
            evolve(state, event)
            made.append(event)
    return made


def merge(state: Identities, a: str, b: str) -> list[Contract]:
    """By hand, as the service does."""
    return follow(state, assert_same(state, a, b, "checked"), (a, b), reason="checked")


def part(state: Identities, a: str, b: str, *, alone: bool = False) -> list[Separated]:
    """By hand, as the service does."""
    said = assert_never(state, a, b, "checked", alone=alone)
    events = follow(state, said, (a, b), parted=pair(a, b), reason="checked")
    return [event for event in events if isinstance(event, Separated)]


def partition(state: Identities) -> set[frozenset[str]]:
    return {frozenset(members) for members in state.members.values()}


def test_linking_two_customers_moves_the_younger_to_the_older() -> None:
    state = alone(A, B)

    (linked,) = join(state, (B, A))

    assert linked.moves == (Move(customer=B, identity=A),)
    assert (linked.a, linked.b, linked.evidence) == (B, A, ("identifier",))
    assert state.members == {A: {A, B}}


def test_linking_two_identities_moves_every_member_of_one() -> None:
    state = alone(A, B, C, D)
    join(state, (A, B), (C, D))

    (linked,) = join(state, (B, D))

    assert linked.moves == (Move(customer=C, identity=A), Move(customer=D, identity=A))


def test_linking_customers_that_are_one_already_changes_nothing() -> None:
    state = alone(A, B, C)
    join(state, (A, B), (B, C))

    assert join(state, (A, B), (A, C)) == []


def test_a_customer_is_not_linked_with_itself() -> None:
    with pytest.raises(Invalid):
        link(alone(A), A, A, evidence=(), decided_by="manual")


def test_an_unknown_customer_is_not_linked() -> None:
    with pytest.raises(NotFound):
        link(alone(A), A, B, evidence=(), decided_by="manual")


def test_separating_takes_a_customer_out_and_leaves_the_others() -> None:
    state = alone(A, B, C)
    join(state, (A, B), (A, C))

    (separated,) = part(state, C, A)

    assert separated.moves == (Move(customer=C, identity=C),)
    assert (separated.decided_by, separated.reason, separated.links) == ("manual", "checked", (Ends(a=A, b=C),))
    assert state.members == {A: {A, B}, C: {C}}


def test_separating_the_oldest_gives_the_others_a_new_oldest() -> None:
    state = alone(A, B, C)
    join(state, (A, B), (B, C))

    (separated,) = part(state, A, B)

    assert separated.moves == (Move(customer=B, identity=B), Move(customer=C, identity=B))
    assert state.members == {A: {A}, B: {B, C}}


def test_a_customer_that_leaves_alone_leaves_everybody() -> None:
    state = alone(A, B, C)
    join(state, (A, C), (B, C))

    (separated,) = part(state, C, A, alone=True)

    assert separated.moves == (Move(customer=B, identity=B), Move(customer=C, identity=C))
    assert state.bans == {pair(A, C), pair(B, C)}


def test_separated_customers_are_not_linked_again_by_a_rule() -> None:
    state = alone(A, B, C)
    join(state, (A, B), (B, C))
    part(state, C, B)

    with pytest.raises(Banned, match=f"and {C} were separated"):
        link(state, C, B, evidence=(), decided_by="match.exact.v1")


def test_a_ban_holds_against_everybody_who_joins_either_side() -> None:
    state = alone(A, B, C, D)
    join(state, (A, B))
    part(state, B, A)
    join(state, (B, C), (A, D))

    with pytest.raises(Banned):
        link(state, C, D, evidence=(), decided_by="match.exact.v1")


def test_lifting_the_ban_links_and_ends_it() -> None:
    state = alone(A, B)
    join(state, (A, B))
    part(state, B, A)

    (linked,) = link(state, B, A, evidence=(), decided_by="manual", lift_ban=True)
    evolve(state, linked)

    assert state.members == {A: {A, B}}
    assert state.bans == set()


def test_other_events_change_nothing() -> None:
    state = alone(A)

    evolve(state, CustomerArchived(reason="moved"))

    assert state == alone(A)


@given(edges, st.randoms(use_true_random=False))
def test_the_order_of_evidence_does_not_matter(found: list[tuple[str, str]], random: object) -> None:
    everyone = [customer(number) for number in range(1, 9)]
    first, second = alone(*everyone), alone(*everyone)
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    join(first, *found)
    join(second, *((b, a) for a, b in shuffled))

    assert first.identity_of == second.identity_of


@given(edges)
def test_an_identity_is_a_connected_component_named_after_its_oldest(found: list[tuple[str, str]]) -> None:
    everyone = [customer(number) for number in range(1, 9)]
    state = alone(*everyone)

    made = join(state, *found)

    assert partition(state) == {frozenset(members) for members in components(everyone, found)}
    assert partition(state) == {frozenset(members) for members in components(everyone, state.links)}
    assert all(identity == min(members) for identity, members in state.members.items())
    assert len(state.links) == len(made) == len(everyone) - len(state.members)


@given(edges)
def test_moves_alone_tell_every_membership(found: list[tuple[str, str]]) -> None:
    everyone = [customer(number) for number in range(1, 9)]
    state = alone(*everyone)
    told = {member: member for member in everyone}
    events: list[Linked | Separated] = list(join(state, *found))
    for a, b in itertools.combinations(everyone, 2):
        if state.identity_of[a] == state.identity_of[b]:
            events.extend(part(state, b, a))
            break

    for event in events:
        told.update((move.customer, move.identity) for move in event.moves)

    assert told == state.identity_of
    assert all(identity == min(members) for identity, members in state.members.items())


@given(edges, st.integers(0, 7))
def test_separating_a_newcomer_restores_what_was(found: list[tuple[str, str]], chosen: int) -> None:
    everyone = [customer(number) for number in range(1, 9)]
    newcomer = customer(9)
    state, untouched = alone(*everyone), alone(*everyone, newcomer)
    join(state, *found)
    join(untouched, *found)
    state.admit(newcomer)
    join(state, (newcomer, everyone[chosen]))

    part(state, newcomer, everyone[chosen])

    assert state.identity_of == untouched.identity_of
    assert state.bans == {pair(newcomer, everyone[chosen])}
