"""One record as it was given -> the same record in the form that is compared."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

from services.identity.matching.normalise import addresses, companies, dates, emails, identifiers, names, phones
from services.identity.matching.normalise.places import AUSTRALIAN
from services.identity.matching.normalise.tables import listed
from services.identity.matching.normalise.text import LONGEST, fold, known, words
from services.identity.matching.record import (
    Address,
    Birth,
    CompanyName,
    Email,
    Home,
    Identity,
    Normal,
    PersonName,
    Phone,
    Raw,
)

VERSION = "normalise.v1"
"""Goes up whenever any value would come out differently: a stored key or weight belongs to one version."""
MOST = 64
"""Values that are read of one list: phones, e-mail addresses, addresses, identifiers, other comparisons."""

_Value = TypeVar("_Value")

_KINDS = {
    "person": "person", "individual": "person", "natural": "person", "p": "person", "个人": "person",
    "自然人": "person",
    "org": "org", "organisation": "org", "organization": "org", "company": "org", "business": "org", "o": "org",
    "c": "org", "corporate": "org", "legal": "org", "企业": "org", "公司": "org", "机构": "org", "组织": "org",
}  # fmt: skip
_GENDERS = {
    "m": "male", "male": "male", "man": "male", "男": "male", "男性": "male", "1": "male", "mr": "male",
    "f": "female", "female": "female", "woman": "female", "女": "female", "女性": "female", "2": "female",
    "w": "female", "mrs": "female", "ms": "female", "miss": "female",
}  # fmt: skip
_ORGANISATIONS_ONLY = frozenset(listed("uscc lei au_acn fr_siren fr_siret br_cnpj us_ein gb_vat"))


def normalise(raw: Raw, country: str = "") -> Normal:
    """The form of a record that is compared. Pure, and never fails: what cannot be read is not known.

    `country` (ISO 3166, two letters) is where a phone number without a calling code and a date with day and month in
    doubt belong to when the record's own address does not say so; "" leaves both open. Every value is cut to a stated
    length (`text.LONGEST` and its like) and every list to `MOST`, so that nothing written can make this slow.
    """
    homes = _homes(raw.addresses)
    where = country_of(raw, homes) or country
    identities = _identities(raw.identifiers)
    kind = _kind(raw, identities)
    birth = dates.birth(raw.birth_date[:64], where) if raw.birth_date else None
    gender = _GENDERS.get(raw.gender[:16].strip().lower(), "") if raw.gender else ""
    if identities and not (birth and gender) and kind != "org":
        birth, gender = _told(identities, birth, gender)
    persons, firms = _names(raw, kind)
    return Normal(
        kind=kind,
        names=persons,
        companies=firms,
        gender=gender,
        birth=birth,
        phones=_phones(raw.phones, where),
        emails=_emails(raw.emails),
        homes=homes,
        identities=identities,
        extra=_extra(raw.extra),
    )


def _names(raw: Raw, kind: str) -> tuple[tuple[PersonName, ...], tuple[CompanyName, ...]]:
    """Names of a person and of a company. An organisation's person (a contact) is no name of it, and is left out."""
    full, given, family = raw.full[:LONGEST], raw.given[:LONGEST], raw.family[:LONGEST]
    company, others = raw.company[:LONGEST], tuple([other[:LONGEST] for other in raw.others[: names.MOST]])
    if kind == "org":
        return (), companies.companies(full, company, others) or companies.companies(f"{given} {family}", "", ())
    firms = companies.companies("", company, ()) if company else ()
    return names.persons(full, given, family, others), firms


def _kind(raw: Raw, identities: tuple[Identity, ...]) -> str:
    """What the source says; or else what the other fields tell; "" where they tell nothing."""
    if raw.kind:
        found = _KINDS.get(raw.kind[:32].strip().lower())
        if found is not None:
            return found
    if any(identity.type in _ORGANISATIONS_ONLY for identity in identities):
        return "org"
    if raw.birth_date or raw.gender or (raw.given and raw.family):
        return "person"
    if raw.company and not (raw.full or raw.given or raw.family):
        return "org"
    if raw.full and companies.is_organisation(raw.full[:LONGEST]):
        return "org"
    return "person" if raw.full or raw.given or raw.family else ""


def country_of(raw: Raw, homes: tuple[Home, ...]) -> str:
    """The country of the record: of an address, of a state that only one country has, or China's by its characters."""
    for home in homes:
        if home.country:
            return home.country
    for home in homes:
        if home.region in AUSTRALIAN:
            return "AU"
    written = (raw.full or raw.family or raw.company)[:64]
    return "CN" if not written.isascii() and _is_chinese(written) else ""


@lru_cache(maxsize=16_384)
def _is_chinese(written: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in written) and not any(
        "\u3040" <= letter <= "\u30ff" or "\uac00" <= letter <= "\ud7a3" for letter in written
    )


def _homes(given: tuple[Address, ...]) -> tuple[Home, ...]:
    if not given:
        return ()
    return _once([addresses.home(address) for address in given[:MOST]])


def _phones(given: tuple[str, ...], country: str) -> tuple[Phone, ...]:
    if not given:
        return ()
    if len(given) == 1 and len(given[0]) <= phones.ONE:
        return _once([phones.phone(given[0], country)])
    parts = [part for text in given[:MOST] for part in phones.parted(text)]
    return _once([phones.phone(part, country) for part in parts[:MOST]])


def _emails(given: tuple[str, ...]) -> tuple[Email, ...]:
    if not given:
        return ()
    parts = [part for text in given[:MOST] for part in emails.parted(text)]
    return _once([emails.email(part) for part in parts[:MOST]])


def _identities(given: tuple[tuple[str, str], ...]) -> tuple[Identity, ...]:
    if not given:
        return ()
    return _once([identifiers.identity(kind[:64], value[: identifiers.LONGEST]) for kind, value in given[:MOST]])


def _extra(given: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    if not given:
        return ()
    pairs = [
        (name[:64] if name.isprintable() else fold(name[:64]), _category(value[:LONGEST]))
        for name, value in given[:MOST]
    ]
    return tuple([pair for pair in pairs if pair[1]])


@lru_cache(maxsize=16_384)
def _category(value: str) -> str:
    return " ".join(words(fold(known(value))))


def _once(found: list[_Value | None]) -> tuple[_Value, ...]:
    """What was found, each once, in the order given."""
    if len(found) == 1:
        only = found[0]
        return () if only is None else (only,)
    return tuple(dict.fromkeys(value for value in found if value is not None))


def _told(identities: tuple[Identity, ...], birth: Birth | None, gender: str) -> tuple[Birth | None, str]:
    """Date of birth and gender, taken from a valid resident identity number where the record does not give them."""
    for identity in identities:
        told = identifiers.told_by_ric(identity)
        if told is not None:
            return birth or dates.birth(told[0]), gender or told[1]
    return birth, gender
