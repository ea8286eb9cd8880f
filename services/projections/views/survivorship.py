"""Which of several values stands for the whole identity: policies as data, and the choice by one of them. Pure.

Nothing that is chosen is stored: a golden record is computed when it is read, from the members as they are or were and
the policy in force then. So a new policy holds at once for everybody, and the past keeps the one that it had.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from shared.events.envelope import Recorded, instant
from shared.events.survivorship import REST, Criterion, Policy, Rule, SurvivorshipPolicySet

RECTIFICATION = "rectification"
"""The purpose of a change that the person asked for: its value counts as verified, whatever sources say later."""

SHIPPED = Policy(default=Rule(order=("active", "verified", "source", "recency", "frequency", "longest")))
"""What holds until somebody sets a policy. It ranks no source."""

ONLY, AGREED, PINNED, OLDEST = "only value", "all agree", "pinned", "oldest member"
KNOWN = "only one that is known"
WHY: Mapping[Criterion, str] = {
    "active": "active member",
    "verified": "verified",
    "source": "source rank",
    "recency": "most recent",
    "frequency": "most frequent",
    "longest": "longest",
}
"""Criterion -> what is said where it has decided."""


class Edition(NamedTuple):
    """A policy, what it is called, and since when it is in force; "" for the one that custlog comes with."""

    label: str
    policy: Policy
    since: str = ""
    event: str | None = None


DEFAULT = Edition("shipped.3", SHIPPED)
"""Two earlier ones were in force before policies were data."""


def edition_of(event: Recorded) -> Edition:
    """The policy that an event set. TypeError for any other event."""
    if not isinstance(event.data, SurvivorshipPolicySet):
        raise TypeError(f"{event.type} sets no policy")
    return Edition(str(event.data.version), event.data.policy, instant(event.data.effective_from), event.id)


def in_force(editions: Iterable[Edition], at: str) -> Edition:
    """The policy at an instant, of those that were known then: the one that began last, of several the last set."""
    begun = [edition for edition in editions if edition.since <= at]
    return max(begun, key=lambda edition: (edition.since, int(edition.label)), default=DEFAULT)


class Candidate(NamedTuple):
    """One member's value of a field, and what speaks for it.

    `value` is a text by which values are compared, "" for one that is not known any more; `size` is how long it is.
    `pinned` is the instant since when a steward holds it, "" without; `corrected`: the person asked for it. Times as in
    events. `contact` and `code` (a value that is open) are carried along.
    """

    active: bool
    verified: bool
    at: str
    member: str
    event: str
    value: str = ""
    size: int = 0
    source: str = ""
    pinned: str = ""
    contact: str = ""
    corrected: bool = False
    code: str = ""


Merit = tuple[str | int | bool, ...]


class Ranking:
    """How the candidates for one field compare by one rule. A pin comes before every rule, an unknown value last."""

    def __init__(self, candidates: Sequence[Candidate], rule: Rule) -> None:
        self._order = rule.order
        self._ranks = {source: -rank for rank, source in enumerate(rule.sources)}
        self._last = self._ranks.get(REST, -len(rule.sources))
        members: dict[str, set[str]] = {}
        for candidate in candidates:
            members.setdefault(candidate.value, set()).add(candidate.member)
        self._told = {value: len(by) if value else 1 for value, by in members.items()}

    def merit(self, candidate: Candidate) -> Merit:
        """What is compared, in the order in which it is; more is better."""
        return (bool(candidate.value), candidate.pinned, *(self._by(criterion, candidate) for criterion in self._order))

    def decided(self, best: Candidate, other: Candidate) -> str:
        """The reason why `best` holds and not `other`, which has another value."""
        reasons = (KNOWN, PINNED, *(WHY[criterion] for criterion in self._order))
        differ = zip(self.merit(best), self.merit(other), reasons, strict=True)
        return next((reason for ours, theirs, reason in differ if ours != theirs), OLDEST)

    def _by(self, criterion: Criterion, candidate: Candidate) -> str | int | bool:
        match criterion:
            case "active":
                return candidate.active
            case "verified":
                return candidate.verified
            case "source":
                return self._ranks.get(candidate.source, self._last)
            case "recency":
                return candidate.at
            case "frequency":
                return self._told[candidate.value]
            case "longest":
                return candidate.size


class Choice(NamedTuple):
    """The value that holds, why, and all candidates, the best first."""

    chosen: Candidate
    why: str
    ranked: tuple[Candidate, ...]
    ranking: Ranking


def choose(candidates: Sequence[Candidate], rule: Rule = SHIPPED.default) -> Choice:
    """The surviving one of at least one candidate; of equals that of the oldest member, of one member the first told.

    The reason is the last comparison that it took to tell the value from every other value.
    """
    ranking = Ranking(candidates, rule)
    # Twice, because sorting downwards keeps the order of equals.
    ranked = sorted(sorted(candidates, key=_age), key=ranking.merit, reverse=True)
    best = ranked[0]
    if best.pinned:
        return Choice(best, PINNED, tuple(ranked), ranking)
    if len(ranked) == 1:
        return Choice(best, ONLY, tuple(ranked), ranking)
    rivals = [rival for rival in ranked[1:] if not best.value or rival.value != best.value]
    if not rivals:
        return Choice(best, AGREED, tuple(ranked), ranking)
    reasons = [OLDEST, *(WHY[criterion] for criterion in reversed(rule.order)), PINNED, KNOWN]
    decided = {ranking.decided(best, rival) for rival in rivals}
    return Choice(best, next(reason for reason in reasons if reason in decided), tuple(ranked), ranking)


def with_pins_that_hold(candidates: Sequence[Candidate]) -> list[Candidate]:
    """What the person had corrected since, at whichever member, ends a pin."""
    corrected = max((candidate.at for candidate in candidates if candidate.corrected), default="")
    return [one if one.pinned >= corrected else one._replace(pinned="") for one in candidates]


def _age(candidate: Candidate) -> str:
    return candidate.member
