"""Dates of birth: ISO, day and month in either order, without separators, Chinese, with a month's name, and in part."""

from __future__ import annotations

import re
from functools import lru_cache

from services.identity.matching.normalise.text import Steps, fold, known, note
from services.identity.matching.record import Birth

YEARS = range(1000, 2101)
"""Years that a date of birth can have: others are taken for no date at all."""
MONTH_FIRST = frozenset(("US",))
"""Countries that write the month before the day."""
PLACEHOLDERS = frozenset(
    [
        (1900, 1, 1),
        (1899, 12, 30),
        (1899, 12, 31),
        (1901, 1, 1),
        (1904, 1, 1),
        (1970, 1, 1),
        (1753, 1, 1),
        (1111, 11, 11),
    ]
)
"""What software and hurried people enter for an unknown date."""
_CENTURY = 30
"""A year of two digits is of this century up to here, and of the last one above."""

_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan january januar enero janvier", "feb february februar febrero fevrier", "mar march marz marzo mars",
         "apr april abril avril", "may mai mayo", "jun june juni junio juin", "jul july juli julio juillet",
         "aug august agosto aout", "sep sept september septiembre septembre", "oct october oktober okt octubre octobre",
         "nov november noviembre novembre", "dec december dezember dez diciembre decembre"), start=1,
    )
    for name in names.split()
}  # fmt: skip
_DAYS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_HAN_DIGITS = str.maketrans("\u3007零一二三四五六七八九元", "001234567891")
_HAN_DATE = re.compile(r"(?P<y>\d{2,4})年(?:(?P<m>\d{1,2}|[十\d]{1,3})月)?(?:(?P<d>\d{1,2}|[十\d]{1,3})[日号]?)?")
_ISO = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PARTS = re.compile(r"\d+|[a-z]+")
_TIME = re.compile(r"[t ]\d{1,2}:\d{2}.*$")


@lru_cache(maxsize=32_768)
def birth(text: str, country: str = "") -> Birth | None:
    """A date of birth, or None where there is no date in the text. Never fails.

    Of two numbers that could both be a month the first is the day, but in the countries that write the month first.
    A part that no calendar has (month 13, 31 February) is not known; a year out of `YEARS` makes it no date.
    """
    return read(text, country, None)


def read(text: str, country: str, steps: Steps | None) -> Birth | None:
    """As `birth`, noting every step."""
    if _ISO.fullmatch(text):
        return _checked(int(text[:4]), int(text[5:7]), int(text[8:]))
    given = known(text)
    if not given:
        return None
    folded = _TIME.sub("", fold(given[:64]).strip())
    note(steps, "folded", folded)
    found = _chinese(folded)
    if found is None:
        found = _numbers(_PARTS.findall(folded), country)
    return None if found is None else _checked(*found)


def _chinese(folded: str) -> tuple[int, int, int] | None:
    if "年" not in folded:
        return None
    match = _HAN_DATE.search(folded.translate(_HAN_DIGITS).replace(" ", ""))
    if match is None:
        return None
    return _year(match["y"]), _han_number(match["m"]), _han_number(match["d"])


def _han_number(text: str | None) -> int:
    """11 for 11 and 十一, 20 for 二十; 0 for what is not there."""
    if not text:
        return 0
    tens, ten, ones = text.partition("十")
    digits = f"{tens or 1}{ones or 0}" if ten else text
    return int(digits) if digits.isdecimal() else 0


def _year(digits: str) -> int:
    year = int(digits)
    if len(digits) > 2:
        return year
    return year + (2000 if year <= _CENTURY else 1900)


def _numbers(parts: list[str], country: str) -> tuple[int, int, int] | None:
    named = [_MONTHS[part] for part in parts if part in _MONTHS]
    digits = [part for part in parts if part.isdecimal() and part.isascii() and len(part) <= 8]
    if named:
        return _named(named[0], digits)
    if len(digits) == 1:
        return _together(digits[0], country)
    if len(digits) == 2:
        return _month_and_year(*digits)
    if len(digits) != 3:
        return None
    if len(digits[0]) >= 3:
        return int(digits[0]), int(digits[1]), int(digits[2])
    return _ordered(int(digits[0]), int(digits[1]), _year(digits[2]), country)


def _month_and_year(first: str, second: str) -> tuple[int, int, int] | None:
    if len(first) == 4:
        return int(first), int(second), 0
    return (int(second), int(first), 0) if len(second) == 4 else None


def _named(month: int, digits: list[str]) -> tuple[int, int, int] | None:
    """A date with the name of its month: the number that can be no day is the year."""
    if not digits:
        return None
    if len(digits) == 1:
        return (_year(digits[0]), month, 0) if len(digits[0]) == 4 else None
    first, second = digits[:2]
    if len(first) > 2:
        return int(first), month, int(second)
    return _year(second), month, int(first)


def _together(digits: str, country: str) -> tuple[int, int, int] | None:
    """yyyymmdd, or else ddmmyyyy; yyyymm; yyyy; yymmdd."""
    if len(digits) == 8:
        year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:])
        if not (year in YEARS and month <= 12 and day <= 31) and int(digits[4:]) in YEARS:
            return _ordered(int(digits[:2]), int(digits[2:4]), int(digits[4:]), country)
        return year, month, day
    if len(digits) == 6:
        if int(digits[:4]) in YEARS and 1 <= int(digits[4:]) <= 12:
            return int(digits[:4]), int(digits[4:]), 0
        return _year(digits[:2]), int(digits[2:4]), int(digits[4:])
    return (int(digits), 0, 0) if len(digits) == 4 else None


def _ordered(first: int, second: int, year: int, country: str) -> tuple[int, int, int]:
    month_first = second > 12 or (country in MONTH_FIRST and first <= 12)
    return (year, first, second) if month_first else (year, second, first)


def _checked(year: int, month: int, day: int) -> Birth | None:
    if year not in YEARS:
        return None
    placeholder = (year, month, day) in PLACEHOLDERS
    if month > 12 and day <= 12:
        month, day = day, month
    if month > 12:
        month = 0
    if day > 31 or (month and day > _DAYS[month]):
        day = 0
    return Birth(year, month, day, 0 < month != day and 0 < day <= 12, placeholder)
