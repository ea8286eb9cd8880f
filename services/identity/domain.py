"""Which customers are one: links between customers, the identities they make, and bans that keep customers apart. Pure.

An identity is a connected component of live links; its id is the smallest customer id in it, which is the oldest
because customer ids are ordered by time. Nothing is copied or moved when identities join, so a separation is exact.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from shared.errors import Conflict, FieldError, Invalid, NotFound
from shared.events.envelope import Contract
from shared.events.identity import Linked, Move, Separated

Pair = tuple[str, str]
"""Two customers, the older one first."""


def pair(a: str, b: str) -> Pair:
    return (a, b) if a < b else (b, a)


class Banned(Conflict):
    """A ban keeps two members apart. Fate: an automatic link is left out; a person lifts the ban or leaves it."""

    code = "banned"
    title = "Kept apart"


@dataclass(slots=True)
class Identities:
    """The memberships, links and bans that one decision or one batch needs. Changed by `evolve` alone.

    It must hold all members of every identity involved. `links` is only needed where customers are separated.
    """

    identity_of: dict[str, str] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    links: set[Pair] = field(default_factory=set)
    bans: set[Pair] = field(default_factory=set)

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
            dict(self.identity_of), {i: set(m) for i, m in self.members.items()}, set(self.links), set(self.bans)
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

    def banned(self, left: Collection[str], right: Collection[str]) -> Pair | None:
        """A ban between one of these and one of those."""
        if not self.bans:
            return None
        return next((pair(a, b) for a in sorted(left) for b in sorted(right) if pair(a, b) in self.bans), None)

    def _put(self, customer: str, identity: str) -> None:
        before = self.identity_of.get(customer)
        if before is not None:
            self.members[before].discard(customer)
            if not self.members[before]:
                del self.members[before]
        self.identity_of[customer] = identity
        self.members.setdefault(identity, set()).add(customer)


def link(
    state: Identities,
    a: str,
    b: str,
    *,
    evidence: tuple[str, ...],
    decided_by: str,
    reason: str | None = None,
    lift_ban: bool = False,
) -> list[Linked]:
    """The event that makes a and b one; none if they are one already. Raises Banned, NotFound or Invalid.

    `lift_ban` links in spite of bans between the two sides, and thereby ends these bans.
    """
    if a == b:
        wrong: FieldError = {"field": "b", "message": "must differ from a"}
        raise Invalid("a customer cannot be linked with itself", errors=[wrong])
    ours, theirs = state.identity(a), state.identity(b)
    if ours == theirs:
        return []
    ban = state.banned(state.members[ours], state.members[theirs])
    if ban is not None and not lift_ban:
        raise Banned(f"customers {ban[0]} and {ban[1]} were separated by decision; lift that ban to link {a} and {b}")
    target, joining = min(ours, theirs), max(ours, theirs)
    moves = tuple(Move(customer=member, identity=target) for member in sorted(state.members[joining]))
    return [Linked(a=a, b=b, evidence=evidence, decided_by=decided_by, moves=moves, reason=reason)]


def separate(state: Identities, a: str, b: str, reason: str) -> list[Separated]:
    """The event that takes `a` out of the identity it shares with `b`. Raises Conflict if they share none, NotFound.

    The links of `a` are taken away; members that hung together only through `a` part as well.
    """
    shared = state.identity(a)
    if a == b or state.identity(b) != shared:
        raise Conflict(f"customers {a} and {b} do not share an identity; there is nothing to separate")
    rest = state.members[shared] - {a}
    parts = [{a}, *components(rest, (link for link in state.links if a not in link))]
    moves = tuple(
        Move(customer=member, identity=min(part))
        for part in sorted(parts, key=min)
        for member in sorted(part)
        if min(part) != shared
    )
    return [Separated(a=a, b=b, reason=reason, moves=moves)]


def components(customers: Collection[str], links: Iterable[Pair]) -> list[set[str]]:
    """The connected components of these customers, in the order of their oldest members."""
    neighbours: dict[str, set[str]] = {customer: set() for customer in customers}
    for a, b in links:
        if a in neighbours and b in neighbours:
            neighbours[a].add(b)
            neighbours[b].add(a)
    found, seen = [], set[str]()
    for start in sorted(neighbours):
        if start in seen:
            continue
        part, waiting = {start}, [start]
        while waiting:
            fresh = neighbours[waiting.pop()] - part
            part |= fresh
            waiting.extend(fresh)
        seen |= part
        found.append(part)
    return found


def evolve(state: Identities, event: Contract) -> None:
    """Brings the memberships, links and bans up to one more event. Never fails.

    A separation bans its customer against all it leaves; a link across a ban ends that ban.
    """
    match event:
        case Linked():
            state.links.add(pair(event.a, event.b))
            if state.bans:
                one = state.members[state.identity_of[event.a]] | state.members[state.identity_of[event.b]]
                state.bans = {(a, b) for a, b in state.bans if a not in one or b not in one}
        case Separated():
            rest = state.members[state.identity_of[event.a]] - {event.a}
            state.links = {link for link in state.links if event.a not in link}
            state.bans |= {pair(event.a, other) for other in rest}
        case _:
            return
    for move in event.moves:
        state._put(move.customer, move.identity)  # noqa: SLF001 - evolve is the one way in
