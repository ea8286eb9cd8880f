"""What keeps two clusters apart whatever one pair between them weighs.

A guard speaks for whole clusters, since an error in one record must not join two customers. It never drops anything:
the pair that was held back goes to a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice, product
from types import MappingProxyType
from typing import TypeVar

from services.identity.matching.contact import registered_elsewhere
from services.identity.matching.model import Model
from services.identity.matching.person import compare_births, compare_names
from services.identity.matching.record import Normal

T = TypeVar("T")

MOST = 24
"""Records of one cluster that a guard looks at."""
ALONE = 2000
"""A household limit, in thousandths of a bit, from which on those who share an address are nearly always one person."""
OWN = 6000
"""Rarity, in thousandths of a bit, from which on an e-mail address is somebody's own: one record in 64 has it."""


def conflict(left: Collection[Normal], right: Collection[Normal], model: Model) -> str | None:
    """The name of the first guard that forbids to join these two clusters, or None."""
    if len(left) + len(right) > model.guards.size:
        return "size"
    a, b = tuple(islice(left, MOST)), tuple(islice(right, MOST))
    return next((name for name, holds in GUARDS.items() if holds(a, b, model)), None)


def _pairs(left: Iterable[T], right: Iterable[T]) -> Iterator[tuple[T, T, int]]:
    """The distinct values of both sides, and how many pairs of records have them: many of one cluster are alike."""
    one, two = Counter(left), Counter(right)
    return ((a, b, times * others) for (a, times), (b, others) in product(one.items(), two.items()))


def _most(verdicts: Iterable[tuple[bool, int]]) -> bool:
    """More than half of the pairs that say anything at all."""
    yes = known = 0
    for verdict, times in verdicts:
        yes += times if verdict else 0
        known += times
    return 2 * yes > known


def _kind(left: tuple[Normal, ...], right: tuple[Normal, ...], _: Model) -> bool:
    """A person is not an organisation."""
    kinds = _pairs((normal.kind for normal in left), (normal.kind for normal in right))
    return _most((a != b, times) for a, b, times in kinds if a and b)


def _code(left: tuple[Normal, ...], right: tuple[Normal, ...], _: Model) -> bool:
    """Each side has a code of a type that nobody has two of, both checked by their check characters, and none agree."""
    one = [identity for normal in left for identity in normal.identities if identity.exclusive]
    two = [identity for normal in right for identity in normal.identities if identity.exclusive]
    both = [(a, b) for a, b in product(one, two) if a.type == b.type]
    if not both or any(a.value == b.value for a, b in both):
        return False
    return any(a.valid and b.valid for a, b in both)


def _birth(left: tuple[Normal, ...], right: tuple[Normal, ...], model: Model) -> bool:
    """Dates of birth a generation apart, and no code that they share."""
    if _alone(model) or _codes(left) & _codes(right):
        return False
    return _most((level == 7, times) for level, times in _births(left, right, model) if level)


def _births(left: tuple[Normal, ...], right: tuple[Normal, ...], model: Model) -> Iterator[tuple[int, int]]:
    """The levels of their dates of birth, and how many pairs have each."""
    pairs = _pairs((normal.birth for normal in left), (normal.birth for normal in right))
    return ((compare_births(a, b, model.guards.years, model.frequencies)[0], times) for a, b, times in pairs)


def _generation(left: tuple[Normal, ...], right: tuple[Normal, ...], _: Model) -> bool:
    """Junior is not senior."""
    one = {name.suffix for normal in left for name in normal.names if name.suffix}
    two = {name.suffix for normal in right for name in normal.names if name.suffix}
    return bool(one and two) and not one & two


def _given(left: tuple[Normal, ...], right: tuple[Normal, ...], model: Model) -> bool:
    """Other given names, and nothing but what a household shares speaks for one person."""
    if _alone(model) or _personal(left, right, model):
        return False
    names = _pairs((normal.names for normal in left), (normal.names for normal in right))
    levels = ((compare_names(a, b, model.frequencies).given, times) for a, b, times in names)
    return _most((level == 7, times) for level, times in levels if level)


def _alone(model: Model) -> bool:
    """Whether the model was fitted to a base without households: there a wild value is an error, not a relative."""
    return model.limits.household >= ALONE


def _codes(normals: tuple[Normal, ...]) -> set[tuple[str, str]]:
    return {(identity.type, identity.value) for normal in normals for identity in normal.identities}


def _mailboxes(normals: tuple[Normal, ...]) -> set[str]:
    return {email.address for normal in normals for email in normal.emails}


def _personal(left: tuple[Normal, ...], right: tuple[Normal, ...], model: Model) -> bool:
    """Something agrees that people of one household do not share."""
    if _codes(left) & _codes(right):
        return True
    shared = _mailboxes(left) & _mailboxes(right)
    if any(model.frequencies.rarity("email", address) >= OWN for address in shared):
        return True
    return any(level in (1, 3) for level, _ in _births(left, right, model))


def _branch(left: tuple[Normal, ...], right: tuple[Normal, ...], _: Model) -> bool:
    """Two branches of one company are two customers, and so are companies that are registered in other places."""
    one = [company for normal in left for company in normal.companies]
    two = [company for normal in right for company in normal.companies]
    here, there = ({company.branch for company in side if company.branch} for side in (one, two))
    return (bool(here and there) and not here & there) or registered_elsewhere(one, two)


Guard = Callable[[tuple[Normal, ...], tuple[Normal, ...], Model], bool]
GUARDS: Mapping[str, Guard] = MappingProxyType(
    {
        "kind": _kind,
        "code": _code,
        "birth_date": _birth,
        "generation": _generation,
        "given_name": _given,
        "branch": _branch,
    }
)
"""Every guard by the name that an event, an explanation and a review give it."""
