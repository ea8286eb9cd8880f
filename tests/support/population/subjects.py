"""The people and companies themselves, without any error: what a perfect record would say."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from tests.support.population import chinese, western

_CODE = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_FIRST_BIRTH, _BIRTHS = date(1938, 1, 1), 25_500


@dataclass(frozen=True, slots=True)
class Home:
    """One address, in its parts."""

    street: str
    number: str
    unit: str
    district: str
    city: str
    state: str
    postcode: str
    country: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody. `glyphs` are the characters of the given name, `clan` those of the surname, for Chinese people."""

    gender: str
    given: str
    middle: str
    family: str
    born: date
    phones: tuple[str, ...]
    emails: tuple[str, ...]
    homes: tuple[Home, ...]
    national_id: str
    suffix: str = ""
    former: str = ""
    clan: chinese.Glyph | None = None
    glyphs: tuple[chinese.Glyph, ...] = ()


@dataclass(frozen=True, slots=True)
class Company:
    """A company or one branch of it; `words` are the characters of a Chinese one, `latin` its foreign name."""

    core: str
    trade: str
    legal: str
    latin: str
    branch: str
    phones: tuple[str, ...]
    emails: tuple[str, ...]
    home: Home
    credit_code: str
    words: tuple[chinese.Glyph, ...] = ()


def person(rng: Random, *, is_chinese: bool) -> Person:
    """Somebody new."""
    return _chinese_person(rng) if is_chinese else _western_person(rng)


def company(rng: Random, *, is_chinese: bool) -> Company:
    """Some new company."""
    if not is_chinese:
        town = rng.choice(western.TOWNS)
        core = f"{rng.choice(western.COMPANY_WORDS)} {rng.choice((*western.COMPANY_WORDS, *western.SURNAMES))}"
        trade, legal = rng.choice(western.COMPANY_TRADES), rng.choice(western.LEGAL[town.country])
        domain = f"{ascii_of(core).lower().replace(' ', '')[:18]}.{rng.choice(('com', 'net', 'biz'))}"
        mails = (f"info@{domain}", f"{rng.choice(('sales', 'anna', 'j.smith', 'office'))}@{domain}")
        return Company(core, trade, legal, "", "", (_phone(rng, town),), mails, _western_home(rng, town), "")
    place = rng.choice(chinese.TOWNS)
    words = tuple(rng.sample(chinese.WORDS, rng.choice((2, 2, 3))))
    trade, foreign = rng.choice(chinese.TRADES)
    core = "".join(word.han for word in words)
    latin = f"{''.join(word.plain for word in words).capitalize()} {foreign} Co., Ltd."
    domain = f"{''.join(word.plain for word in words)}{rng.choice(('', '-china', rng.choice('abc')))}.com"
    legal = rng.choices(("有限公司", "有限责任公司", "股份有限公司", "厂"), (8, 2, 2, 1))[0]
    phones = (f"+86{place.dial}{rng.randint(10**7, 10**8 - 1)}",)
    return Company(
        core, trade, legal, latin, "", phones, (f"info@{domain}",), chinese_home(rng, place), credit_code(rng), words
    )


def _chinese_person(rng: Random) -> Person:
    clan = rng.choices(chinese.SURNAMES, [1 / (3 + n) for n in range(len(chinese.SURNAMES))])[0]
    gender = rng.choice(("male", "female"))
    glyphs = given_glyphs(rng, gender)
    born = _born(rng)
    plain = "".join(glyph.plain for glyph in glyphs)
    phones = tuple(f"+86{rng.choice(chinese.MOBILE)}{rng.randint(0, 10**8 - 1):08}" for _ in range(_few(rng)))
    local = rng.choice((str(rng.randint(10**7, 10**10)), f"{clan.plain}{plain}{rng.randint(1, 999)}"))
    homes = tuple(chinese_home(rng, rng.choice(chinese.TOWNS)) for _ in range(_few(rng)))
    return Person(
        gender,
        "".join(glyph.han for glyph in glyphs),
        "",
        clan.han,
        born,
        phones,
        (f"{local}@{rng.choice(chinese.MAILS)}",),
        homes,
        resident_id(rng, born, gender),
        clan=clan,
        glyphs=glyphs,
    )


