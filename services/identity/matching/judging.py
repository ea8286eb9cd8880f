"""What the model says of customers that may be one: their pairs, weighed, and what speaks against joining them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import combinations

from services.identity.domain.clustering import Guard, Scored
from services.identity.domain.identities import Pair
from services.identity.matching.customer import NOTHING
from services.identity.matching.model import Model, uncounted
from services.identity.matching.pairing import found, guard_of, score
from services.identity.matching.record import Normal

MOST = 400
"""Customers whose pairs are all weighed, the oldest. Of a larger component the rest stays as it is: `beyond`."""
REMEMBERED = 100_000
"""Pairs that are remembered, 60 MB at most; after that memory begins anew."""


class Judge:
    """Weighs pairs with one model, which knows common names if nobody has counted a base for it.

    What a pair weighs is remembered for as long as both records stay as they were. Nothing of a record is kept for
    that but its hash, which is of this process alone. Threads that weigh one pair at a time find the same.
    """

    def __init__(self, model: Model) -> None:
        self.model = uncounted(model)
        self._weighed: dict[Pair, tuple[int, int, Scored | None]] = {}

    def pairs(self, customers: Iterable[str], normals: Mapping[str, Normal]) -> list[Scored]:
        """Every pair among these customers that reaches the review threshold.

        Who may not be compared is in none, nor is anybody who is `beyond` the number that is weighed.
        """
        if len(self._weighed) > REMEMBERED:
            self._weighed.clear()
        marked = [(customer, hash(normals[customer])) for customer in _comparable(customers, normals)[:MOST]]
        reached = []
        for (a, mark_a), (b, mark_b) in combinations(marked, 2):
            known = self._weighed.get((a, b))
            if known is None or known[0] != mark_a or known[1] != mark_b:
                known = (mark_a, mark_b, found(a, normals[a], b, normals[b], self.model))
                self._weighed[a, b] = known
            if known[2] is not None:
                reached.append(known[2])
        return reached

    def beyond(self, customers: Collection[str], normals: Mapping[str, Normal]) -> list[str]:
        """Those of these customers who could be compared, but are too many: none of their pairs is weighed."""
        return _comparable(customers, normals)[MOST:] if len(customers) > MOST else []

    def scored(self, a: str, b: str, normals: Mapping[str, Normal]) -> Scored:
        """One pair, as the log will tell it."""
        return score(a, normals[a], b, normals[b], self.model)

    def guard(self, normals: Mapping[str, Normal]) -> Guard:
        """What forbids to join two sides, by the records of their members as they are now."""
        return guard_of(normals, self.model)


def _comparable(customers: Iterable[str], normals: Mapping[str, Normal]) -> list[str]:
    return sorted(customer for customer in customers if normals.get(customer, NOTHING) is not NOTHING)
