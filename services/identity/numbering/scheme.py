"""One numbering rule at work: which scope a customer falls into, the next number there, and what a number says."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import NamedTuple
from zoneinfo import ZoneInfo

from services.identity.numbering.check import DIGITS, LETTERS_AND_DIGITS
from services.identity.numbering.facts import Facts, fits
from services.identity.numbering.template import (
    MAX_WIDTH,
    Check,
    Date,
    Fact,
    Literal,
    Series,
    parse,
)
from services.identity.numbering.template import Sequence as SerialPart
from shared.events.numbering import NumberingRule

MAX_SKIPS = 100_000
"""So many serials in a row may be held back; a rule that holds back more gives no number."""
DEFAULT = "numbering.default.v1"


class Issued(NamedTuple):
    """A number with its place in its scope."""

    number: str
    rule: str
    scope: str
    serial: int


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a number says of itself. `shown` are the parts that make its scope."""

    rule: str
    scope: str
    serial: int
    shown: tuple[str, ...]
    check_ok: bool


_SERIAL, _SERIES = "\0", "\1"


class _Frame(NamedTuple):
    """A number of one scope without its check, and the body that is checked; marks stand for serial and series."""

    shown: tuple[str, ...]
    scope: str
    text: str
    body: str


class Numbering:
    """A rule, made ready. Raises BadTemplate for what cannot be read, KeyError or ValueError for an unknown zone."""

    def __init__(self, rule: NumberingRule) -> None:
        self.rule = rule
        self.parts = parse(rule.template, rule.without)
        self._zone = ZoneInfo(rule.zone)
        self._sequence = next(part for part in self.parts if isinstance(part, SerialPart))
        self._series = next((part for part in self.parts if isinstance(part, Series)), None)
        self._check = self.parts[-1] if isinstance(self.parts[-1], Check) else None
        self._shown = tuple(part for part in self.parts if isinstance(part, Fact | Date))
        self._base: int = len(self._sequence.alphabet)
        self._block: int = self._base**self._sequence.width
        self.last = self._last()
        self._value = {character: value for value, character in enumerate(self._sequence.alphabet)}
        self._plain = self._sequence.alphabet == DIGITS
        self._last_frame: _Frame | None = None

    def _last(self) -> int:
        if self._series is not None:
            return len(self._series.characters) * self._block - 1
        width = MAX_WIDTH if self.rule.overflow == "widen" else self._sequence.width
        most: int = self._base**width
        return most - 1

    def matches(self, facts: Facts) -> bool:
        """Whether all its predicates hold."""
        return self.rule.use == "issue" and all(fits(condition, facts) for condition in self.rule.when)

    def shown(self, facts: Facts, at: datetime) -> tuple[str, ...] | None:
        """What the number of this customer shows; None if a fact is missing, so that the rule cannot number it."""
        local = at.astimezone(self._zone)
        found = []
        for part in self._shown:
            value = part.show(local) if isinstance(part, Date) else part.show(facts.value(part.name))
            if value is None:
                return None
            found.append(value)
        return tuple(found)

    def scope(self, shown: Sequence[str]) -> str:
        """The name of a scope; a counter of its own stands behind each."""
        return self._frame(shown).scope

    def _frame(self, shown: Sequence[str]) -> _Frame:
        frame = self._last_frame  # of many numbers most are of one scope
        if frame is None or frame.shown != shown:
            frame = self._last_frame = self._framed(tuple(shown))
        return frame

    def _framed(self, shown: tuple[str, ...]) -> _Frame:
        scope = "customer" if self.rule.id == DEFAULT else f"{self.rule.id}/{'-'.join(shown)}"
        values = iter(shown)
        text = body = ""
        for part in self.parts:
            if isinstance(part, Literal):
                text += part.text
                body += part.canonical
            elif not isinstance(part, Check):
                piece = (
                    _SERIAL if isinstance(part, SerialPart) else _SERIES if isinstance(part, Series) else next(values)
                )
                text += piece
                body += piece
        return _Frame(shown, scope, text, body)

    def shown_in(self, scope: str) -> tuple[str, ...]:
        """What the numbers of a scope show: `scope` read back."""
        return tuple(text for text in scope.partition("/")[2].split("-") if text)

    def ends(self, shown: Sequence[str]) -> datetime | None:
        """When the period that these numbers show is over, so that no more are taken from their scope.

        None for a scope without end: one that shows no year comes round again.
        """
        dates = {part.name: text for part, text in zip(self._shown, shown, strict=False) if isinstance(part, Date)}
        year = dates.get("yyyy") or (f"20{dates['yy']}" if "yy" in dates else None)
        if year is None:
            return None
        month = dates.get("mm")
        day = dates.get("dd") if month else None
        try:
            first = date(int(year), int(month or 1), int(day or 1))
            last = first if day else first.replace(day=monthrange(first.year, first.month)[1])
            last = last if month else first.replace(month=12, day=31)
            return datetime.combine(last + timedelta(days=1), time(), self._zone).astimezone(UTC)
        except (ValueError, OverflowError):
            return None  # an imported number may show a thirteenth month

    def render(self, shown: Sequence[str], serial: int) -> str:
        """The number of a serial. ValueError for a serial that the rule cannot write."""
        if not self.rule.start <= serial <= self.last:
            raise ValueError(f"rule {self.rule.id} has serials from {self.rule.start} to {self.last}, not {serial}")
        frame, written = self._frame(shown), self.write(serial)
        text, body = frame.text.replace(_SERIAL, written), frame.body.replace(_SERIAL, written)
        if self._series is not None:
            character = self._series.characters[serial // self._block]
            text, body = text.replace(_SERIES, character), body.replace(_SERIES, character)
        return text if self._check is None else text + self._check.scheme.of(body)

    def write(self, serial: int) -> str:
        """The serial as its part of a number."""
        rest = serial % self._block if self._series else serial
        if self._plain:
            return f"{rest:0{self._sequence.width}d}"
        text = ""
        while rest or len(text) < self._sequence.width:
            rest, value = divmod(rest, self._base)
            text = self._sequence.alphabet[value] + text
        return text

    def read(self, number: str) -> Parsed | None:
        """What a canonical number says, whether or not its check fits; None if it does not have this rule's form."""
        found = self.form.fullmatch(number)
        if found is None:
            return None
        groups = found.groupdict()
        text = groups["serial"]
        if len(text) > self._sequence.width and text[0] == self._sequence.alphabet[0]:
            return None
        serial = self._serial(text, groups.get("series"))
        if serial < self.rule.start or (serial - self.rule.start) % self.rule.step or serial > self.last:
            return None
        shown = tuple(groups[f"p{place}"] for place in range(len(self._shown)))
        check = groups.get("check")
        body = number[: len(number) - len(check)] if check else number
        check_ok = self._check is None or self._check.scheme.of(body) == check
        return Parsed(self.rule.id, self.scope(shown), serial, shown, check_ok)

    def _serial(self, text: str, series: str | None) -> int:
        serial = 0
        for character in text:
            serial = serial * self._base + self._value[character]
        if self._series is not None and series:
            serial += self._series.characters.index(series) * self._block
        return serial

    @property
    def looks(self) -> str:
        """How its numbers look to people: # stands for a digit, ? for a letter or digit."""
        text = ""
        for part in self.parts:
            match part:
                case Literal():
                    text += part.text
                case Date():
                    text += "#" * part.width
                case Fact():
                    text += "?" * part.width
                case Series():
                    text += _mark(part.characters)
                case SerialPart():
                    text += _mark(part.alphabet) * part.width
                case Check():
                    text += _mark(part.scheme.alphabet) * part.scheme.length
        return f"{text} or longer" if self.rule.overflow == "widen" else text

    @cached_property
    def form(self) -> re.Pattern[str]:
        """The form of its canonical numbers, the check left open."""
        pieces, place = [], 0
        for part in self.parts:
            match part:
                case Fact() | Date():
                    pieces.append(f"(?P<p{place}>{_shown_form(part)})")
                    place += 1
                case Literal():
                    pieces.append(part.canonical)
                case Series():
                    pieces.append(f"(?P<series>[{part.characters}])")
                case SerialPart():
                    most = MAX_WIDTH if self.rule.overflow == "widen" else part.width
                    pieces.append(f"(?P<serial>[{part.alphabet}]{{{part.width},{most}}})")
                case Check():
                    pieces.append(f"(?P<check>[{part.scheme.alphabet}]{{{part.scheme.length}}})")
        return re.compile("".join(pieces), re.ASCII)

    def next(self, shown: Sequence[str], floor: int) -> Issued | None:
        """The first number at or above a serial that may be given out; None if the scope is used up."""
        serial = self._on_grid(max(floor, self.rule.start))
        for _ in range(MAX_SKIPS):
            if serial > self.last:
                return None
            later = self._past_reserved(serial)
            if later == serial:
                later = self._past_held_back(serial)
            if later != serial:
                serial = later
                continue
            number = self.render(shown, serial)
            if not self._check_is_excluded(number):
                return Issued(number, self.rule.id, self.scope(shown), serial)
            serial += self.rule.step
        return None

    def gives_out(self, shown: Sequence[str], serial: int) -> bool:
        """False for a serial that the rule holds back: by hand it may be given."""
        issued = self.next(shown, serial)
        return issued is not None and issued.serial == serial

    def _on_grid(self, serial: int) -> int:
        return serial + (self.rule.start - serial) % self.rule.step

    def _past_reserved(self, serial: int) -> int:
        for kept in self.rule.reserved:
            if kept.first <= serial <= kept.last:
                return self._on_grid(kept.last + 1)
        return serial

    def _past_held_back(self, serial: int) -> int:
        if not self.rule.held_back:
            return serial
        text = self.write(serial)
        ends = [place + len(kept) for kept in self.rule.held_back if (place := text.find(kept)) >= 0]
        if not ends:
            return serial
        # No serial with the same beginning will do: count on from the character where the string ends.
        unit = self._base ** (len(text) - min(ends))
        return self._on_grid((serial // unit + 1) * unit)

    def _check_is_excluded(self, number: str) -> bool:
        if self._check is None or not self.rule.without:
            return False
        return any(character in self.rule.without for character in number[-self._check.scheme.length :])


def _mark(characters: str) -> str:
    return "#" if set(characters) <= set(DIGITS) else "?"


def _shown_form(part: Fact | Date) -> str:
    if isinstance(part, Date):
        return f"[0-9]{{{part.width}}}"
    if part.mapped is not None:
        return "|".join(sorted(set(part.mapped.values())))
    return f"[{LETTERS_AND_DIGITS}]{{{part.width}}}"
