"""What the model says of customers that may be one: their pairs, weighed, and what speaks against joining them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, MutableMapping
from itertools import combinations

from services.identity.domain.clustering import Guard, Scored
from services.identity.matching.compare import Levels, compare, weigh
from services.identity.matching.customer import NOTHING
from services.identity.matching.guards import conflict
from services.identity.matching.model import Model, uncounted
from services.identity.matching.record import Normal

EVIDENCE = 12
"""So many of the levels that spoke for a pair are named in the event, the heaviest first."""
MOST = 400
"""Customers whose pairs are all weighed. Of a larger component the rest stays as it is."""


class Judge:
    """Weighs pairs with one model, which knows common names if nobody has counted a base for it."""

    def __init__(self, model: Model) -> None:
        self.model = uncounted(model)

    def pairs(
        self, customers: Iterable[str], normals: Mapping[str, Normal], weighed: MutableMapping[tuple[str, str], Scored]
    ) -> list[Scored]:
        """Every pair among these customers that reaches the review threshold. Who may not be compared is in none.

        `weighed` remembers pairs; whoever changes a record takes its pairs out.
        """
        comparable = sorted(customer for customer in customers if normals.get(customer, NOTHING) is not NOTHING)
        found = []
        for ends in combinations(comparable[:MOST], 2):
            scored = weighed.get(ends)
            if scored is None:
                scored = weighed[ends] = self.scored(*ends, normals)
            if scored.band != "new":
                found.append(scored)
        return found

    def scored(self, a: str, b: str, normals: Mapping[str, Normal]) -> Scored:
        """One pair, as the log will tell it."""
        levels = compare(normals[a], normals[b], self.model)
        score = weigh(levels, self.model)
        told = sorted((bar for bar in score.bars if bar.weight > 0), key=lambda bar: (-bar.weight, bar.field))
        return Scored(
            a,
            b,
            score.weight,
            score.band,
            evidence=tuple(f"{bar.field}.{bar.level}" for bar in told[:EVIDENCE]),
            decided_by=self.model.id,
            model=self.model.id,
            vector=vector(levels),
        )

    def guard(self, normals: Mapping[str, Normal]) -> Guard:
        """What forbids to join two sides, by the records of their members as they are now."""

        def against(left: Collection[str], right: Collection[str]) -> str | None:
            return conflict(_records(left, normals), _records(right, normals), self.model)

        return against


def vector(levels: Levels) -> str:
    """All levels of a pair in one code: pairs with the same code look the same to the model, but for rarities."""
    return "v" + "".join(f"{code:x}" for code in levels.codes)


def _records(customers: Collection[str], normals: Mapping[str, Normal]) -> list[Normal]:
    return [normals[customer] for customer in sorted(customers) if customer in normals]
