"""A pair of records -> a level per field -> its weight, as a sum that is exact.

The weight is a function of the two records and the model alone: neither order nor other records change it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from services.identity.matching.contact import (
    compare_companies,
    compare_emails,
    compare_homes,
    compare_identities,
    compare_phones,
)
from services.identity.matching.limits import NAMES, highest, limits
from services.identity.matching.model import FIELDS, LEVELS, Model
from services.identity.matching.person import compare_births, compare_names
from services.identity.matching.record import Normal

Band: TypeAlias = Literal["merge", "review", "new"]


class Levels(NamedTuple):
    """The level of every field in the order of FIELDS, and the rarity of what agrees, in thousandths of a bit."""

    codes: tuple[int, ...]
    rarities: tuple[int, ...]


class Bar(NamedTuple):
    """One addend of a weight, in thousandths of a bit. `field` may be a limit: "moved", "household", …"""

    field: str
    level: str
    weight: int


class Score(NamedTuple):
    """The prior and the bars add up to `weight` exactly."""

    weight: int
    prior: int
    bars: tuple[Bar, ...]
    band: Band


def compare(a: Normal, b: Normal, model: Model) -> Levels:
    """Compares two records field by field. Symmetric; never fails."""
    return _with_places(_without_places(a, b, model), a, b, model)


def likely(a: Normal, b: Normal, model: Model, least: int) -> Levels | None:
    """What `compare` says, or None, and sooner, where the names and the like show that the pair weighs less than that.

    However well phones and addresses agree, they reach no more than the limits of what households, twins and namesakes
    share.
    """
    found = _without_places(a, b, model)
    if not a.extra or not b.extra:
        most = highest(found.codes, parts_of(found, model, len(found.codes)), model)
        if most < least:
            return None
    return _with_places(found, a, b, model)


def _without_places(a: Normal, b: Normal, model: Model) -> Levels:
    """The fields before the phone."""
    known = model.frequencies
    names = compare_names(a.names, b.names, known)
    companies = compare_companies(a.companies, b.companies, known)
    birth, birth_rarity = compare_births(a.birth, b.birth, model.guards.years, known)
    identity, identity_rarity = compare_identities(a.identities, b.identities, known)
    email, email_rarity = compare_emails(a.emails, b.emails, known)
    return Levels(
        (
            _same(a.kind, b.kind),
            names.given,
            names.family,
            1 if names.swapped else 0,
            names.middle,
            names.suffix,
            _same(a.gender, b.gender),
            birth,
            companies.company,
            companies.branch,
            identity,
            email,
        ),
        (
            0,
            names.given_rarity,
            names.family_rarity,
            0,
            0,
            0,
            0,
            birth_rarity,
            companies.rarity,
            0,
            identity_rarity,
            email_rarity,
        ),
    )


def _with_places(found: Levels, a: Normal, b: Normal, model: Model) -> Levels:
    """All fields."""
    known = model.frequencies
    phone, phone_rarity = compare_phones(a.phones, b.phones, known)
    places = compare_homes(a.homes, b.homes, known)
    extra, extra_rarity = _extras(a, b, model)
    return Levels(
        (
            *found.codes,
            phone,
            places.street,
            places.unit,
            places.city,
            places.postcode,
            places.region,
            extra,
        ),
        (
            *found.rarities,
            phone_rarity,
            places.street_rarity,
            places.unit_rarity,
            places.city_rarity,
            places.postcode_rarity,
            0,
            extra_rarity,
        ),
    )


def _same(a: str, b: str) -> int:
    return 0 if not a or not b else 1 if a == b else 2


def _extras(a: Normal, b: Normal, model: Model) -> tuple[int, int]:
    """Comparisons that a mapping added: as many agree as disagree is unknown."""
    if not a.extra or not b.extra:
        return 0, 0
    left, right = set(a.extra), set(b.extra)
    agreed = left & right
    names = {name for name, _ in agreed}
    known = {name for name, _ in left} & {name for name, _ in right}
    balance = 2 * len(names) - len(known)
    if balance > 0:
        return 1, max(model.frequencies.rarity("extra", f"{name}:{value}") for name, value in agreed)
    return (2 if balance < 0 else 0), 0


def parts_of(levels: Levels, model: Model, fields: int = len(FIELDS)) -> list[int]:
    """The weight of each of the first fields in the order of FIELDS; levels has no others."""
    known = zip(levels.codes, levels.rarities, model.weights[:fields], model.rare[:fields], strict=True)
    return [table[code] + (rarity if rare[code] else 0) if code else 0 for code, rarity, table, rare in known]


def total(levels: Levels, model: Model) -> int:
    """The weight alone, for where nobody reads the bars."""
    parts = parts_of(levels, model)
    return model.prior + sum(parts) + sum(limits(levels.codes, parts, model))


def band(weight: int, model: Model) -> Band:
    return "merge" if weight >= model.merge else "review" if weight >= model.review else "new"


def weigh(levels: Levels, model: Model) -> Score:
    """The weight of a pair with a bar for every field that both records know and every limit that was reached."""
    parts = parts_of(levels, model)
    bars = [
        Bar(name, LEVELS[name][code], part)
        for name, code, part in zip(FIELDS, levels.codes, parts, strict=True)
        if code
    ]
    reached = zip(NAMES, limits(levels.codes, parts, model), strict=True)
    bars.extend(Bar(name, "limit", weight) for name, weight in reached if weight)
    weight = model.prior + sum(bar.weight for bar in bars)
    return Score(weight, model.prior, tuple(bars), band(weight, model))
