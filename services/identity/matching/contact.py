"""Comparing what leads to somebody: phones, e-mail addresses, postal addresses, identifiers, companies' names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rapidfuzz import fuzz

from services.identity.matching.frequencies import Frequencies
from services.identity.matching.likeness import CLOSE, EXACT, SIMILAR, agreement, digits_alike, likeness, mistyped
from services.identity.matching.normalise.companies import elsewhere
from services.identity.matching.record import CompanyName, Email, Home, Identity, Phone

MOST = 6
"""Values of one kind that are compared; the rest still find their record by key."""


def compare_phones(a: tuple[Phone, ...], b: tuple[Phone, ...], frequencies: Frequencies) -> tuple[int, int]:
    """1 exact, 2 one digit off, 3 different; placeholders are unknown."""
    if not a or not b:
        return 0, 0
    left = [phone.number for phone in a[:MOST] if not phone.placeholder]
    right = [phone.number for phone in b[:MOST] if not phone.placeholder]
    if not left or not right:
        return 0, 0
    shared = [x for x in left for y in right if x == y or _same_line(x, y)]
    if shared:
        return 1, max(frequencies.rarity("phone", value) for value in shared)
    return (2 if any(digits_alike(x, y) == CLOSE for x in left for y in right) else 3), 0


def _same_line(a: str, b: str) -> bool:
    """The same number with and without a country or trunk code."""
    if len(a) == len(b) or a[-1:] != b[-1:]:
        return False
    return min(len(a), len(b)) >= 8 and abs(len(a) - len(b)) <= 4 and (a.endswith(b) or b.endswith(a))


def compare_emails(a: tuple[Email, ...], b: tuple[Email, ...], frequencies: Frequencies) -> tuple[int, int]:
    """1 exact, 2 the same local part elsewhere, 3 a slip apart, 4 different; placeholders are unknown."""
    if not a or not b:
        return 0, 0
    left = [email for email in a[:MOST] if not email.placeholder]
    right = [email for email in b[:MOST] if not email.placeholder]
    if not left or not right:
        return 0, 0
    addresses = {email.address for email in right}
    shared = [email.address for email in left if email.address in addresses]
    if shared:
        return 1, max(frequencies.rarity("email", value) for value in shared)
    best = 4
    for x in left:
        for y in right:
            if x.local == y.local and len(x.local) >= 5 and not x.role:
                return 2, 0
            if best > 3 and x.local != y.local and mistyped(x.address, y.address):
                best = 3
    return best, 0


def compare_identities(a: tuple[Identity, ...], b: tuple[Identity, ...], frequencies: Frequencies) -> tuple[int, int]:
    """1 exact, 2 a slip apart, 3 different, over the types that both have."""
    if not a or not b:
        return 0, 0
    best, rarities = 0, []
    for x in a[:MOST]:
        for y in b[:MOST]:
            if x.type != y.type or not x.value or not y.value:
                continue
            if x.value == y.value:
                rarities.append(frequencies.rarity("identity", f"{x.type}:{x.value}"))
            level = 2 if digits_alike(x.value, y.value) == CLOSE else 3
            best = min(best or level, level)
    return (1, max(rarities)) if rarities else (best, 0)


class Places(NamedTuple):
    """Levels and rarities of two addresses."""

    street: int = 0
    street_rarity: int = 0
    unit: int = 0
    unit_rarity: int = 0
    city: int = 0
    city_rarity: int = 0
    postcode: int = 0
    postcode_rarity: int = 0
    region: int = 0


_NOWHERE = Places()
_GOOD = ((0, 8, 5, 4, 3, 1, -2), (0, 3, 2, -1), (0, 3, 2, -1), (0, 4, 2, -1), (0, 1, -1))


def compare_homes(a: tuple[Home, ...], b: tuple[Home, ...], frequencies: Frequencies) -> Places:
    """The best of all pairs of addresses."""
    if not a or not b:
        return _NOWHERE
    if len(a) == 1 and len(b) == 1:
        return _places(a[0], b[0], frequencies)
    return max((_places(x, y, frequencies) for x in a[:MOST] for y in b[:MOST]), key=lambda n: (_goodness(n), n))


def _goodness(places: Places) -> int:
    levels = (places.street, places.unit, places.city, places.postcode, places.region)
    return sum(good[level] for good, level in zip(_GOOD, levels, strict=True))


def _places(a: Home, b: Home, frequencies: Frequencies) -> Places:
    street, road = _street(a, b)
    unit = _text(a.unit, b.unit)
    city, town = _city(a, b)
    postcode = digits_alike(a.postcode, b.postcode) if a.postcode and b.postcode else None
    postcode_level = 0 if postcode is None else 3 if postcode > CLOSE else postcode + 1
    return Places(
        street,
        frequencies.rarity("road", road) if road else 0,
        unit,
        frequencies.rarity("unit", a.unit) if unit == 1 else 0,
        city,
        frequencies.rarity("city", town) if city == 1 else 0,
        postcode_level,
        frequencies.rarity("postcode", a.postcode) if postcode_level == 1 else 0,
        0 if not a.region or not b.region else 1 if a.region == b.region else 2,
    )


def _street(a: Home, b: Home) -> tuple[int, str]:
    """Level of road and house number together, and the road where it is exactly the same."""
    if not a.road or not b.road:
        return 0, ""
    alike = likeness(a.road, b.road)
    numbers = bool(a.number and b.number)
    if alike == EXACT:
        slip = digits_alike(a.number, b.number) if numbers else CLOSE
        return (1 if slip == EXACT else 2 if slip == CLOSE else 4), a.road
    if alike <= SIMILAR or _joined(a.road, b.road):
        return (3 if numbers and a.number == b.number else 5), ""
    return (5 if b.unit == a.road or a.unit == b.road else 6), ""


def _joined(a: str, b: str) -> bool:
    return a.replace(" ", "") == b.replace(" ", "")


def _text(a: str, b: str) -> int:
    if not a or not b:
        return 0
    alike = likeness(a, b)
    return 1 if alike == EXACT else 2 if alike <= SIMILAR or _joined(a, b) else 3


def _city(a: Home, b: Home) -> tuple[int, str]:
    if a.city and a.city == b.city and not a.district and not b.district:
        return 1, a.city
    left = [name for name in (a.city, a.district) if name]
    right = [name for name in (b.city, b.district) if name]
    if not left or not right:
        return 0, ""
    shared = [name for name in left if name in right]
    if shared:
        return 1, min(shared)
    return (2 if any(likeness(x, y) <= SIMILAR for x in left for y in right) else 3), ""


class Companies(NamedTuple):
    """Levels and rarity of two companies' names."""

    company: int = 0
    rarity: int = 0
    branch: int = 0


