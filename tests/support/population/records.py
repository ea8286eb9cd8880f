"""One record of somebody: which columns a source fills, and with what errors."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from tests.support.population import western
from tests.support.population.errors import (
    chinese_words,
    typo,
    western_case,
    western_given,
    written_date,
    written_email,
    written_home,
    written_phone,
)
from tests.support.population.subjects import Company, Person
from tests.support.population.words import words

SOURCES = ("crm", "shop", "service", "partner")
COLUMNS = words(
    "id kind full_name given_name surname company_name other_name gender birth_date phone email street "
    "street_number street_2 district suburb city state postcode country credit_code soc_sec_id national_id "
    "source"
)


def of_person(rng: Random, somebody: Person) -> dict[str, str]:
    """A record of a person as one source keeps it; empty columns are left out."""
    row = {"kind": "person" if rng.random() < 0.9 else "", "source": rng.choice(SOURCES)}
    row |= _chinese_name(rng, somebody) if somebody.clan else _western_name(rng, somebody)
    if rng.random() < 0.5:
        row["gender"] = somebody.gender if rng.random() < 0.97 else rng.choice(("male", "female"))
        if rng.random() < 0.4:
            row["gender"] = row["gender"][0].upper()
    if rng.random() < 0.5:
        row["birth_date"] = written_date(rng, somebody.born)
    if rng.random() < 0.75:
        row["phone"] = written_phone(rng, rng.choice(somebody.phones))
    if rng.random() < 0.5:
        row["email"] = written_email(rng, rng.choice(somebody.emails))
    if rng.random() < 0.7:
        row |= written_home(rng, somebody.homes[0] if rng.random() < 0.8 else rng.choice(somebody.homes))
    if rng.random() < 0.12:
        column = "national_id" if somebody.clan else "soc_sec_id"
        row[column] = somebody.national_id if rng.random() < 0.95 else typo(rng, somebody.national_id)
    return _filled(row)


def of_company(rng: Random, firm: Company) -> dict[str, str]:
    """A record of a company as one source keeps it; empty columns are left out."""
    row = {"kind": "org" if rng.random() < 0.9 else "", "source": rng.choice(SOURCES)}
    row["company_name"] = _chinese_company(rng, firm) if firm.words else _western_company(rng, firm)
    if firm.words and rng.random() < 0.1:
        row["other_name"] = firm.latin
    if rng.random() < 0.7:
        row["phone"] = written_phone(rng, rng.choice(firm.phones))
    if rng.random() < 0.5:
        row["email"] = written_email(rng, rng.choice(firm.emails))
    if rng.random() < 0.75:
        row |= written_home(rng, firm.home)
    if firm.credit_code and rng.random() < 0.35:
        row["credit_code"] = firm.credit_code if rng.random() < 0.95 else typo(rng, firm.credit_code)
    return _filled(row)


def _filled(row: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if value}


def _chinese_name(rng: Random, somebody: Person) -> dict[str, str]:
    script = rng.choices(("han", "traditional", "plain", "toned"), (78, 5, 14, 3))[0]
    assert somebody.clan
    family = chinese_words(rng, (somebody.clan,), script)
    given = chinese_words(rng, somebody.glyphs, script)
    if script in ("han", "traditional"):
        if rng.random() < 0.5:
            return {"surname": family, "given_name": given}
        title = rng.choice(("先生", "女士", "")) if rng.random() < 0.05 else ""
        return {"full_name": f"{family}{' ' if rng.random() < 0.04 else ''}{given}{title}"}
    if rng.random() < 0.4:
        return {"surname": family, "given_name": given}
    name = f"{family} {given}" if rng.random() < 0.6 else f"{given} {family}"
    return {"full_name": name.upper() if rng.random() < 0.2 else name}


def _western_name(rng: Random, somebody: Person) -> dict[str, str]:
    given = western_case(rng, western_given(rng, somebody.given))
    family = somebody.family
    row: dict[str, str] = {}
    if somebody.former and rng.random() < 0.25:
        family = somebody.former
    elif somebody.former and rng.random() < 0.15:
        row["other_name"] = f"{somebody.given} {somebody.former}"
    family = western_case(rng, typo(rng, family) if rng.random() < 0.05 else family)
    middle = somebody.middle if rng.random() < 0.4 else somebody.middle[:1] if rng.random() < 0.5 else ""
    suffix = somebody.suffix if rng.random() < 0.6 else ""
    if rng.random() < 0.5:
        if rng.random() < 0.03:
            given, family = family, given
        return row | {"given_name": " ".join(filter(None, (given, middle))), "surname": f"{family} {suffix}".strip()}
    title = rng.choice(western.TITLES[somebody.gender]) if rng.random() < 0.1 else ""
    if rng.random() < 0.12:
        return row | {"full_name": f"{family}, {' '.join(filter(None, (given, middle, suffix)))}"}
    return row | {"full_name": " ".join(filter(None, (title, given, middle, family, suffix)))}


def _chinese_company(rng: Random, firm: Company) -> str:
    if firm.latin and rng.random() < 0.1:
        return f"{firm.latin}{' ' + firm.branch if firm.branch else ''}"
    script = "traditional" if rng.random() < 0.04 else "han"
    core = chinese_words(rng, firm.words, script)
    place = firm.home.city.removesuffix("市") if rng.random() < 0.7 else firm.home.city
    legal = firm.legal if rng.random() < 0.8 else ""
    core = f"{core[0]}{core}" if rng.random() < 0.01 else core
    shape = rng.random()
    if shape < 0.75:
        return f"{place}{core}{firm.trade}{legal}{firm.branch}"
    if shape < 0.85:
        return f"{core}({place}){firm.trade}{legal}{firm.branch}"
    return f"{core}{firm.trade}{legal}{firm.branch}"


def _western_company(rng: Random, firm: Company) -> str:
    legal = rng.choice(western.LEGAL[firm.home.country]) if rng.random() < 0.3 else firm.legal
    name = f"{firm.core} {firm.trade}" if rng.random() < 0.93 else firm.core
    name = typo(rng, name) if rng.random() < 0.04 else name
    branch = f" - {firm.branch}" if firm.branch else ""
    return western_case(rng, f"{name} {legal if rng.random() < 0.75 else ''}".strip() + branch)
