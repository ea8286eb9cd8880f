"""Which customers are one: links between customers, the identities they make, and what people assert of them. Pure.

An identity is a connected component of live links; its id is the smallest customer id in it, which is the oldest
because customer ids are ordered by time. Nothing is copied or moved when identities join, so a separation is exact.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from shared.errors import Conflict, FieldError, Invalid, NotFound
from shared.events import identity as events
from shared.events.envelope import Contract

MANUAL = "manual"
"""What a person decided, where a link or a separation says who decided it."""

Pair = tuple[str, str]
"""Two customers, the older one first."""


def pair(a: str, b: str) -> Pair:
    return (a, b) if a < b else (b, a)


class Banned(Conflict):
    """An assertion keeps two members apart. Fate: an automatic link is left out; a person lifts the ban or leaves it.

    The detail shows the path from one side to the other on which the ban lies.
    """

    code = "banned"
    title = "Kept apart"


@dataclass(slots=True)
class Identities:
    """The memberships, links, assertions and questions that one decision or one batch needs. Changed by `evolve` alone.

    It must hold all members of every identity involved. `links` and `same` are only needed where somebody decides on a
    whole component. `bans` are the pairs of which "never" is asserted, `same` those of "same". `strengths` are the
    weights of the links that a model or rule made, in thousandths of a bit, 0 where none was told. `asked` are the open
    questions and the ones that were left undecided, with their vectors.
    """

    identity_of: dict[str, str] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    links: set[Pair] = field(default_factory=set)
    bans: set[Pair] = field(default_factory=set)
    same: set[Pair] = field(default_factory=set)
    strengths: dict[Pair, int] = field(default_factory=dict)
    asked: dict[Pair, Question] = field(default_factory=dict)

    @classmethod
    def of(
        cls, memberships: Iterable[tuple[str, str]], links: Iterable[Pair] = (), bans: Iterable[Pair] = ()
    ) -> Identities:
        """From (customer, identity) rows, links and bans."""
        found = cls(links=set(links), bans=set(bans))
        for customer, identity in memberships:
            found._put(customer, identity)
        return found

    def copy(self) -> Identities:
        """The state as it is now, untouched by what follows."""
        return Identities(
            dict(self.identity_of),
            {i: set(m) for i, m in self.members.items()},
            set(self.links),
            set(self.bans),
            set(self.same),
            dict(self.strengths),
            dict(self.asked),
        )

    def admit(self, customer: str) -> None:
        """A new customer is an identity of its own."""
        if customer not in self.identity_of:
            self._put(customer, customer)

    def identity(self, customer: str) -> str:
        """Raises NotFound for a customer that was never numbered."""
        try:
            return self.identity_of[customer]
        except KeyError:
            raise NotFound(f"customer {customer} is not known here (yet); check the id or try again later") from None

    def family(self, customer: str) -> set[str]:
        """All members of the customer's identity. Raises NotFound."""
        return self.members[self.identity(customer)]

    def banned(self, left: Collection[str], right: Collection[str]) -> Pair | None:
        """A ban between one of these and one of those, the first in the order of ids."""
        return min(across(self.bans, left, right), default=None)

    def _put(self, customer: str, identity: str) -> None:
        before = self.identity_of.get(customer)
        if before is not None:
            self.members[before].discard(customer)
            if not self.members[before]:
                del self.members[before]
        self.identity_of[customer] = identity
        self.members.setdefault(identity, set()).add(customer)


@dataclass(frozen=True, slots=True)
class Question:
    """Whether two customers are one, as it was put to people; `open` until somebody answered."""

    vector: str | None
    open: bool = True


def across(pairs: Collection[Pair], left: Collection[str], right: Collection[str]) -> list[Pair]:
    """Those of the pairs that have one end here and the other there."""
    if not pairs:
        return []
    if len(left) * len(right) < len(pairs):
        return [found for a in left for b in right if (found := pair(a, b)) in pairs]
    return [(a, b) for a, b in pairs if (a in left and b in right) or (b in left and a in right)]


def link(
    state: Identities,
    a: str,
    b: str,
    *,
    evidence: tuple[str, ...],
    decided_by: str,
    reason: str | None = None,
    lift_ban: bool = False,
    weight: int | None = None,
    model: str | None = None,
) -> list[events.Linked]:
    """The event that makes a and b one; none if they are one already. Raises Banned, NotFound or Invalid.

    `lift_ban` links in spite of bans between the two sides, and thereby ends these bans.
    """
    check_two(a, b)
    ours, theirs = state.identity(a), state.identity(b)
    if ours == theirs:
        return []
    if not lift_ban and state.banned(state.members[ours], state.members[theirs]) is not None:
        raise Banned(f"{told(ban_between(state, a, b))}; lift that ban to link {a} and {b}")
    target, joining = min(ours, theirs), max(ours, theirs)
    moves = tuple(events.Move(customer=member, identity=target) for member in sorted(state.members[joining]))
    return [
        events.Linked(
            a=a,
            b=b,
            evidence=evidence,
            decided_by=decided_by,
            moves=moves,
            reason=reason,
            weight=weight,
            model=model,
        )
    ]