def _western_person(rng: Random) -> Person:
    gender = rng.choice(("male", "female"))
    given = given_name(rng, gender)
    family = surname(rng)
    born, town = _born(rng), rng.choice(western.TOWNS)
    first, last = ascii_of(given).lower(), ascii_of(family).lower()
    local = rng.choice((f"{first}.{last}", f"{first[0]}{last}{born.year % 100}", f"{first}{rng.randint(1, 9999)}"))
    homes = (_western_home(rng, town), *(_western_home(rng, rng.choice(western.TOWNS)) for _ in range(_few(rng) - 1)))
    return Person(
        gender,
        given,
        given_name(rng, gender) if rng.random() < 0.35 else "",
        family,
        born,
        tuple(_phone(rng, town) for _ in range(_few(rng))),
        (f"{local}@{rng.choice(western.MAILS)}",),
        homes,
        str(rng.randint(10**8, 10**9 - 1)),
        former=surname(rng) if gender == "female" and rng.random() < 0.3 else "",
    )


def given_glyphs(rng: Random, gender: str) -> tuple[chinese.Glyph, ...]:
    """The characters of a given name, one or two."""
    table = chinese.MALE if gender == "male" else chinese.FEMALE
    return tuple(rng.sample(table, 2 if rng.random() < 0.75 else 1))


def given_name(rng: Random, gender: str) -> str:
    """A Western given name; the first of the table are the common ones."""
    table = western.MALE if gender == "male" else western.FEMALE
    return table[min(int(rng.expovariate(1 / 25)), len(table) - 1 - rng.randrange(5))]


def surname(rng: Random) -> str:
    """A Western surname: a third are common, the rest of the long tail."""
    if rng.random() < 0.35:
        return rng.choice(western.SURNAMES)
    return rng.choice(western.SURNAME_HEADS) + rng.choice(western.SURNAME_TAILS) + rng.choice(("", "", "", "s", "e"))


def chinese_home(rng: Random, town: chinese.Town) -> Home:
    """An address in a Chinese city."""
    unit = f"{rng.randint(1, 20)}栋{rng.randint(1, 30)}0{rng.randint(1, 4)}室" if rng.random() < 0.7 else ""
    postcode = town.postcode + f"{rng.randint(0, 99):03}"
    district = rng.choice(town.districts)
    return Home(
        rng.choice(chinese.ROADS), f"{rng.randint(1, 888)}号", unit, district, town.city, town.province, postcode, "CN"
    )


def _western_home(rng: Random, town: western.Town) -> Home:
    kind = rng.choice(western.STREET_TYPES)[0]
    street = f"{rng.choice(western.STREETS)} {kind}"
    unit = f"Apt {rng.randint(1, 60)}" if rng.random() < 0.25 else ""
    postcode = "".join(
        str(rng.randrange(10)) if c == "#" else rng.choice("ABDEFGHJ") if c == "@" else c for c in town.postcode
    )
    return Home(street, str(rng.randint(1, 400)), unit, "", town.city, town.state, postcode, town.country)


def moved(rng: Random, somebody: Person, home: Home | None = None) -> Person:
    """The same person at another address."""
    return replace(somebody, homes=(home or (_chinese_or_western(rng, somebody)),))


def _chinese_or_western(rng: Random, somebody: Person) -> Home:
    if somebody.clan:
        return chinese_home(rng, rng.choice(chinese.TOWNS))
    return _western_home(rng, rng.choice(western.TOWNS))


def resident_id(rng: Random, born: date, gender: str) -> str:
    """A Chinese resident identity number with its check character (ISO 7064 mod 11-2)."""
    order = rng.randrange(0, 998, 2) + (gender == "male")
    body = (
        f"{rng.choice(('110101', '310104', '440106', '330106', '510104', '420102', '320102'))}{born:%Y%m%d}{order:03}"
    )
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(d) * w for d, w in zip(body, weights, strict=True)) % 11]


def credit_code(rng: Random) -> str:
    """A unified social credit code with its check character (weights 3^i mod 31)."""
    area = rng.choice(("110105", "310115", "440106", "330106", "510104"))
    body = f"91{area}" + "".join(rng.choice(_CODE) for _ in range(9))
    return body + _CODE[-sum(_CODE.index(c) * pow(3, i, 31) for i, c in enumerate(body)) % 31]


def ascii_of(text: str) -> str:
    """Letters of ASCII only, without marks."""
    text = text.replace("ø", "o").replace("Ø", "O").replace("ß", "ss").replace("ł", "l")
    return "".join(c for c in unicodedata.normalize("NFD", text) if c.isascii() and (c.isalnum() or c in " -"))


def _phone(rng: Random, town: western.Town) -> str:
    return town.phone + "".join(str(rng.randint(2 if n == 0 else 0, 9)) for n in range(7))


def _born(rng: Random) -> date:
    return _FIRST_BIRTH + timedelta(days=rng.randrange(_BIRTHS))


def _few(rng: Random) -> int:
    return 2 if rng.random() < 0.3 else 1
