"""How alike two strings are, in four steps: equal, a slip apart, similar, different."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from rapidfuzz.distance import OSA, JaroWinkler

EXACT, CLOSE, SIMILAR, DIFFERENT = range(4)
_SILENT = frozenset({""})
_LONG = 12
_letters = re.compile(r"\D+")

_distance = OSA.distance
_jaro_winkler = JaroWinkler.similarity


def likeness(a: str, b: str) -> int:
    """EXACT, CLOSE (one slip of the keyboard, two in a long word), SIMILAR (heard or read alike), DIFFERENT.

    Distance is optimal string alignment: a swap of neighbours counts as one.
    """
    if a == b:
        return EXACT
    shorter = min(len(a), len(b))
    if shorter < 3:
        return DIFFERENT
    slips = _distance(a, b, score_cutoff=2)
    if slips == 1 or (slips == 2 and shorter >= 7):
        return CLOSE
    alike = _jaro_winkler(a, b)
    if alike >= 0.93 and shorter >= 5 and slips > 2:
        return CLOSE
    contained = slips == 2 or a in b or b in a
    return SIMILAR if alike >= 0.86 or (shorter >= 5 and contained) else DIFFERENT


def agreement(a: AbstractSet[str], b: AbstractSet[str]) -> int:
    """0 neither says anything ("" says nothing), 1 they share something, 2 only one says something, 3 they differ."""
    if a & b - _SILENT:
        return 1
    left, right = bool(a - _SILENT), bool(b - _SILENT)
    return 3 if left and right else 2 if left or right else 0


def one_slip(a: str, b: str) -> bool:
    """Whether one slip of the keyboard makes one of the other."""
    return _distance(a, b, score_cutoff=1) == 1


def mistyped(a: str, b: str) -> bool:
    """Whether one is the other with one slip of the keyboard, two in a long text, and none of them in its digits.

    Who found a name taken puts other digits behind it: those tell two people of one name apart.
    """
    slips = _distance(a, b, score_cutoff=2)
    return slips == 1 or (slips == 2 and min(len(a), len(b)) >= _LONG and _letters.sub("", a) == _letters.sub("", b))


def digits_alike(a: str, b: str) -> int:
    """EXACT, CLOSE (one digit wrong, missing or swapped with its neighbour) or DIFFERENT."""
    if a == b:
        return EXACT
    if min(len(a), len(b)) < 4:
        return DIFFERENT
    return CLOSE if one_slip(a, b) else DIFFERENT
