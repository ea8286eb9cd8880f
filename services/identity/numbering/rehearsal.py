"""A dry run: which numbers a set of rules would have given to customers that are known already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from services.identity.numbering.capacity import Capacity, capacity
from services.identity.numbering.facts import Facts
from services.identity.numbering.rule import canonical
from services.identity.numbering.rulebook import RuleSet

SHOWN = 20
"""So many examples of a kind are told."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A customer as numbering sees it, and the number it has."""

    customer: str
    at: datetime
    facts: Facts
    number: str = ""


@dataclass(slots=True)
class Rehearsal:
    """What came of it. `collided` numbers belong to somebody else already, `collisions` are the first of them.

    `gaps` are serials that were passed over because the rule holds them back.
    """

    customers: int = 0
    by_rule: Counter[str] = field(default_factory=Counter)
    passed_over: Counter[str] = field(default_factory=Counter)
    unnumbered: int = 0
    gaps: int = 0
    collided: int = 0
    collisions: list[tuple[str, str]] = field(default_factory=list)
    examples: list[tuple[str, str, str]] = field(default_factory=list)
    capacities: list[Capacity] = field(default_factory=list)


def rehearse(rules: RuleSet, registrations: Iterable[Registration], taken: Iterable[str], now: datetime) -> Rehearsal:
    """Numbers the registrations in their order, all by these rules, with counters that begin anew.

    `taken` are the numbers and aliases that are known today; those of the same customer do not count as collisions.
    """
    told = Rehearsal()
    counters: dict[str, int] = {}
    given: dict[str, Counter[str]] = {}
    holders = set(map(canonical, taken))
    first: datetime | None = None
    for registration in registrations:
        told.customers += 1
        first = registration.at if first is None else min(first, registration.at)
        number = _number(rules, registration, counters, given, told)
        if number is None:
            told.unnumbered += 1
        elif canonical(number) in holders and canonical(number) != canonical(registration.number):
            told.collided += 1
            told.collisions += [(registration.customer, number)] if told.collided <= SHOWN else []
    days = max((now - first).total_seconds() / 86_400, 1.0) if first else 1.0
    told.capacities = [
        capacity(numbering, scope, counters[scope], per_day=count / days, now=now)
        for numbering in rules.rules
        for scope, count in sorted(given.get(numbering.rule.id, Counter()).items())
    ]
    return told


def _number(
    rules: RuleSet,
    registration: Registration,
    counters: dict[str, int],
    given: dict[str, Counter[str]],
    told: Rehearsal,
) -> str | None:
    for numbering in rules.rules:
        if not numbering.matches(registration.facts):
            continue
        shown = numbering.shown(registration.facts, registration.at)
        if shown is None:
            told.passed_over[numbering.rule.id] += 1
            continue
        scope = numbering.scope(shown)
        floor = counters.get(scope, numbering.rule.start)
        issued = numbering.next(shown, floor)
        if issued is None:
            told.passed_over[numbering.rule.id] += 1
            continue
        told.gaps += (issued.serial - floor) // numbering.rule.step
        counters[scope] = issued.serial + numbering.rule.step
        given.setdefault(numbering.rule.id, Counter())[scope] += 1
        told.by_rule[numbering.rule.id] += 1
        if len(told.examples) < SHOWN:
            told.examples.append((registration.customer, issued.number, numbering.rule.id))
        return issued.number
    return None
