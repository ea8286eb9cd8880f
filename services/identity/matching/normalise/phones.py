"""Telephone numbers as E.164 digits: calling code added, trunk prefix and extension parted, placeholders marked.

The rules of every country come from the metadata of `phonenumbers`, read once per country; they are applied here,
because the library's own parse takes forty microseconds a number. A test holds both to the same answers.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from services.identity.matching.normalise.tables import listed
from services.identity.matching.normalise.text import Steps, fold, known, note
from services.identity.matching.record import Phone

LONGEST = 64
"""Characters that are read of one number."""
ONE = 14
"""Characters up to which a text can hold but one number."""
SHORTEST = 6
"""Digits that a number needs to tell anything; fewer are a placeholder."""
PLACEHOLDERS = frozenset(listed("13800138000 13800000000 13912345678 13812345678 18888888888 13888888888 2025550123"))
"""Numbers that many people enter who have none to give."""
_RUNS = ("01234567890123456789", "98765432109876543210")
_EXTENSION = re.compile(
    r"(?:;ext=|,|\bextension|\bext\b|\bextn\b|(?<=\d)\s*x|\bx|#|转|转接|分机号?|分机:?|内线)[\s.::]*(\d{1,8})\D*$"
)
GUESSES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:86)?(1[3-9]\d{9})"), "86"),  # mobiles of mainland China
    (re.compile(r"0(10\d{8}|[3-9]\d{10})"), "86"),  # Peking, and towns with an area code of four digits
    (re.compile(r"0(4\d{8})"), "61"),  # mobiles of Australia
    (re.compile(r"0(7\d{9})"), "44"),  # mobiles of Great Britain
    (re.compile(r"0([67]\d{8})"), "33"),  # mobiles of France
    (re.compile(r"0(1[567]\d{8,9})"), "49"),  # mobiles of Germany
    (re.compile(r"([2-9]\d{2}[2-9]\d{6})"), "1"),  # North America, where the area code is in use
)
"""How a number looks that comes without a country -> the calling code it most probably has."""
_MOBILE_CN = re.compile(r"1[3-9]\d{9}")
_BETWEEN = re.compile(r"[;/|、\n]|\bor\b")
_NOT_DIGITS = re.compile(r"\D+")


class Rule(NamedTuple):
    """How one country writes its numbers."""

    code: str
    national: re.Pattern[str]
    prefix: re.Pattern[str] | None
    transforms: bool


@lru_cache(maxsize=512)
def rule(country: str) -> Rule | None:
    """The rule of a country by its ISO code; None for a country that the metadata does not know."""
    metadata = PhoneMetadata.metadata_for_region(country, None)
    if metadata is None or metadata.general_desc is None:
        return None
    prefix = metadata.national_prefix_for_parsing
    return Rule(
        str(metadata.country_code),
        re.compile(metadata.general_desc.national_number_pattern or "$a"),
        re.compile(prefix) if prefix else None,
        bool(metadata.national_prefix_transform_rule),
    )


def parted(text: str) -> list[str]:
    """The numbers that stand in one text with ;, /, | or 、 between them; a text of one number is left as it is."""
    text = text[:LONGEST]
    if len(text) <= ONE:
        return [text]
    parts = [part for part in _BETWEEN.split(text) if sum(map(str.isdigit, part)) >= SHORTEST]
    return parts if len(parts) > 1 else [text]


@lru_cache(maxsize=8192)
def phone(text: str, country: str = "") -> Phone | None:
    """A telephone number, or None where there is none in the text; `country` decides where no calling code is given.

    Without a country a number that looks like those of one (`GUESSES`) is taken for it; any other stays without a
    calling code and without its leading zeros. Never fails.
    """
    return read(text, country, None)


def read(text: str, country: str, steps: Steps | None) -> Phone | None:
    """As `phone`, noting every step."""
    given = known(text)[:LONGEST]
    if not given:
        return None
    if country == "CN" and len(given) == 11 and given.isascii() and _MOBILE_CN.fullmatch(given):
        return _answer("86", given, "", steps)
    folded = given if given.isascii() and given.isprintable() and given.islower() is given.isupper() else fold(given)
    rest, extension = _extension(folded, steps)
    plus = "+" in rest[:4]
    digits = _NOT_DIGITS.sub("", rest.replace("(0)", "", 1) if plus else rest)
    if not digits or not digits.isascii():
        return None
    note(steps, "digits", ("+" if plus else "") + digits)
    if not plus and digits.startswith("00") and len(digits) > 9:
        plus, digits = True, digits[2:]
    found = _international(digits) if plus else None
    if found is None and country:
        found = _national(digits, country)
    if found is None and not plus:
        found = _guessed(digits)
    code, national = found or ("", digits.lstrip("0") or digits)
    return _answer(code, national, extension, steps)


def _answer(code: str, national: str, extension: str, steps: Steps | None) -> Phone:
    note(steps, "with its calling code" if code else "without a calling code", f"{code} {national}".strip())
    return Phone(code + national, extension, is_placeholder(national), bool(code))


def _extension(folded: str, steps: Steps | None) -> tuple[str, str]:
    if folded.isascii() and not (folded.islower() or "#" in folded or "," in folded):
        return folded, ""
    match = _EXTENSION.search(folded)
    if match is None or len(_NOT_DIGITS.sub("", folded[: match.start()])) < SHORTEST - 1:
        return folded, ""
    note(steps, "extension", match[1])
    return folded[: match.start()], match[1]


def _international(digits: str) -> tuple[str, str] | None:
    for length in (1, 2, 3):
        regions = COUNTRY_CODE_TO_REGION_CODE.get(int(digits[:length]))
        if regions and digits[0] != "0":
            rest = digits[length:]
            found = rule(regions[0])
            return (digits[:length], rest if found is None else _without_prefix(rest, found)) if rest else None
    return None


def _national(digits: str, country: str) -> tuple[str, str] | None:
    found = rule(country)
    if found is None:
        return None
    if found.transforms:
        return _by_library(digits, country)
    national = _without_prefix(digits, found)
    if digits.startswith(found.code) and not found.national.fullmatch(national):
        behind = _without_prefix(digits[len(found.code) :], found)
        if found.national.fullmatch(behind):
            national = behind
    return found.code, national


def _without_prefix(digits: str, found: Rule) -> str:
    """National digits without the trunk prefix, unless only with it they are a number of that country."""
    match = found.prefix.match(digits) if found.prefix else None
    if match is None or match.end() == 0:
        return digits
    stripped = digits[match.end() :]
    if not stripped or (found.national.fullmatch(digits) and not found.national.fullmatch(stripped)):
        return digits
    return stripped


def _by_library(digits: str, country: str) -> tuple[str, str] | None:
    try:
        number = phonenumbers.parse(digits, country)
    except phonenumbers.NumberParseException:
        return None
    return str(number.country_code), phonenumbers.national_significant_number(number)


def _guessed(digits: str) -> tuple[str, str] | None:
    """Where nobody says the country: by a pattern that hardly any other country has, so that 0412… meets +61 412…."""
    if digits.startswith("1") and len(digits) == 11 and _is_northern(digits[1:]):
        return "1", digits[1:]
    for pattern, code in GUESSES:
        match = pattern.fullmatch(digits)
        if match is not None and (code != "1" or _is_northern(digits)):
            return code, match[1]
    return None


def _is_northern(digits: str) -> bool:
    """Whether ten digits are a number of North America with an area code that is in use."""
    if digits[0] in "01" or digits[3] in "01":
        return False
    for country in ("US", "CA"):
        description = PhoneMetadata.metadata_for_region(country, None)
        pattern = description and description.fixed_line and description.fixed_line.national_number_pattern
        if pattern and re.fullmatch(pattern, digits):
            return True
    return False


def is_placeholder(national: str) -> bool:
    """Whether national digits are a stand-in: too few, one digit over and over, counted up or down, or well known."""
    if len(national) < SHORTEST or national in PLACEHOLDERS:
        return True
    tail = national[-7:]
    return (
        len(set(national[-6:])) == 1
        or (len(tail) == len(national) and tail in _RUNS[0] + _RUNS[1])
        or (len(national) > 7 and any(national[-8:] in run for run in _RUNS))
    )
