"""Customer numbers for humans: "C", a serial of at least seven digits, and a check digit by Damm's algorithm.

Damm (a quasigroup of order 10) finds every single wrong digit and every swap of neighbours. Schemes with a check
letter, such as ISO 7064 mod 37,36, miss some swaps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stdnum import damm

RULE = "numbering.default.v1"
ACTOR = RULE
"""Who numbers on its own, whichever rule it goes by: each number names its rule."""
PREFIX = "C"
WIDTH = 7

_SHAPE = re.compile(rf"{PREFIX}([0-9]{{{WIDTH},17}})([0-9])")
_SEPARATORS = re.compile(r"[\s\-.]+")


@dataclass(frozen=True, slots=True)
class Reading:
    """What can be said of a number without looking it up; `reason` says what is wrong with it."""

    number: str
    well_formed: bool
    check_ok: bool
    serial: int | None = None
    reason: str | None = None


def render(serial: int) -> str:
    """The number of a serial from 1; beyond seven digits the number grows."""
    if serial < 1:
        raise ValueError(f"a serial starts at 1, {serial} does not")
    digits = f"{serial:0{WIDTH}d}"
    return f"{PREFIX}{digits}{damm.calc_check_digit(digits)}"


def canonical(text: str) -> str:
    """A number as it is stored: upper case, without the separators that people write."""
    return _SEPARATORS.sub("", text).upper()


def read(text: str) -> Reading:
    """Reads what somebody typed. Never fails."""
    number = canonical(text)
    shape = _SHAPE.fullmatch(number)
    if shape is None:
        return Reading(number, well_formed=False, check_ok=False, reason=_misshapen(number))
    serial = int(shape[1])
    if serial == 0 or (len(shape[1]) > WIDTH and shape[1][0] == "0"):
        return Reading(number, well_formed=False, check_ok=False, reason="no number has this serial")
    if damm.checksum(number.removeprefix(PREFIX)) != 0:
        return Reading(
            number,
            well_formed=True,
            check_ok=False,
            serial=serial,
            reason="the check digit does not fit: a digit is wrong or two are swapped",
        )
    return Reading(number, well_formed=True, check_ok=True, serial=serial)


def _misshapen(number: str) -> str:
    if not number.startswith(PREFIX):
        return f"a customer number starts with {PREFIX}"
    if len(number) < len(PREFIX) + WIDTH + 1:
        return f"too short: {PREFIX}, at least {WIDTH} digits and a check digit are needed"
    return f"after {PREFIX} there may only be {WIDTH} to 17 digits and a check digit"
