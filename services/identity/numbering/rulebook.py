"""All rules that were ever in force: which of them numbers a customer, and which one a number was made by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from services.identity.numbering.facts import Facts
from services.identity.numbering.rule import PREFIX, RULE, WIDTH
from services.identity.numbering.scheme import Numbering, Parsed
from shared.events.numbering import NumberingRule, NumberingRulesSet

DEFAULT_RULE = NumberingRule(id=RULE, template=f"{PREFIX}{{seq:{WIDTH}}}{{check:damm}}", overflow="widen")
"""Numbers everybody for whom no other rule was set: C, a serial of seven digits or more, a check digit by Damm."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of one version, in the order in which they are tried."""

    version: int
    effective_from: datetime
    rules: tuple[Numbering, ...]

    @classmethod
    def of(cls, event: NumberingRulesSet) -> RuleSet:
        """Raises BadTemplate, KeyError or ValueError for rules that the linter would refuse (stop)."""
        return cls(event.version, event.effective_from, tuple(map(Numbering, event.rules)))


BUILT_IN = RuleSet(0, datetime(1970, 1, 1, tzinfo=UTC), (Numbering(DEFAULT_RULE),))


class RuleBook:
    """The built-in rules and every set that followed, in the order of their versions."""

    def __init__(self, sets: Sequence[RuleSet] = ()) -> None:
        self.sets: tuple[RuleSet, ...] = (BUILT_IN, *sets)
        self._by_id = {numbering.rule.id: numbering for found in self.sets for numbering in found.rules}

    @property
    def version(self) -> int:
        return self.sets[-1].version

    def in_force(self, at: datetime) -> RuleSet:
        """The newest set whose time has come."""
        return next(found for found in reversed(self.sets) if found.effective_from <= at)

    def rule(self, rule_id: str) -> Numbering | None:
        """A rule as it was last set."""
        return self._by_id.get(rule_id)

    def since(self, rule_id: str) -> datetime:
        """From when on a rule of this id was in force for the first time. KeyError if it never was."""
        starts = {n.rule.id: found.effective_from for found in reversed(self.sets) for n in found.rules}
        return starts[rule_id]

    def every(self) -> Iterator[Numbering]:
        """Each rule that ever was, as it was last set."""
        return iter(self._by_id.values())

    def candidates(self, facts: Facts, at: datetime) -> Iterator[tuple[Numbering, tuple[str, ...]]]:
        """The rules that may number a customer registered at `at`, the first choice first, with what they show.

        A rule is passed over if a predicate does not hold or a fact that it shows is missing. Who asks goes on to the
        next one if a scope is used up.
        """
        for numbering in self.in_force(at).rules:
            if numbering.matches(facts) and (shown := numbering.shown(facts, at)) is not None:
                yield numbering, shown

    def read(self, number: str) -> Parsed | None:
        """What a canonical number says of itself, by the rule that has its form; a fitting check wins."""
        found = [parsed for numbering in self.every() if (parsed := numbering.read(number)) is not None]
        return next((parsed for parsed in found if parsed.check_ok), found[0] if found else None)
