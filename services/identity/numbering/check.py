"""Check characters over the text before them. Pure tables; the oracle of the tests is python-stdnum.

Damm (a quasigroup of order 10) and Verhoeff (the dihedral group of order 10) find every single wrong digit and every
swap of neighbours; Luhn misses 09 and 90. ISO 7064 mod 37,36 covers letters too with one character, mod 97,10 with two
digits that find nearly everything. Schemes for digits leave letters out: they protect digits alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stdnum import luhn, verhoeff

DIGITS = "0123456789"
LETTERS_AND_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_DAMM = (
    "0317598642",
    "7092154863",
    "4206871359",
    "1750983426",
    "6123045978",
    "3674209581",
    "5869720134",
    "8945362017",
    "9438617205",
    "2581436790",
)
_DAMM_ROWS: Mapping[str, Mapping[str, str]] = {
    str(state): dict(zip(DIGITS, row, strict=True)) for state, row in enumerate(_DAMM)
}
_WITHOUT_LETTERS = str.maketrans("", "", LETTERS_AND_DIGITS[len(DIGITS) :])
_VALUE: Mapping[str, int] = {character: value for value, character in enumerate(LETTERS_AND_DIGITS)}


def _digits(body: str) -> str:
    return body.translate(_WITHOUT_LETTERS)


def damm(body: str) -> str:
    """H. M. Damm, 2004: totally anti-symmetric quasigroups."""
    state = "0"
    for digit in _digits(body):
        state = _DAMM_ROWS[state][digit]
    return state


def mod37_36(body: str) -> str:
    """ISO/IEC 7064, hybrid system MOD 37,36."""
    state = 36
    for character in body:
        state = (state + _VALUE[character]) % 36 or 36
        state = state * 2 % 37
    return LETTERS_AND_DIGITS[(37 - state) % 36]


def mod97_10(body: str) -> str:
    """ISO/IEC 7064, pure system MOD 97,10; letters count as 10 to 35."""
    return f"{98 - int(''.join([str(_VALUE[character]) for character in body]) + '00') % 97:02d}"


def _luhn(body: str) -> str:
    return luhn.calc_check_digit(_digits(body))


def _verhoeff(body: str) -> str:
    return verhoeff.calc_check_digit(_digits(body))


@dataclass(frozen=True, slots=True)
class Scheme:
    """One way to check: from the text before it to `length` characters of `alphabet`."""

    of: Callable[[str], str]
    length: int
    alphabet: str
    letters: bool
    """Whether letters are protected, or digits alone."""


SCHEMES: Mapping[str, Scheme] = {
    "mod37_36": Scheme(mod37_36, 1, LETTERS_AND_DIGITS, letters=True),
    "mod97_10": Scheme(mod97_10, 2, DIGITS, letters=True),
    "damm": Scheme(damm, 1, DIGITS, letters=False),
    "luhn": Scheme(_luhn, 1, DIGITS, letters=False),
    "verhoeff": Scheme(_verhoeff, 1, DIGITS, letters=False),
}
"""By the names that templates use."""
