"""What another model would do with the same records: merges gained and lost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

Clusters = Mapping[str, str]


class Change(NamedTuple):
    """Two records that are in one cluster under one model and not under the other."""

    a: str
    b: str
    change: str


class Difference(NamedTuple):
    """Pairs in one cluster of the new clustering alone (`gained`) and of the old one alone (`lost`), after closure.

    `records` are those whose cluster has other members than before.
    """

    gained: int
    lost: int
    kept: int
    records: int


def difference(old: Clusters, new: Clusters) -> Difference:
    """Compares two clusterings of the same records."""
    both = _pairs(Counter((old[record], new[record]) for record in old).values())
    members: dict[str, set[str]] = defaultdict(set)
    before: dict[str, set[str]] = defaultdict(set)
    for record in old:
        before[old[record]].add(record)
        members[new[record]].add(record)
    moved = sum(before[old[record]] != members[new[record]] for record in old)
    lost = _pairs(Counter(old.values()).values()) - both
    return Difference(_pairs(Counter(new.values()).values()) - both, lost, both, moved)


def changes(old: Clusters, new: Clusters, pairs: Iterable[tuple[str, str]]) -> list[Change]:
    """Of the pairs that either model weighed, those that are together under one and apart under the other."""
    found = []
    for a, b in sorted({(min(pair), max(pair)) for pair in pairs}):
        before, after = old[a] == old[b], new[a] == new[b]
        if before != after:
            found.append(Change(a, b, "gained" if after else "lost"))
    return found


def _pairs(sizes: Iterable[int]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes)
