"""What keeps two clusters apart whatever one pair between them weighs.

A guard speaks for whole clusters, since an error in one record must not join two customers. It never drops anything:
the pair that was held back goes to a person.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice, product
from types import MappingProxyType

from services.identity.matching.model import Model
from services.identity.matching.person import compare_births, compare_names
from services.identity.matching.record import Normal

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


def _most(verdicts: Iterable[bool]) -> bool:
    """More than half of the pairs that say anything at all."""
    known = list(verdicts)
    return 2 * sum(known) > len(known)


def _kind(left: tuple[Normal, ...], right: tuple[Normal, ...], _: Model) -> bool:
    """A person is not an organisation."""
    return _most(a.kind != b.kind for a, b in product(left, right) if a.kind and b.kind)


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
    if _alone(model) or any(_code_shared(a, b) for a, b in product(left, right)):
        return False
    levels = (
        compare_births(a.birth, b.birth, model.guards.years, model.frequencies)[0] for a, b in product(left, right)
    )
    return _most(level == 7 for level in levels if level)


def _generation(left: tuple[Normal, ...], right: tuple[Normal, ...], _: Model) -> bool:
    """Junior is not senior."""
    one = {name.suffix for normal in left for name in normal.names if name.suffix}
    two = {name.suffix for normal in right for name in normal.names if name.suffix}
    return bool(one and two) and not one & two


def _given(left: tuple[Normal, ...], right: tuple[Normal, ...], model: Model) -> bool:
    """Other given names, and nothing but what a household shares speaks for one person."""
    pairs = [(a, b) for a, b in product(left, right) if a.names and b.names]
    if _alone(model) or not pairs or any(_personal(a, b, model) for a, b in product(left, right)):
        return False
    levels = [compare_names(a.names, b.names, model.frequencies).given for a, b in pairs]
    return _most(level == 7 for level in levels if level)


def _alone(model: Model) -> bool:
    """Whether the model was fitted to a base without households: there a wild value is an error, not a relative."""
    return model.limits.household >= ALONE


def _code_shared(a: Normal, b: Normal) -> bool:
    return bool(
        {(identity.type, identity.value) for identity in a.identities}
        & {(identity.type, identity.value) for identity in b.identities}
    )


def _personal(a: Normal, b: Normal, model: Model) -> bool:
    """Something agrees that people of one household do not share."""
    if _code_shared(a, b):
        return True
    shared = {email.address for email in a.emails} & {email.address for email in b.emails}
    if any(model.frequencies.rarity("email", address) >= OWN for address in shared):
        return True
    return compare_births(a.birth, b.birth, model.guards.years, model.frequencies)[0] in (1, 3)


def _branch(left: tuple[Normal, ...], right: tuple[Normal, ...], _: Model) -> bool:
    """Two branches of one company are two customers."""
    one = {company.branch for normal in left for company in normal.companies if company.branch}
    two = {company.branch for normal in right for company in normal.companies if company.branch}
    return bool(one and two) and not one & two


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
