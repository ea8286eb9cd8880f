"""Which of the customers of a component are one, from scored pairs, assertions and guards. Pure, free of order.

Assertions of "same" come first, then the pairs that are heavy enough to merge, the heaviest first and of equal ones the
one with the smaller ids. Before each union, what speaks against it: an assertion of "never" between the two sides, then
the guard. So the same pairs give the same clusters, in whatever order records, events and decisions arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from services.identity.domain.identities import Pair, across, pair

Band = Literal["merge", "review", "new"]

Guard: TypeAlias = Callable[[Collection[str], Collection[str]], str | None]
"""Why the customers of these two sides must not become one without a person, as a code; None if nothing is against it.

It must answer the same for the sides the other way round, and be pure.
"""

NEVER = "never"
"""Why a pair is held back: an assertion keeps the two sides apart."""
MEANS = frozenset({"bridge", "birth_date", "given_name"})
"""Guards that go by most pairs between two sides.

Whoever stands on a side by an assertion alone is left out of them: what a person said of two takes no third one away
whom evidence had brought there.
"""


@dataclass(frozen=True, slots=True)
class Scored:
    """What a model says of two customers. `weight` is in thousandths of a bit, `evidence` names rules or levels.

    `decided_by` names the rule set or model with its version, as the link will. `vector` stands for all the levels:
    pairs with one vector look the same to the model. `standing` is a link that stands because nothing can be found of
    its ends any more: nothing but "never" is against it, and nobody is asked about it.
    """

    a: str
    b: str
    weight: int
    band: Band = "merge"
    evidence: tuple[str, ...] = ()
    decided_by: str = "matching"
    model: str | None = None
    vector: str | None = None
    standing: bool = False

    @property
    def ends(self) -> Pair:
        return pair(self.a, self.b)


@dataclass(frozen=True, slots=True)
class Held:
    """A pair that was heavy enough to merge, and why it did not: "never" or the guard's code."""

    scored: Scored
    why: str


@dataclass(frozen=True, slots=True)
class Clusters:
    """`cluster_of` names each customer's cluster after its oldest member.

    `accepted` are the unions in their order, one link each: of an assertion (None) or a scored pair.
    """

    cluster_of: Mapping[str, str]
    accepted: tuple[tuple[Pair, Scored | None], ...]
    held: tuple[Held, ...]


def nothing_against(_: Collection[str], __: Collection[str]) -> str | None:
    """The guard that lets everything pass."""
    return None


def cluster(
    customers: Collection[str],
    scored: Iterable[Scored],
    *,
    same: Iterable[Pair] = (),
    never: Collection[Pair] = (),
    guard: Guard = nothing_against,
) -> Clusters:
    """The clusters of these customers. Pairs of others are left out; of two scores for one pair the heavier counts."""
    members = {customer: {customer} for customer in customers}
    accepted: list[tuple[Pair, Scored | None]] = []
    held: list[Held] = []
    asked: dict[tuple[str, int, str, int], str | None] = {}

    def against(left: set[str], right: set[str]) -> str | None:
        # Two sides have many pairs, and only grow: the oldest member and the number tell one from every other.
        sides = (min(left), len(left), min(right), len(right))
        if sides not in asked:
            asked[sides] = guard(left, right)
        return asked[sides]

    here = [said for said in sorted(same) if said[0] in members and said[1] in members]
    accepted.extend((said, None) for said in here if _unite(members, said))
    silent = {end for said in here for end in said}
    for candidate in strongest_first(scored, "merge"):
        a, b = candidate.ends
        if a not in members or b not in members or members[a] is members[b]:
            continue
        if across(never, members[a], members[b]):
            why: str | None = NEVER
        else:
            why = None if candidate.standing else against(members[a], members[b])
        if why in MEANS and not silent.isdisjoint(members[a] | members[b]):
            why = guard(members[a] - silent | {a}, members[b] - silent | {b})
        if why is None:
            _unite(members, (a, b))
            silent -= {a, b}
            accepted.append(((a, b), candidate))
        else:
            held.append(Held(candidate, why))
    # What was held back may have come together on another way since.
    apart = tuple(each for each in held if members[each.scored.a] is not members[each.scored.b])
    return Clusters({customer: min(part) for customer, part in members.items()}, tuple(accepted), apart)


def strongest_first(scored: Iterable[Scored], band: Band) -> list[Scored]:
    """Those of one band, one per pair, in the order in which they are tried."""
    tried = sorted((one for one in scored if one.band == band), key=lambda one: (-one.weight, one.ends, one.evidence))
    found: dict[Pair, Scored] = {}
    for one in tried:
        found.setdefault(one.ends, one)
    return list(found.values())


def _unite(members: dict[str, set[str]], ends: Pair) -> bool:
    """True if the two were not one yet."""
    small, large = sorted((members[ends[0]], members[ends[1]]), key=len)
    if small is large:
        return False
    large |= small
    members.update(dict.fromkeys(small, large))
    return True