_NO_COMPANY = Companies()


def compare_companies(a: tuple[CompanyName, ...], b: tuple[CompanyName, ...], frequencies: Frequencies) -> Companies:
    """The best of all pairs of names: 1 exact, 2 close, 3 one part of the other, 4 similar, 5 different.

    Which branch it is, 1 the same, 2 one says none, 3 another, is told by all names: a foreign one often has none. A
    company that is registered somewhere else is another one, like a branch.
    """
    if not a or not b:
        return _NO_COMPANY
    branch = agreement({name.branch for name in a}, {name.branch for name in b})
    if registered_elsewhere(a, b):
        branch = 3
    return min((_company(x, y, branch, frequencies) for x in a[:4] for y in b[:4]), key=lambda n: (n.company or 9, n))


def registered_elsewhere(a: Iterable[CompanyName], b: Iterable[CompanyName]) -> bool:
    """Whether the names say where both are registered, and all places of one exclude those of the other."""
    here, there = {name.region for name in a if name.region}, {name.region for name in b if name.region}
    return bool(here and there) and all(elsewhere(x, y) for x in here for y in there)


def _company(a: CompanyName, b: CompanyName, branch: int, frequencies: Frequencies) -> Companies:
    if not a.core or not b.core:
        return Companies(0, 0, branch)
    alike = likeness(a.core, b.core)
    if alike == EXACT and (not a.han or not b.han or a.han == b.han):
        return Companies(1, frequencies.rarity("company", a.core), branch)
    if alike <= CLOSE or _joined(a.core, b.core) or fuzz.token_sort_ratio(a.core, b.core) >= 93:
        return Companies(2, 0, branch)
    left, right = set(a.tokens), set(b.tokens)
    if left and right and (left <= right or right <= left or _acronym(a, b) or _acronym(b, a)):
        return Companies(3, 0, branch)
    similar = alike == SIMILAR or fuzz.token_sort_ratio(a.core, b.core) >= 82
    return Companies(4 if similar else 5, 0, branch)


def _acronym(short: CompanyName, long: CompanyName) -> bool:
    """ibm of international business machines."""
    return len(short.core) >= 3 and len(long.tokens) >= 3 and short.core == "".join(word[:1] for word in long.tokens)
