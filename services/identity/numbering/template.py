"""Templates of numbers: literal text and parts in braces, e.g. `{class.region:2}-{yyyy}-{seq:6}{check:mod37_36}`.

What a template shows of the customer and the time is the scope of a number: each scope has serials of its own. So two
numbers of one rule differ in what is shown or in their serials, and never look the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TypeAlias

from services.identity.numbering.check import DIGITS, LETTERS_AND_DIGITS, SCHEMES, Scheme

MAX_WIDTH = 17
"""A serial that widens has at most so many characters."""
SEPARATORS = "-."
DATE_PARTS: Mapping[str, str] = MappingProxyType({"yyyy": "%Y", "yy": "%y", "mm": "%m", "dd": "%d"})
_WIDTHS: Mapping[str, int] = {"yyyy": 4, "yy": 2, "mm": 2, "dd": 2}
_PART = re.compile(r"\{([^{}]*)\}|([^{}]+)")
_FACT = re.compile(r"kind|source|channel|class\.[A-Za-z0-9][A-Za-z0-9_.:\-]{0,57}")
_MAP = re.compile(r"map\(([^()]*)\)")
_SHOWN = re.compile(r"[0-9A-Z]{1,20}")
ANY_OTHER = "*"


class BadTemplate(ValueError):
    """A template that says nothing clear. Fate: the rule is refused; the sentence says what to write instead."""


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that stands in every number, with the separators that people like to see."""

    text: str

    @property
    def canonical(self) -> str:
        return "".join([character for character in self.text if character not in SEPARATORS])


@dataclass(frozen=True, slots=True)
class Fact:
    """What is shown of a fact: its first `width` letters and digits, or what `mapped` says."""

    name: str
    width: int
    mapped: Mapping[str, str] | None = None

    def show(self, value: str) -> str | None:
        """None if nothing can be shown: an empty value, or one that the map does not know."""
        if self.mapped is not None:
            return self.mapped.get(value, self.mapped.get(ANY_OTHER))
        plain = "".join([character for character in value.upper() if character in LETTERS_AND_DIGITS])
        return plain[: self.width].ljust(self.width, "0") if plain else None


@dataclass(frozen=True, slots=True)
class Date:
    """A part of the local date of the registration."""

    name: str

    @property
    def width(self) -> int:
        return _WIDTHS[self.name]

    def show(self, local: datetime) -> str:
        # The C library leaves leading zeros of a year out on some systems.
        return f"{local.year:04d}" if self.name == "yyyy" else local.strftime(DATE_PARTS[self.name])


@dataclass(frozen=True, slots=True)
class Series:
    """A character that goes on to the next one when the serials before it are used up."""

    characters: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """The serial, of `width` characters of an alphabet."""

    width: int
    alphabet: str


@dataclass(frozen=True, slots=True)
class Check:
    """A check over everything before it, separators left out."""

    scheme: Scheme


Part: TypeAlias = Literal | Fact | Date | Series | Sequence | Check


def parse(template: str, without: str = "") -> tuple[Part, ...]:
    """The parts of a template. Raises BadTemplate."""
    parts: list[Part] = []
    place = 0
    for found in _PART.finditer(template):
        if found.start() != place:
            break
        place = found.end()
        parts.append(_literal(found[2]) if found[1] is None else _field(found[1], without))
    if place != len(template):
        raise BadTemplate(f"the braces do not close at character {place + 1}")
    _check_whole(parts)
    return tuple(parts)


def _literal(text: str) -> Literal:
    wrong = sorted({character for character in text if character not in LETTERS_AND_DIGITS + SEPARATORS})
    if wrong:
        raise BadTemplate(f"text may hold capital letters, digits, '-' and '.', not {''.join(wrong)!r}")
    return Literal(text)


def _field(text: str, without: str) -> Part:
    name, _, how = text.partition(":")
    match name:
        case "seq":
            return _sequence(how, without)
        case "series":
            return Series(_alphabet(how, "the characters of a series"))
        case "check":
            if how not in SCHEMES:
                raise BadTemplate(f"there is no check {how!r}; there are {', '.join(SCHEMES)}")
            return Check(SCHEMES[how])
        case _ if name in DATE_PARTS and not how:
            return Date(name)
        case _ if _FACT.fullmatch(name):
            return _fact(name, how)
        case _:
            raise BadTemplate(
                f"{{{text}}} is nothing a number may show. It may show kind, source, channel, class.<scheme>, "
                "yyyy, yy, mm, dd, series, seq and check; personal data never stands in a number"
            )


def _sequence(how: str, without: str) -> Sequence:
    width, _, alphabet = how.partition(":")
    if not re.fullmatch(r"[1-9][0-9]?", width) or int(width) > MAX_WIDTH:
        raise BadTemplate(f"a serial is written {{seq:6}}: 1 to {MAX_WIDTH} characters wide")
    characters = _alphabet(alphabet, "the characters of a serial") if alphabet else DIGITS
    left = "".join([character for character in characters if character not in without])
    if len(left) < 2:
        raise BadTemplate("a serial needs at least two different characters")
    return Sequence(int(width), left)


def _alphabet(text: str, what: str) -> str:
    wide = re.sub(r"([0-9A-Z])\.\.([0-9A-Z])", lambda ends: _span(ends[1], ends[2]), text)
    if not wide or len(set(wide)) != len(wide) or any(character not in LETTERS_AND_DIGITS for character in wide):
        raise BadTemplate(f"{what} are capital letters and digits, each once, e.g. 0..9A..Z or ABCDEF")
    return wide


def _span(first: str, last: str) -> str:
    return LETTERS_AND_DIGITS[LETTERS_AND_DIGITS.index(first) : LETTERS_AND_DIGITS.index(last) + 1]


def _fact(name: str, how: str) -> Fact:
    if re.fullmatch(r"[1-9]", how):
        return Fact(name, int(how))
    found = _MAP.fullmatch(how)
    if found is None:
        raise BadTemplate(f"say how {name} is shown: {{{name}:2}} or {{{name}:map(DE=D,FR=F,*=X)}}")
    mapped = {}
    for entry in found[1].split(","):
        value, _, shown = entry.partition("=")
        if not value or value in mapped or not _SHOWN.fullmatch(shown):
            raise BadTemplate(f"{entry!r} is no entry of a map; write value=SHOWN, each value once")
        mapped[value] = shown
    widths = {len(shown) for shown in mapped.values()}
    if len(widths) != 1:
        raise BadTemplate(f"what the map of {name} shows must be equally long everywhere")
    return Fact(name, widths.pop(), MappingProxyType(mapped))


def _check_whole(parts: list[Part]) -> None:
    if sum(isinstance(part, Sequence) for part in parts) != 1:
        raise BadTemplate("a template has exactly one {seq:...}")
    if sum(isinstance(part, Series) for part in parts) > 1:
        raise BadTemplate("a template has at most one {series:...}")
    checks = [place for place, part in enumerate(parts) if isinstance(part, Check)]
    if checks and checks != [len(parts) - 1]:
        raise BadTemplate("a check stands once, at the end")
    if isinstance(parts[0], Literal) and parts[0].text[0] in SEPARATORS:
        raise BadTemplate("a number begins with a letter or digit")
