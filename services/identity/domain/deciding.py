"""From what is found of a component to the events that bring its identities there. Pure.

The goal is `clustering.cluster`: a function of the pairs and assertions alone. The events are the way from what is.
Links that are still supported stay, so nothing moves without need; an automatic link whose pair is found no more is
taken away; where a person has to look, a question is opened, and closed again once nothing asks it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, combinations

from services.identity.domain.clustering import Clusters, Guard, Held, Scored, cluster, nothing_against, strongest_first
from services.identity.domain.identities import MANUAL, Identities, Pair, components, evolve, link, pair
from shared.events import identity as events
from shared.events.envelope import Contract

GONE = "what linked them is found no more"
WEIGHT = "weight"
"""Why a question is open: the evidence is too weak to merge and too strong to forget."""


def standing(state: Identities, customers: Collection[str]) -> list[Scored]:
    """The automatic links among these customers as pairs that are found still.

    For customers about whom nothing can be found any more (erased, restricted), and where a person decides and no
    evidence changed.
    """
    return [
        Scored(a, b, state.strengths[a, b], standing=True)
        for a, b in sorted(state.strengths)
        if a in customers and b in customers
    ]


def still_asked(state: Identities, customers: Collection[str]) -> list[Scored]:
    """The questions among these customers as pairs that people still have to look at."""
    return [
        Scored(a, b, 0, "review", vector=question.vector)
        for (a, b), question in sorted(state.asked.items())
        if a in customers and b in customers
    ]


def decide(
    state: Identities,
    about: Iterable[str],
    scored: Sequence[Scored],
    *,
    guard: Guard = nothing_against,
    parted: Pair | None = None,
    reason: str | None = None,
) -> list[Contract]:
    """The events after which the identities of these customers are what pairs, assertions and guard say.

    Evolves `state`. `scored` must hold every pair in the merge or review band among all members of the identities of
    `about`, and of the identities that any of these pairs leads to: an automatic link that is not among them is taken
    away. The `reason` of a person, where one is behind it, stands at manual links and where the two of `parted` part.
    None if everything is so already. Raises NotFound for a customer that was never admitted.
    """
    customers = _scope(state, about, scored)
    goal = cluster(customers, scored, same=state.same, never=state.bans, guard=guard)
    made: list[Contract] = []
    for event in chain(_memberships(state, customers, goal, scored, (parted, reason)), _asked(state, goal, scored)):
        evolve(state, event)
        made.append(event)
    return made


def follow(
    state: Identities,
    said: Sequence[Contract],
    about: Iterable[str],
    scored: Sequence[Scored] | None = None,
    *,
    guard: Guard = nothing_against,
    parted: Pair | None = None,
    reason: str | None = None,
) -> list[Contract]:
    """What was said, and what `decide` makes of it; with no pairs given, the links that stand are those found.

    Evolves `state`. None if nothing was said.
    """
    if not said:
        return []
    for event in said:
        evolve(state, event)
    touched = list(about)
    found = standing(state, _scope(state, touched, ())) if scored is None else scored
    return [*said, *decide(state, touched, found, guard=guard, parted=parted, reason=reason)]


def _scope(state: Identities, about: Iterable[str], scored: Iterable[Scored]) -> set[str]:
    ends = {end for one in scored for end in one.ends} | set(about)
    return set().union(*(state.family(customer) for customer in ends))


def _memberships(
    state: Identities,
    customers: Collection[str],
    goal: Clusters,
    scored: Sequence[Scored],
    by_hand: tuple[Pair | None, str | None],
) -> Iterator[Contract]:
    """Lazily: what each event says rests on the state after the one before."""
    found = {one.ends for one in scored if one.band == "merge"} | state.same
    here = _links_among(state, customers)
    stale = {(a, b) for a, b in here if (a, b) not in found or goal.cluster_of[a] != goal.cluster_of[b]}
    for identity in sorted({state.identity_of[a] for a, _ in stale}):
        yield _parting(state, identity, {ends for ends in stale if ends[0] in state.members[identity]}, *by_hand)
    for (a, b), candidate in goal.accepted:
        if candidate is None:
            yield from link(state, a, b, evidence=(), decided_by=MANUAL, reason=by_hand[1])
        else:
            yield from link(
                state,
                candidate.a,
                candidate.b,
                evidence=candidate.evidence,
                decided_by=candidate.decided_by,
                weight=candidate.weight,
                model=candidate.model,
            )


def _links_among(state: Identities, customers: Collection[str]) -> set[Pair]:
    """The links of these customers, looked up where they are few beside all that is known."""
    if len(customers) ** 2 < len(state.links):
        return {ends for ends in combinations(sorted(customers), 2) if ends in state.links}
    return {ends for ends in state.links if ends[0] in customers}


def _parting(
    state: Identities, identity: str, stale: Collection[Pair], parted: Pair | None, reason: str | None
) -> events.Separated:
    members = state.members[identity]
    parts = components(members, state.links - set(stale))
    moves = tuple(
        events.Move(customer=member, identity=min(part))
        for part in parts
        for member in sorted(part)
        if min(part) != identity
    )
    by_hand = parted is not None and members.issuperset(parted)
    a, b = parted if by_hand and parted is not None else min(stale)
    return events.Separated(
        a=a,
        b=b,
        reason=reason if by_hand and reason else GONE,
        moves=moves,
        decided_by=MANUAL if by_hand else "matching",
        links=tuple(events.Ends(a=one, b=other) for one, other in sorted(stale)),
    )


def _asked(state: Identities, goal: Clusters, scored: Iterable[Scored]) -> Iterator[Contract]:
    """At most one question is open between two clusters: the one that is asked already, else the heaviest pair."""
    wanted: dict[Pair, list[Held]] = {}
    for held in _doubts(state, goal, scored):
        clusters = pair(goal.cluster_of[held.scored.a], goal.cluster_of[held.scored.b])
        wanted.setdefault(clusters, []).append(held)
    chosen = {held.scored.ends: held for held in (_chosen(state.asked, doubts) for doubts in wanted.values())}
    for a, b in sorted(ends for ends in state.asked if ends[0] in goal.cluster_of and ends[1] in goal.cluster_of):
        if state.asked[a, b].open and (a, b) not in chosen:
            yield events.ReviewClosed(a=a, b=b, answer="gone")
    for (a, b), held in sorted(chosen.items(), key=lambda each: each[0]):
        one = held.scored
        if not (known := state.asked.get((a, b))) or known.vector != one.vector:
            yield events.ReviewOpened(
                a=a,
                b=b,
                why=held.why,
                weight=one.weight,
                model=one.model or one.decided_by,
                evidence=one.evidence,
                vector=one.vector,
            )


def _doubts(state: Identities, goal: Clusters, scored: Iterable[Scored]) -> list[Held]:
    """Every pair that a person might have to look at, the heaviest first; none of which somebody said something."""
    weak = [Held(one, WEIGHT) for one in strongest_first(scored, "review")]
    return [
        held
        for held in (*goal.held, *weak)
        if goal.cluster_of.get(held.scored.a) != goal.cluster_of.get(held.scored.b)
        and held.scored.ends not in state.bans
        and not held.scored.standing
    ]


def _chosen(asked: Mapping[Pair, object], doubts: Sequence[Held]) -> Held:
    """The doubt to ask about: one that is asked already or was answered with "unsure", if there is one."""
    known = [held for held in doubts if held.scored.ends in asked]
    return known[0] if known else doubts[0]
