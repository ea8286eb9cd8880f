"""Texts that are evidently personal data and no numbers: everybody sees numbers, and they are kept for ever. Pure."""

from __future__ import annotations

import re
from datetime import date

import phonenumbers

_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_YEAR_FIRST = re.compile(r"(?P<y>(?:19|20)[0-9]{2})(?P<s>[-.])(?P<m>[0-9]{2})(?P=s)(?P<d>[0-9]{2})")
_DAY_FIRST = re.compile(r"(?P<d>[0-9]{2})\.(?P<m>[0-9]{2})\.(?P<y>(?:19|20)[0-9]{2})")


def personal(text: str) -> str | None:
    """What a text evidently is, in words; None for one that may be a number.

    Digits alone are never refused: numbers of earlier systems look like anything.
    """
    if _MAIL.fullmatch(text):
        return "an e-mail address"
    if text.startswith("+") and _is_phone(text):
        return "a telephone number"
    return "a date" if _is_date(text) else None


def _is_phone(text: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text))
    except phonenumbers.NumberParseException:
        return False


def _is_date(text: str) -> bool:
    found = _YEAR_FIRST.fullmatch(text) or _DAY_FIRST.fullmatch(text)
    if found is None:
        return False
    try:
        date(int(found["y"]), int(found["m"]), int(found["d"]))
    except ValueError:
        return False
    return True
