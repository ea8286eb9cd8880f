"""Addresses taken apart: Western ones from parts or a line, Chinese ones by their administrative levels.

Both come to the same spelling of a road, "nanjing east rd": 南京东路, Nanjing East Road and Nanjing Dong Lu are one.
What cannot be told apart stays in the road, so that nothing is lost to comparison.
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec.structs import astuple

from services.identity.matching.normalise.chinese_address import chinese, romanised_place
from services.identity.matching.normalise.places import COUNTRIES, DIRECTIONS, GLUED, REGIONS, STREETS, UNITS
from services.identity.matching.normalise.tables import listed
from services.identity.matching.normalise.text import LONGEST, Steps, fold, han, known, words
from services.identity.matching.record import Address, Home

_HOUSE = re.compile(r"\d+[a-z]?(?:[-/]\d+[a-z]?)*")
_SUFFIXED = re.compile(r"[a-z]")
_POSTCODES = re.compile(r"\b([a-z]{1,2}\d[a-z\d]?\s*\d[a-z]{2}|[a-z]\d[a-z]\s*\d[a-z]\d|\d{5}-\d{4}|\d{4,6})\s*$")

_CONTINENTAL = re.compile(r"(?:[a-z]{1,3}-)?(\d{4} ?[a-z]{2}(?= )|\d{2}-\d{3}|\d{3} \d{2}(?= )|\d{4,5}) ([^\d,]{2,})")
"""A postcode before its town: 10115 berlin, 1012 ab amsterdam, 00-950 warszawa, 110 00 praha."""


@lru_cache(maxsize=16_384)
def country(text: str) -> str:
    """The ISO code of two letters of a country's name; "" for one that the table does not know."""
    given = known(text)
    return COUNTRIES.get(" ".join(words(fold(given))), "") if given else ""


@lru_cache(maxsize=16_384)
def region(text: str) -> str:
    """A state or province in its one spelling."""
    given = known(text)
    if not given:
        return ""
    folded = fold(given)
    if han(folded):
        return romanised_place(folded)
    plain = " ".join(words(folded))
    return REGIONS.get(plain, plain)


@lru_cache(maxsize=16_384)
def place(text: str) -> str:
    """The name of a city, suburb or district: folded, without its level (市, 区, city of)."""
    given = known(text)
    if not given:
        return ""
    folded = fold(given)
    if han(folded):
        return romanised_place(folded)
    found = [_PLACES.get(word, word) for word in words(folded)]
    if len(found) > 1 and found[-1] in _LEVELS:
        found.pop()
    return " ".join(found)


_DISTRICTS = frozenset(("district", "county", "qu"))
_LEVELS = frozenset(listed("city shi district qu county xian province sheng"))
_PLACES = {"mt": "mount", "saint": "st", "pt": "port", "ft": "fort", "nth": "north", "sth": "south"}


@lru_cache(maxsize=16_384)
def postcode(text: str) -> str:
    """A postcode: letters and digits alone; of an American one of nine digits the first five."""
    given = known(text)
    if not given:
        return ""
    plain = "".join(words(fold(given)))
    if plain.isdecimal():
        return plain[:5] if len(plain) == 9 else plain
    return plain


@lru_cache(maxsize=16_384)
def road(text: str) -> tuple[str, str, str]:
    """Name of a road, house number and unit of the line that holds them: ("wallaby pl", "7", "3")."""
    given = known(text)
    return _road(words(_marked(fold(given)))) if given else ("", "", "")


def _marked(folded: str) -> str:
    return folded.replace("#", " unit ") if "#" in folded else folded


def _road(found: list[str]) -> tuple[str, str, str]:
    number = ""
    units: list[str] = []
    name: list[str] = []
    at = 0
    while at < len(found):
        word = found[at]
        following = found[at + 1] if at + 1 < len(found) else ""
        if word in UNITS and following and following[0].isdigit():
            if word in _HOUSES:
                number = number or following
            else:
                units.append(following)
            at += 2
            continue
        if word[0].isdigit() and _HOUSE.fullmatch(word) and (not number or not name):
            if number:
                units.append(number)
            number = word
        else:
            name.append(word)
        at += 1
    return _named(name), number, "-".join(units)


_HOUSES = frozenset(("no", "number", "nr", "house", "hse"))


def _named(name: list[str]) -> str:
    """The words of a road's name with its kind and its direction in one spelling, the kind last."""
    if len(name) == 1:
        word = name[0]
        for glued in GLUED:
            if word.endswith(glued) and len(word) > len(glued) + 2:
                return f"{word[: -len(glued)]} {STREETS[glued]}"
        return word
    if not name:
        return ""
    last = name[-1]
    kind = STREETS.get(last)
    if kind is None:
        return " ".join(name)
    middle = name[:-1]
    if len(middle) > 1:
        if middle[-1] in DIRECTIONS:
            middle[-1] = DIRECTIONS[middle[-1]]
        elif middle[0] in DIRECTIONS:
            middle = [*middle[1:], DIRECTIONS[middle[0]]]
    return f"{' '.join(middle)} {kind}"


