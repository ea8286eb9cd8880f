"""Scored pairs -> clusters, the same for the same pairs in any order.

Pairs are taken from the strongest to the weakest, ties by id. Before two clusters become one, guards look at both, and
all pairs between them have to weigh enough on average: one strong pair does not bridge two crowds of strangers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import NamedTuple, Protocol

from services.identity.matching.compare import compare, total
from services.identity.matching.guards import MOST as MOST_SEEN
from services.identity.matching.guards import conflict
from services.identity.matching.model import Model
from services.identity.matching.record import Normal

MOST_CROSS = 64
"""Pairs between two clusters that are weighed before a union; of more, evenly spread ones."""
BOUND = 15000
"""The most that one pair counts for or against a union, in thousandths of a bit."""


class Pair(NamedTuple):
    """Two records, `a` before `b`, and their weight."""

    a: str
    b: str
    weight: int


class Held(NamedTuple):
    """A pair whose weight would have merged, and the guard that kept its clusters apart."""

    a: str
    b: str
    weight: int
    guard: str


class Clusters(NamedTuple):
    """`clusters` with more than one member, each sorted, in the order of their first members."""

    clusters: tuple[tuple[str, ...], ...]
    held: tuple[Held, ...]


class Normals(Protocol):
    """Where a record's normalised form is found by its id."""

    def __getitem__(self, key: str, /) -> Normal: ...


class _Forest:
    """Members by root, grown by union."""

    def __init__(self) -> None:
        self.root: dict[str, str] = {}
        self.members: dict[str, list[str]] = {}

    def find(self, record: str) -> str:
        return self.root.get(record, record)

    def of(self, root: str) -> list[str]:
        return self.members.get(root) or [root]

    def union(self, a: str, b: str) -> None:
        left, right = self.of(a), self.of(b)
        keep, gone = (a, b) if (-len(left), left[0]) <= (-len(right), right[0]) else (b, a)
        merged = sorted(left + right)
        self.members.pop(gone, None)
        self.members[keep] = merged
        for record in merged:
            self.root[record] = keep


def cluster(
    pairs: Iterable[Pair],
    normals: Normals,
    model: Model,
    same: Iterable[tuple[str, str]] = (),
    never: Iterable[tuple[str, str]] = (),
) -> Clusters:
    """Clusters of the pairs that reach the merge threshold. `same` joins before anything else and beats every guard but
    `never`; `never` keeps the two records' clusters apart. Deterministic in its inputs as sets."""
    known = {(pair.a, pair.b): pair.weight for pair in pairs}
    strongest = sorted(((-weight, *pair) for pair, weight in known.items() if weight >= model.merge))
    banned = _banned(never)
    forest = _Forest()
    held: list[Held] = []
    for a, b in sorted({(min(pair), max(pair)) for pair in same}):
        root, other = forest.find(a), forest.find(b)
        if root != other:
            if _forbidden(forest, root, other, banned):
                held.append(Held(a, b, 0, "never"))
            else:
                forest.union(root, other)
    look = _Look(normals, model, known, banned)
    for negative, a, b in strongest:
        root, other = forest.find(a), forest.find(b)
        if root == other:
            continue
        guard = look.guard(forest, root, other)
        if guard is None:
            forest.union(root, other)
        else:
            held.append(Held(a, b, -negative, guard))
    groups = sorted(tuple(members) for members in forest.members.values() if len(members) > 1)
    return Clusters(tuple(groups), tuple(held))


def components(pairs: Iterable[Pair]) -> list[list[Pair]]:
    """The pairs by the groups of records that they link. No union crosses two groups, so each is clustered alone."""
    root: dict[str, str] = {}

    def find(record: str) -> str:
        above = root.setdefault(record, record)
        while above != root[above]:
            root[record] = above = root[above]
        return above

    linked = list(pairs)
    for a, b, _ in linked:
        root[find(a)] = find(b)
    groups: dict[str, list[Pair]] = {}
    for pair in linked:
        groups.setdefault(find(pair.a), []).append(pair)
    return list(groups.values())


def united(parts: Iterable[Clusters]) -> Clusters:
    """What `cluster` says of all pairs, from what it said of groups of them that nothing links."""
    every = list(parts)
    held = sorted((one for part in every for one in part.held), key=lambda one: (-one.weight, one.a, one.b))
    return Clusters(tuple(sorted(group for part in every for group in part.clusters)), tuple(held))


def _banned(never: Iterable[tuple[str, str]]) -> Mapping[str, set[str]]:
    banned: dict[str, set[str]] = {}
    for a, b in never:
        banned.setdefault(a, set()).add(b)
        banned.setdefault(b, set()).add(a)
    return banned


def _forbidden(forest: _Forest, a: str, b: str, banned: Mapping[str, set[str]]) -> bool:
    if not banned:
        return False
    right = set(forest.of(b))
    return any(not right.isdisjoint(banned[record]) for record in forest.of(a) if record in banned)


class _Look:
    """What a union is judged by: records, weights that are known already, and assertions."""

    def __init__(
        self, normals: Normals, model: Model, known: dict[tuple[str, str], int], banned: Mapping[str, set[str]]
    ) -> None:
        self._normals, self._model, self._known, self._banned = normals, model, known, banned

    def guard(self, forest: _Forest, a: str, b: str) -> str | None:
        """The guard that keeps two clusters apart, or None."""
        if _forbidden(forest, a, b, self._banned):
            return "never"
        left, right = forest.of(a), forest.of(b)
        if len(left) + len(right) > self._model.guards.size:
            return "size"
        found = conflict(
            [self._normals[record] for record in left[:MOST_SEEN]],
            [self._normals[record] for record in right[:MOST_SEEN]],
            self._model,
        )
        if found is not None or (len(left) == 1 and len(right) == 1):
            return found
        cross = list(product(left, right))
        cross = cross[:: max(1, len(cross) // MOST_CROSS)]
        return "bridge" if sum(self._weight(x, y) for x, y in cross) < self._model.guards.floor * len(cross) else None

    def _weight(self, a: str, b: str) -> int:
        pair = (a, b) if a < b else (b, a)
        weight = self._known.get(pair)
        if weight is None:
            levels = compare(self._normals[pair[0]], self._normals[pair[1]], self._model)
            weight = self._known[pair] = total(levels, self._model)
        return max(min(weight, BOUND), -BOUND)
