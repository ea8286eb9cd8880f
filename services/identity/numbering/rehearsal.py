"""A dry run: which numbers a set of rules would have given to customers that are known already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from services.identity.numbering.capacity import Capacity, capacity
from services.identity.numbering.facts import Facts
from services.identity.numbering.rule import canonical
from services.identity.numbering.rulebook import RuleSet
from services.identity.numbering.scheme import Numbering

SHOWN = 20
"""So many examples of a kind are told."""
NONE: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Registration:
    """A customer as numbering sees it, the numbers that were given to it, the newest last, and its aliases."""

    customer: str
    at: datetime
    facts: Facts
    numbers: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


@dataclass(slots=True)
class Rehearsal:
    """What came of it. `collided` numbers belong to somebody else already, `collisions` are the first of them.

    `by_rule` and `passed_over` tell every rule that was tried; `kept` are the numbers of `by_rule` that their customers
    have today. `gaps` are serials that were passed over because the rule holds them back.
    """

    customers: int = 0
    by_rule: dict[str, int] = field(default_factory=dict)
    passed_over: dict[str, int] = field(default_factory=dict)
    kept: int = 0
    unnumbered: int = 0
    gaps: int = 0
    collided: int = 0
    collisions: list[tuple[str, str]] = field(default_factory=list)
    examples: list[tuple[str, str, str]] = field(default_factory=list)
    capacities: list[Capacity] = field(default_factory=list)


@dataclass(slots=True)
class _Scope:
    """One scope on paper: its next serial, and what it gave."""

    numbering: Numbering
    floor: int
    since: datetime
    given: int = 0

    def take(self, at: datetime) -> None:
        self.given += 1
        self.since = min(self.since, at)


def rehearse(
    rules: RuleSet,
    registrations: Iterable[Registration],
    taken: Iterable[str],
    now: datetime,
    floors: Mapping[str, int] = NONE,
) -> Rehearsal:
    """Numbers the registrations in their order, all by these rules.

    Who has a number of the rule and scope keeps it, as in a backfill; the others get the next from `floors`, the lowest
    serial of a scope that nobody was given yet. `taken` are the numbers and aliases that are known today; those of the
    same customer do not count as collisions.
    """
    ids = [numbering.rule.id for numbering in rules.rules]
    told = Rehearsal(by_rule=dict.fromkeys(ids, 0), passed_over=dict.fromkeys(ids, 0))
    scopes: dict[str, _Scope] = {}
    holders = set(map(canonical, taken))
    for registration in registrations:
        told.customers += 1
        number = _number(rules, registration, floors, scopes, told)
        if number is None:
            told.unnumbered += 1
        elif canonical(number) in holders and not _has(registration, number):
            told.collided += 1
            told.collisions += [(registration.customer, number)] if told.collided <= SHOWN else []
    told.capacities = [
        capacity(numbering, name, scope.floor, given=scope.given, since=scope.since, now=now)
        for numbering in rules.rules
        for name, scope in sorted(scopes.items())
        if scope.numbering is numbering and scope.given
    ]
    return told


def _number(
    rules: RuleSet,
    registration: Registration,
    floors: Mapping[str, int],
    scopes: dict[str, _Scope],
    told: Rehearsal,
) -> str | None:
    for numbering in rules.rules:
        if not numbering.matches(registration.facts):
            continue
        shown = numbering.shown(registration.facts, registration.at)
        if shown is None:
            told.passed_over[numbering.rule.id] += 1
            continue
        name = numbering.scope(shown)
        if name not in scopes:
            scopes[name] = _Scope(numbering, floors.get(name, numbering.rule.start), registration.at)
        scope = scopes[name]
        number = _kept(numbering, name, registration.numbers)
        if number is not None:
            told.kept += 1
        else:
            issued = numbering.next(shown, scope.floor)
            if issued is None:
                told.passed_over[numbering.rule.id] += 1
                continue
            told.gaps += -(-(issued.serial - scope.floor) // numbering.rule.step)
            scope.floor = issued.serial + numbering.rule.step
            number = issued.number
        scope.take(registration.at)
        told.by_rule[numbering.rule.id] += 1
        if len(told.examples) < SHOWN:
            told.examples.append((registration.customer, number, numbering.rule.id))
        return number
    return None


def _has(registration: Registration, number: str) -> bool:
    return canonical(number) in set(map(canonical, (*registration.numbers, *registration.aliases)))


def _kept(numbering: Numbering, scope: str, numbers: Sequence[str]) -> str | None:
    """The number that a customer has of this rule and scope, or of another scope if who moves keeps it."""
    for number in reversed(numbers):
        parsed = numbering.read(canonical(number))
        if parsed is not None and parsed.check_ok and parsed.scope == scope:
            return number
    last = numbering.read(canonical(numbers[-1])) if numbers and numbering.rule.on_move == "keep" else None
    return numbers[-1] if last is not None and last.check_ok else None
