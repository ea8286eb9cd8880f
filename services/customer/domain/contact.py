"""Contact points in one form each: phone numbers as E.164, e-mail addresses with a lower-case domain."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import phonenumbers

from shared.errors import Invalid
from shared.events.customer import ContactKind

INTERNATIONAL = "ZZ"
"""The region of numbers that are only understood with their country code."""
_MAX = 200
_EMAIL = re.compile(r"[^\s@,;<>\"()\[\]\\]{1,64}@([^\s@,;<>\"()\[\]\\.]{1,63}\.)+[^\s@,;<>\"()\[\]\\.]{2,63}")


@dataclass(frozen=True, slots=True)
class Reach:
    """A normalised way to reach somebody; `raw` is what was given, None if that was the normal form already."""

    kind: ContactKind
    value: str
    raw: str | None


def normalised(kind: ContactKind, given: str, region: str, field: str) -> Reach:
    """The normal form of a contact point. Invalid, naming `field` and never the value, if it is none of its kind."""
    value = _NORMAL_FORMS[kind](given, region)
    if value is None:
        raise Invalid("A contact point cannot be read.", errors=[{"field": field, "message": _REMEDIES[kind]}])
    return Reach(kind, value, None if value == given else given)


def _phone(given: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(given, region)
    except phonenumbers.NumberParseException:
        return None
    # Only the length is checked: numbering plans change faster than any table of them.
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _email(given: str, _region: str) -> str | None:
    if not _EMAIL.fullmatch(given):
        return None
    local, _, domain = given.rpartition("@")
    address = f"{local}@{domain.lower()}"
    return address if len(address) <= _MAX else None


def _as_given(given: str, _region: str) -> str | None:
    return given


_NORMAL_FORMS: Mapping[ContactKind, Callable[[str, str], str | None]] = {
    "phone": _phone,
    "email": _email,
    "social": _as_given,
}
_REMEDIES: Mapping[ContactKind, str] = {
    "phone": "This is no phone number; write it with its country code, for example +61 2 5550 1234.",
    "email": "This is no e-mail address.",
    "social": "This is no account name.",
}