def check_two(a: str, b: str) -> None:
    """Raises Invalid for a customer and itself."""
    if a == b:
        wrong: FieldError = {"field": "b", "message": "must differ from a"}
        raise Invalid("a customer cannot be linked with itself", errors=[wrong])


def ban_between(state: Identities, a: str, b: str) -> tuple[Sequence[str], Pair, Sequence[str]]:
    """The way from a to the ban that keeps the identities of a and b apart, the ban, and the way on to b.

    The ban's ends stand in that order. There has to be one.
    """
    left = state.family(a)
    one, other = state.banned(left, state.family(b)) or (a, b)
    if one not in left:
        one, other = other, one
    return path(state.links, a, one), (one, other), path(state.links, other, b)


def told(way: tuple[Sequence[str], Pair, Sequence[str]]) -> str:
    """The path in words."""
    before, (one, other), after = way
    said = [f"customers {' and '.join(pair(one, other))} were separated by decision"]
    if len(before) > 1:
        said.insert(0, f"{' and '.join(before)} are one")
    if len(after) > 1:
        said.append(f"{' and '.join(after)} are one")
    return ", ".join(said)


def path(links: Iterable[Pair], a: str, b: str) -> list[str]:
    """The customers on a shortest way of links from a to b, both included; only the two ends if there is none."""
    neighbours = _neighbours(links)
    before: dict[str, str] = {a: a}
    waiting = [a]
    for here in waiting:
        for there in sorted(neighbours.get(here, ())):
            if there not in before:
                before[there] = here
                waiting.append(there)
    if b not in before:
        return [a, b]
    way = [b]
    while way[-1] != a:
        way.append(before[way[-1]])
    return way[::-1]


def connected(links: Iterable[Pair], a: str, b: str) -> bool:
    """Whether links lead from a to b."""
    return any(a in part and b in part for part in components({a, b, *(end for link in links for end in link)}, links))


def components(customers: Collection[str], links: Iterable[Pair]) -> list[set[str]]:
    """The connected components of these customers, in the order of their oldest members."""
    neighbours = _neighbours((a, b) for a, b in links if a in customers and b in customers)
    found, seen = [], set[str]()
    for start in sorted(customers):
        if start in seen:
            continue
        part, waiting = {start}, [start]
        while waiting:
            fresh = neighbours.get(waiting.pop(), set()) - part
            part |= fresh
            waiting.extend(fresh)
        seen |= part
        found.append(part)
    return found


def _neighbours(links: Iterable[Pair]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for a, b in links:
        found.setdefault(a, set()).add(b)
        found.setdefault(b, set()).add(a)
    return found


def evolve(state: Identities, event: Contract) -> None:
    """Brings everything up to one more event. Never fails.

    What an older build told by one event holds as well: a manual link was an assertion and ended the bans it crossed, a
    separation without its links took all of its customer's and kept it apart from everybody it left.
    """
    match event:
        case events.Linked():
            _linked(state, event)
        case events.Separated():
            _separated(state, event)
        case events.Asserted():
            pairs = {pair(event.a, other) for other in event.others}
            holds, ends = (state.same, state.bans) if event.says == "same" else (state.bans, state.same)
            holds |= pairs
            ends -= pairs
        case events.AssertionEnded():
            ended = state.same if event.says == "same" else state.bans
            ended -= {pair(event.a, other) for other in event.others}
        case events.ReviewOpened():
            state.asked[pair(event.a, event.b)] = Question(event.vector)
        case events.ReviewClosed():
            _closed(state, event)
        case _:
            pass


def _linked(state: Identities, event: events.Linked) -> None:
    linked = pair(event.a, event.b)
    state.links.add(linked)
    if event.decided_by == MANUAL:
        state.same.add(linked)
    else:
        state.strengths[linked] = event.weight or 0
    if state.bans:
        one = state.members[state.identity_of[event.a]] | state.members[state.identity_of[event.b]]
        state.bans = {(a, b) for a, b in state.bans if a not in one or b not in one}
    _move(state, event.moves)


def _separated(state: Identities, event: events.Separated) -> None:
    if event.links is None:
        rest = state.members[state.identity_of[event.a]] - {event.a}
        gone = {link for link in state.links if event.a in link}
        state.same = {said for said in state.same if event.a not in said}
        state.bans |= {pair(event.a, other) for other in rest}
    else:
        gone = {pair(ends.a, ends.b) for ends in event.links}
    state.links -= gone
    for ended in gone:
        state.strengths.pop(ended, None)
    _move(state, event.moves)


def _closed(state: Identities, event: events.ReviewClosed) -> None:
    asked = pair(event.a, event.b)
    known = state.asked.pop(asked, None)
    if known is not None and event.answer == "unsure":
        state.asked[asked] = Question(known.vector, open=False)


def _move(state: Identities, moves: Iterable[events.Move]) -> None:
    for move in moves:
        state._put(move.customer, move.identity)  # noqa: SLF001 - evolve is the one way in
