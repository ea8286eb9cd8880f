"""The exact rules: two customers are one if they share all terms of one rule. A visible table, no learning.

A rule needs a name or an identifier, because a household shares everything else. A rule with a birth date may take
the first letters of a given name: they survive most typing errors and still tell twins apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from services.identity.matching.features import Features
from services.identity.matching.normal import Normal, normalise

VERSION = "match.exact.v1"

_GIVEN_LETTERS = 3

Term = Callable[[Normal], tuple[str, ...]]
"""From normalised features to the values of one term; several, where somebody has several phones or addresses."""


def name(normal: Normal) -> tuple[str, ...]:
    """The words of the whole name in any order; half a name identifies nobody."""
    if normal.given or normal.family:
        whole = sorted(normal.given + normal.family) if normal.given and normal.family else []
    else:
        whole = sorted(normal.full) if len(normal.full) >= 2 or normal.is_organisation else []
    return ("|".join(whole),) if whole else ()


def given(normal: Normal) -> tuple[str, ...]:
    """The first letters of the given name."""
    return ("".join(normal.given)[:_GIVEN_LETTERS],) if normal.given else ()


def birth_date(normal: Normal) -> tuple[str, ...]:
    return (normal.birth_date,) if normal.birth_date else ()


def phone(normal: Normal) -> tuple[str, ...]:
    return normal.phones


def email(normal: Normal) -> tuple[str, ...]:
    return normal.emails


def identifier(normal: Normal) -> tuple[str, ...]:
    return normal.identifiers


def postcode(normal: Normal) -> tuple[str, ...]:
    return tuple(home.postcode for home in normal.homes if home.postcode)


def street(normal: Normal) -> tuple[str, ...]:
    return tuple(home.street for home in normal.homes if home.street)


def street_postcode(normal: Normal) -> tuple[str, ...]:
    return tuple(f"{home.street}|{home.postcode}" for home in normal.homes if home.street and home.postcode)


@dataclass(frozen=True, slots=True)
class Rule:
    """Customers that share a value of every term are one. `number` is stored: never give it to another rule."""

    number: int
    name: str
    terms: tuple[Term, ...]


RULES: tuple[Rule, ...] = (
    Rule(1, "identifier", (identifier,)),
    Rule(2, "name-birth_date", (name, birth_date)),
    Rule(3, "name-phone", (name, phone)),
    Rule(4, "name-email", (name, email)),
    Rule(5, "name-street-postcode", (name, street_postcode)),
    Rule(6, "given-birth_date-postcode", (given, birth_date, postcode)),
    Rule(7, "given-birth_date-street", (given, birth_date, street)),
)
_NAMES: Mapping[int, str] = {rule.number: rule.name for rule in RULES}
_TERMS: tuple[Term, ...] = tuple(dict.fromkeys(term for rule in RULES for term in rule.terms))


def compound_keys(features: Features) -> list[tuple[int, str]]:
    """Every (rule number, compound key in the clear) of these features. Never store or log a key.

    Who is restricted has none: nobody is found to be one with them, until the restriction is lifted.
    """
    if features.restricted:
        return []
    normal = normalise(features)
    terms = {term: term(normal) for term in _TERMS}
    return [
        (rule.number, "\x1f".join(parts)) for rule in RULES for parts in product(*[terms[term] for term in rule.terms])
    ]


def names(numbers: Iterable[int]) -> tuple[str, ...]:
    """The names of rules, as the evidence of a link gives them."""
    return tuple(_NAMES[number] for number in sorted(set(numbers)))
