"""Features brought to one form: what two sources write differently and mean alike becomes equal."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from services.identity.matching.features import Features, Place

_PLAIN_WORDS = re.compile(r"[a-z0-9]+")
_WORDS = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")
_APOSTROPHES = str.maketrans("", "", "'\u2019\u02bc`.")


class Home(NamedTuple):
    """One address, its street without the house number; an empty part is unknown."""

    street: str
    postcode: str


class Normal(NamedTuple):
    """The features of one customer in the form that rules compare."""

    is_organisation: bool
    full: list[str]
    given: list[str]
    family: list[str]
    birth_date: str
    phones: tuple[str, ...]
    emails: tuple[str, ...]
    homes: tuple[Home, ...]
    identifiers: tuple[str, ...]


def words(text: str | None) -> list[str]:
    """The words of a text, compatibility forms and case folded; every Han character is a word."""
    if not text:
        return []
    if text.isascii():
        plain = text.lower()
        return [plain] if plain.isalnum() else _PLAIN_WORDS.findall(plain.translate(_APOSTROPHES))
    return _WORDS.findall(unicodedata.normalize("NFKC", text).casefold().translate(_APOSTROPHES))


def compact(text: str | None) -> str:
    """The letters and digits of a text, compatibility forms and case folded."""
    return "".join(words(text))


def normalise(features: Features) -> Normal:
    """The one form of these features."""
    points = features.contacts.values()
    identifiers = ((kind.casefold(), compact(value)) for kind, value in features.identifiers)
    return Normal(
        is_organisation=features.kind == "organisation",
        full=words(features.full),
        given=words(features.given),
        family=words(features.family),
        birth_date=features.birth_date or "",
        phones=tuple(compact(value) for kind, value in points if kind == "phone"),
        emails=tuple(value.casefold() for kind, value in points if kind == "email"),
        homes=tuple(_home(place) for place in features.addresses.values()),
        identifiers=tuple(f"{kind}:{value}" for kind, value in identifiers if value),
    )


def _home(place: Place) -> Home:
    street = "".join(word for word in words(place.line) if not word[0].isdigit())
    return Home(street, compact(place.postcode))
