"""Text folded to one spelling: letters of other scripts romanised, marks and case dropped, Chinese made simplified.

Folding is decided letter by letter and never fails: a control character becomes a space, half of a surrogate pair
becomes a space, an invisible character disappears, and a letter of a script without a table stays as it is.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TypeAlias

from services.identity.matching.normalise.pinyin import SIMPLIFIED
from services.identity.matching.normalise.scripts import ROMAN, hangul
from services.identity.matching.normalise.tables import listed

LONGEST = 256
"""Characters that are read of one value; what follows is cut off before any work is done on it."""

Steps: TypeAlias = list[tuple[str, str]]
"""What was done to a value, in order: (step, value after it)."""

_REMEMBERED = 65_536
_WORDS = re.compile(r"[^\W_]+")
_HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U000323af]+")
_PUNCTUATION = {
    **dict.fromkeys("\u2018\u2019\u02bc\u02bb\u00b4\u2032`\uff07", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb\u300a\u300b\u300c\u300d\uff02", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d", "-"),
    **dict.fromkeys("\u00b7\u2022\u2027\u30fb\uff65\u2024", "\u00b7"),
    **dict.fromkeys("\u3001\uff0c\u3002", ","),
    **dict.fromkeys("\u3010\u3014\uff3b\uff08", "("),
    **dict.fromkeys("\u3011\u3015\uff3d\uff09", ")"),
}

_SPELLINGS = SIMPLIFIED | _PUNCTUATION

ABSENT = frozenset(
    listed(
        "- -- --- . .. ? ?? n/a na n.a. none null nil nan unknown unk undefined missing tbd tba test xxx no"
        " \u65e0 \u6ca1\u6709 \u672a\u77e5 \u4e0d\u8be6 \u4e0d\u660e \u6682\u65e0 \u672a\u586b \u4fdd\u5bc6 \u7a7a"
    )
)
"""What is written where nothing is known."""


class _Letters(dict[int, str]):
    """Code point -> its folded spelling, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        folded = _settled(chr(code))
        if len(self) < _REMEMBERED:
            self[code] = folded
        return folded


def _settled(letter: str) -> str:
    """The folded spelling of a letter, folded until nothing changes any more."""
    folded = _letter(letter)
    for _ in range(4):
        again = "".join(_letter(part) for part in folded)
        if again == folded:
            break
        folded = again
    return folded


def _letter(letter: str) -> str:
    if letter in _SPELLINGS:
        return _SPELLINGS[letter]
    category = unicodedata.category(letter)
    if category[0] in "CZ":
        return "" if category == "Cf" else " "
    if category == "Nd":
        return str(unicodedata.decimal(letter))
    lower = letter.casefold()
    if lower in ROMAN:
        return ROMAN[lower]
    if "\uac00" <= letter <= "\ud7a3":
        return hangul(letter)
    plain = unicodedata.normalize("NFKD", lower)
    return "".join(ROMAN.get(part, part) for part in plain.casefold() if not unicodedata.combining(part))


LETTERS = _Letters()


def fold(text: str) -> str:
    """A text in lower-case letters without marks, of its first `LONGEST` characters; Han characters stay, simplified.

    Folding what is folded changes nothing.
    """
    text = text[:LONGEST]
    return text.lower() if text.isascii() else text.translate(LETTERS)[: 2 * LONGEST]


def note(steps: Steps | None, step: str, value: str) -> None:
    """Notes a step, where somebody wants to see them."""
    if steps is not None and value:
        steps.append((step, value))


def words(folded: str) -> list[str]:
    """The words of a folded text; an apostrophe joins (o'brien is one word), any other sign parts."""
    if "'" in folded:
        folded = folded.replace("'", "")
    return [folded] if folded.isalnum() else _WORDS.findall(folded)


def known(text: str) -> str:
    """A text without the spaces around it; "" where it only says that nothing is known, such as n/a or 不详."""
    text = text[:LONGEST].strip()
    return "" if len(text) < 10 and text.lower() in ABSENT else text


def han(folded: str) -> str:
    """The Han characters of a folded text."""
    return "" if folded.isascii() else "".join(_HAN.findall(folded))


def without_han(folded: str) -> str:
    """A folded text with a space in place of each run of Han characters."""
    return folded if folded.isascii() else _HAN.sub(" ", folded)
