"""What the model says of customers that may be one: their pairs, weighed, and what speaks against joining them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from itertools import combinations

from services.identity.domain.clustering import Guard, Scored
from services.identity.matching.customer import NOTHING
from services.identity.matching.model import Model, uncounted
from services.identity.matching.pairing import guard_of, score
from services.identity.matching.record import Normal

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
        return score(a, normals[a], b, normals[b], self.model)

    def guard(self, normals: Mapping[str, Normal]) -> Guard:
        """What forbids to join two sides, by the records of their members as they are now."""
        return guard_of(normals, self.model)
