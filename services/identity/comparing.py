"""Questions about who resembles whom: why two customers are one or not, and whom a new record may be.

The answers rest on personal data and show it, so whoever asks is recorded by the caller before they leave.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from services.identity import decision_store, store
from services.identity.domain.clustering import Scored
from services.identity.domain.identities import Pair, pair
from services.identity.matching.customer import NOTHING, normal_of, raw_of
from services.identity.matching.explain import Explanation, explain
from services.identity.matching.explain_svg import bits
from services.identity.matching.features import Features
from services.identity.matching.fingerprint import Evidence, kind_of
from services.identity.matching.judging import Judge
from services.identity.matching.lookup import Tokens
from services.identity.matching.record import Normal
from services.identity.matching.sharing import brought, counting
from services.identity.records import open_profile, read
from shared.errors import NotFound
from shared.eventlog.log import Log, Transaction
from shared.eventlog.mapper import open_record, parse
from shared.events.identity import Linked

MOST = 200
"""As many customers are compared with a new record at most; more would share a value that tells nothing."""


class Link(msgspec.Struct, frozen=True):
    """The live link between two customers, as it was when they were linked.

    Records may have been edited since, and another model be in use: what they weigh now is in the explanation. Weight
    and model are None of a link that a person decided.
    """

    position: int
    decided_by: str
    weight: int | None
    model: str | None
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """Why two customers are one or not, and what is recorded of them."""

    explanation: Explanation
    together: bool
    link: Link | None
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
            shared, too_common = _shared(tx, ends)
        keys = self._log.keyring.fetch(ends)
        records = []
        for customer in (a, b):
            if customer not in profiles or profiles[customer].sealed is None or customer not in keys:
                raise NotFound(f"nothing is known of customer {customer} (yet, or any more) that could be compared")
            records.append(raw_of(open_profile(profiles[customer], keys)))
        told = explain(records[0], records[1], self._judge.model)
        return Compared(
            msgspec.structs.replace(told, keys=shared, too_common=too_common),
            state.identity(a) == state.identity(b),
            self._link(linked[ends]) if ends in linked else None,
            said,
            asked,
        )

    def _link(self, position: int) -> Link | None:
        """What the event at this position says of a link. The log keeps it for ever; our table has only its weight."""
        for note in self._log.read(position - 1, 1):
            event = open_record(parse(note.state), {}, position).data
            if isinstance(event, Linked):
                return Link(position, event.decided_by, event.weight, event.model, event.evidence)
        return None

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
        evidence = self._fingerprints(new)
        found = dict.fromkeys(brought("", evidence, store.holders(tx.cursor, evidence)).customers)
        for token in self._tokens(features):
            found.update(dict.fromkeys(sorted(store.customers_with(tx.cursor, token))[:MOST]))
        return list(found)[:MOST]


def _shared(tx: Transaction, ends: Pair) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The kinds of keys that stand in the index for both, and those of which no such key brings them together."""
    held = store.evidence_of(tx.cursor, ends)
    one, other = (held.get(end, {}) for end in ends)
    shared = one.keys() & other.keys()
    used = {kind_of(one[key]) for key in counting(one, other, store.holders(tx.cursor, shared))}
    kinds = {kind_of(one[key]) for key in shared}
    return tuple(sorted(kinds)), tuple(sorted(kinds - used))


def disclosed(evidence: Collection[str]) -> set[str]:
    """The fields that somebody has seen who is told that these levels agree."""
    return {_SHOWN[field] for level in evidence if (field := level.partition(":")[0]) in _SHOWN}


def shown_by(explanation: Explanation, *, steps: bool) -> tuple[set[str], set[str]]:
    """The fields of each of the two that somebody has seen who is shown the bars, and with `steps` those as well."""
    bars = disclosed([bar.field for bar in explanation.bars])
    if not steps:
        return bars, bars
    told = (explanation.steps_a, explanation.steps_b)
    one, other = ({step.field.partition(" ")[0] for step in side} for side in told)
    return (
        bars | {_STEPS[field] for field in one if field in _STEPS},
        bars | {_STEPS[field] for field in other if field in _STEPS},
    )


def said_of(found: Compared) -> list[str]:
    """What is recorded of the two, and which keys do not count, in sentences: for a picture."""
    told = [f"They are {'one identity' if found.together else 'two identities'}."]
    if found.explanation.too_common:
        kinds = ", ".join(found.explanation.too_common)
        told.append(f"Too many others have these keys too, so they brought nobody together: {kinds}.")
    if found.link and found.link.weight is not None:
        told.append(
            f"They were linked at {bits(found.link.weight)} bits by {found.link.model or found.link.decided_by}"
            f" (position {found.link.position}) on {', '.join(found.link.evidence)}."
        )
    elif found.link:
        told.append(f"They were linked by a person (position {found.link.position}).")
    if found.assertion:
        said = found.assertion
        told.append(f"{said.author} said {said.says} (position {said.position}): {said.reason}")
    if found.review:
        answer = f"answered {found.review.answer}" if found.review.answer else "open"
        told.append(f"A question at {bits(found.review.weight)} bits because of {found.review.why} is {answer}.")
    return told


_STEPS: Mapping[str, str] = {
    "full": "name",
    "given": "name",
    "family": "name",
    "company": "name",
    "others": "name",
    "names": "name",
    "birth_date": "birth_date",
    "birth": "birth_date",
    "phones": "contacts",
    "emails": "contacts",
    "addresses": "addresses",
    "identifiers": "identifiers",
}
"""The fields that the steps of an explanation show."""
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
