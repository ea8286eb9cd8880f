"""Questions about who resembles whom: why two customers are one or not, and whom a new record may be.

The answers rest on personal data and show it, so whoever asks is recorded by the caller before they leave.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from services.identity import decision_store, store
from services.identity.domain.clustering import Scored
from services.identity.domain.identities import pair
from services.identity.matching.customer import NOTHING, normal_of, raw_of
from services.identity.matching.explain import Explanation, explain
from services.identity.matching.features import Features
from services.identity.matching.fingerprint import Evidence
from services.identity.matching.judging import Judge
from services.identity.matching.lookup import Tokens
from services.identity.matching.record import Normal
from services.identity.records import open_profile, read
from shared.errors import NotFound
from shared.eventlog.log import Log, Transaction

MOST = 200
"""As many customers are compared with a new record at most; more would share a value that tells nothing."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Why two customers are one or not, and what is recorded of them."""

    explanation: Explanation
    together: bool
    link: tuple[int, int | None] | None
    """Position and stored weight of the live link between them, if there is one."""
    assertion: decision_store.Assertion | None
    review: decision_store.Review | None


@dataclass(frozen=True, slots=True)
class Resembling:
    """A customer that a new record may be, and what says so."""

    identity: str
    scored: Scored


class Comparing:
    """Every call raises Unavailable (retry)."""

    def __init__(
        self,
        log: Log,
        fingerprints: Callable[[Normal], Evidence],
        tokens: Tokens,
        judge: Judge,
    ) -> None:
        self._log = log
        self._fingerprints = fingerprints
        self._tokens = tokens
        self._judge = judge

    async def explain(self, a: str, b: str) -> Compared:
        """Raises NotFound for a customer of whom nothing is known (any more)."""
        return await self._log.in_thread(lambda: self._explain(a, b))

    def _explain(self, a: str, b: str) -> Compared:
        ends = pair(a, b)
        with self._log.transaction() as tx:
            profiles = store.profiles(tx.cursor, ends)
            state = store.identities(tx.cursor, ends, with_links=True)
            said = decision_store.assertions(tx.cursor, ends).get(ends)
            asked = decision_store.reviews(tx.cursor, ends).get(ends)
            linked = {(one, other): position for one, other, position in store.links_of(tx.cursor, ends)}
        keys = self._log.keyring.fetch(ends)
        records = []
        for customer in (a, b):
            if customer not in profiles or profiles[customer].sealed is None or customer not in keys:
                raise NotFound(f"nothing is known of customer {customer} (yet, or any more) that could be compared")
            records.append(raw_of(open_profile(profiles[customer], keys)))
        return Compared(
            explain(records[0], records[1], self._judge.model),
            state.identity(a) == state.identity(b),
            (linked[ends], state.strengths.get(ends)) if ends in linked else None,
            said,
            asked,
        )

    async def resembling(self, features: Features, limit: int) -> list[Resembling]:
        """The customers that somebody may be, the likeliest first: those that reach the review threshold."""
        return await self._log.in_thread(lambda: self._resembling(features)[:limit])

    def _resembling(self, features: Features) -> list[Resembling]:
        new = normal_of(features)
        with self._log.transaction() as tx:
            candidates = self._candidates(tx, features, new)
            state = store.identities(tx.cursor, candidates)
            known = read(tx, candidates)
        records = {"": new, **known}
        found = [
            self._judge.scored("", customer, records) for customer in sorted(known) if known[customer] is not NOTHING
        ]
        likely = sorted((one for one in found if one.band != "new"), key=lambda one: (-one.weight, one.b))
        return [Resembling(state.identity(one.b), one) for one in likely]

    def _candidates(self, tx: Transaction, features: Features, new: Normal) -> Sequence[str]:
        shared = store.holders(tx.cursor, self._fingerprints(new))
        found = dict.fromkeys(customer for customers in shared.values() for customer in customers)
        for token in self._tokens(features):
            found.update(dict.fromkeys(sorted(store.customers_with(tx.cursor, token))[:MOST]))
        return list(found)[:MOST]


def disclosed(evidence: Collection[str]) -> set[str]:
    """The fields that somebody has seen who is told that these levels agree."""
    return {_SHOWN[field] for level in evidence if (field := level.partition(":")[0]) in _SHOWN}


_SHOWN: Mapping[str, str] = {
    "given": "name",
    "family": "name",
    "middle": "name",
    "suffix": "name",
    "company": "name",
    "birth": "birth_date",
    "identity": "identifiers",
    "email": "contacts",
    "phone": "contacts",
    "street": "addresses",
    "unit": "addresses",
    "city": "addresses",
    "postcode": "addresses",
    "region": "addresses",
}
