"""Records of a component as the domain decides on them: scored pairs, and the guard between two sides. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import product

from services.identity.domain.clustering import Guard, Scored
from services.identity.domain.identities import pair
from services.identity.matching.clusters import BOUND, MOST_CROSS
from services.identity.matching.compare import compare, total, weigh
from services.identity.matching.guards import conflict
from services.identity.matching.model import Model
from services.identity.matching.record import Normal

MATCHING = "matching"
"""Who decided a link that a model made."""


def score(a: str, left: Normal, b: str, right: Normal, model: Model) -> Scored:
    """What the model says of two records, in the terms of the domain."""
    levels = compare(left, right, model)
    found = weigh(levels, model)
    return Scored(
        a,
        b,
        found.weight,
        found.band,
        evidence=tuple(f"{bar.field}:{bar.level}" for bar in found.bars),
        decided_by=MATCHING,
        model=model.id,
        vector="".join(f"{code:x}" for code in levels.codes),
    )


def guard_of(normals: Mapping[str, Normal], model: Model) -> Guard:
    """What `clusters.cluster` asks before a union: guards of the two sides, then the mean weight of pairs across.

    A customer without a record, of whom nothing is known, is against nothing.
    """
    known: dict[tuple[str, str], int] = {}

    def weight(a: str, b: str) -> int:
        ends = pair(a, b)
        if ends not in known:
            known[ends] = total(compare(normals[ends[0]], normals[ends[1]], model), model)
        return max(min(known[ends], BOUND), -BOUND)

    def guard(left: Collection[str], right: Collection[str]) -> str | None:
        if len(left) + len(right) > model.guards.size:
            return "size"
        sides = sorted(sorted(one for one in side if one in normals) for side in (left, right))
        one, other = sides
        found = conflict([normals[each] for each in one], [normals[each] for each in other], model)
        if found is not None or len(one) * len(other) < 2:
            return found
        cross = list(product(one, other))
        cross = cross[:: max(1, len(cross) // MOST_CROSS)]
        return "bridge" if sum(weight(a, b) for a, b in cross) < model.guards.floor * len(cross) else None

    return guard
