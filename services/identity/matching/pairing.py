"""Records of a component as the domain decides on them: scored pairs, and the guard between two sides. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import product
from sys import intern

from services.identity.domain.clustering import Guard, Scored
from services.identity.domain.identities import pair
from services.identity.matching.clusters import BOUND, MOST_CROSS
from services.identity.matching.compare import Levels, compare, likely, total, weigh
from services.identity.matching.customer import NOTHING
from services.identity.matching.guards import conflict
from services.identity.matching.model import Model
from services.identity.matching.record import Normal

MATCHING = "matching"
"""Who decided a link that a model made."""


def score(a: str, left: Normal, b: str, right: Normal, model: Model) -> Scored:
    """What the model says of two records, in the terms of the domain."""
    return _scored(a, b, compare(left, right, model), model)


def found(a: str, left: Normal, b: str, right: Normal, model: Model) -> Scored | None:
    """The same, or None for a pair below the review threshold."""
    levels = likely(left, right, model, min(model.review, model.merge))
    scored = None if levels is None else _scored(a, b, levels, model)
    return None if scored is None or scored.band == "new" else scored


def _scored(a: str, b: str, levels: Levels, model: Model) -> Scored:
    found = weigh(levels, model)
    return Scored(
        a,
        b,
        found.weight,
        found.band,
        evidence=tuple(intern(f"{bar.field}:{bar.level}") for bar in found.bars),
        decided_by=MATCHING,
        model=model.id,
        vector="".join(f"{code:x}" for code in levels.codes),
    )


def guard_of(normals: Mapping[str, Normal], model: Model) -> Guard:
    """What `clusters.cluster` asks before a union: guards of the two sides, then the mean weight of pairs across.

    Of whom nothing is known or may be compared, is against nothing.
    """
    known: dict[tuple[str, str, int, int], int] = {}

    def tells(customer: str) -> bool:
        return normals.get(customer, NOTHING) is not NOTHING

    def weight(a: str, b: str, marks: Mapping[str, int]) -> int:
        one, other = pair(a, b)
        # Records change while the guard is in use.
        asked = (one, other, marks[one], marks[other])
        if asked not in known:
            known[asked] = total(compare(normals[one], normals[other], model), model)
        return max(min(known[asked], BOUND), -BOUND)

    def guard(left: Collection[str], right: Collection[str]) -> str | None:
        if len(left) + len(right) > model.guards.size:
            return "size"
        one, other = sorted(sorted(filter(tells, side)) for side in (left, right))
        found = conflict([normals[each] for each in one], [normals[each] for each in other], model)
        if found is not None or len(one) * len(other) < 2:
            return found
        cross = list(product(one, other))
        cross = cross[:: max(1, len(cross) // MOST_CROSS)]
        marks = {each: hash(normals[each]) for each in {end for ends in cross for end in ends}}
        return "bridge" if sum(weight(a, b, marks) for a, b in cross) < model.guards.floor * len(cross) else None

    return guard