def has_kind(name: str) -> bool:
    """Whether the name of a road ends in a kind of street."""
    return name.rpartition(" ")[2] in _KINDS and " " in name


_KINDS = frozenset(STREETS.values())


def home(address: Address) -> Home | None:
    """An address taken apart, or None where nothing of it is known. Never fails."""
    return read(address, None)


def read(address: Address, steps: Steps | None) -> Home | None:
    """As `home`, noting every step."""
    written = astuple(address)
    if max(map(len, written)) > LONGEST:
        address = Address(*[part[:LONGEST] for part in written])
    code = country(address.country) if address.country else ""
    if not all(map(str.isascii, written)):
        parts = (address.state, address.city, address.district, address.suburb, address.street, address.extra)
        folded = fold("".join(parts) or address.line)
        if han(folded):
            found = chinese(address, folded, code)
            _note(steps, found)
            return found
    if address.line and not address.street:
        address = _from_line(address)
        code = country(address.country) if address.country else ""
    name, number, unit = road(address.street) if address.street else ("", "", "")
    if address.extra:
        name, number, unit = _with_extra(address.extra, name, number, unit)
    if address.number:
        _, given, of = road(address.number)
        number, unit = given or _plain(address.number) or number, unit or of
    city, suburb = place(address.city) if address.city else "", place(address.suburb) if address.suburb else ""
    district = place(address.district) if address.district else ""
    if not city:
        city, suburb = suburb, ""
    found = Home(
        code,
        region(address.state) if address.state else "",
        city,
        district or suburb,
        name,
        number,
        unit,
        postcode(address.postcode) if address.postcode else "",
    )
    _note(steps, found)
    return None if found == _NOWHERE else found


_NOWHERE = Home()


def _with_extra(extra: str, name: str, number: str, unit: str) -> tuple[str, str, str]:
    """A second line: a unit, the name of a building, or the road itself, where the first line is none."""
    other, house, of = road(extra)
    if other and has_kind(other) and not has_kind(name):
        name, other, number = other, name, number or house
    elif house:
        of = of or house
    return name, number, unit or of or other


def _plain(text: str) -> str:
    return "".join(words(fold(known(text))))


def _from_line(address: Address) -> Address:
    """A free line in parts: "7 Wallaby Place, Cleveland NSW 2119, Australia"; what is given in parts already wins."""
    parts = [part.strip() for part in fold(known(address.line)).split(",") if part.strip()]
    found = {"country": "", "postcode": "", "state": "", "city": "", "district": ""}
    if len(parts) > 1 and country(parts[-1]) and not _HOUSE.search(parts[-1]):
        found["country"] = parts.pop()
    for at in range(len(parts) - 1, 0, -1):
        _take(parts, at, found)
    parts = [part for part in parts if part]
    for at in range(len(parts) - 1, 0, -1):
        if not address.district and parts[at].rpartition(" ")[2] in _DISTRICTS:
            found["district"] = parts.pop(at)
    if not found["city"] and len(parts) > 1 and not road(parts[-1])[1] and not has_kind(road(parts[-1])[0]):
        found["city"] = parts.pop()
    street, extra = (parts[0], " ".join(parts[1:])) if parts else ("", "")
    if len(parts) > 1 and not has_kind(road(street)[0]) and has_kind(road(parts[1])[0]):
        street, extra = " ".join(parts[1:]), street
    return Address(
        street=street,
        number=address.number,
        extra=address.extra or extra,
        district=address.district or found["district"],
        suburb=address.suburb,
        city=address.city or found["city"],
        state=address.state or found["state"],
        postcode=address.postcode or found["postcode"],
        country=address.country or found["country"],
    )


def _take(parts: list[str], at: int, found: dict[str, str]) -> None:
    """Takes postcode and state off the end of one part of a line."""
    town = _CONTINENTAL.fullmatch(parts[at])
    if town is not None and not found["postcode"] and not has_kind(road(town[2])[0]) and town[2] not in REGIONS:
        found["postcode"], found["city"] = town.groups()
        parts[at] = ""
        return
    match = _POSTCODES.search(parts[at])
    if match is not None and not found["postcode"] and not has_kind(road(parts[at])[0]):
        found["postcode"] = match[1]
        parts[at] = parts[at][: match.start()].strip()
    for length in (3, 2, 1):
        words_ = parts[at].split()
        tail = " ".join(words_[-length:])
        if not found["state"] and len(words_) >= length and tail in REGIONS:
            found["state"] = tail
            parts[at] = " ".join(words_[:-length])
            return


def _note(steps: Steps | None, found: Home) -> None:
    if steps is not None:
        steps.extend((field, getattr(found, field)) for field in found.__struct_fields__ if getattr(found, field))
