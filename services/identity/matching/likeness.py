"""How alike two strings are, in four steps: equal, a slip apart, similar, different."""

from __future__ import annotations

from rapidfuzz.distance import OSA, JaroWinkler

EXACT, CLOSE, SIMILAR, DIFFERENT = range(4)

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


def digits_alike(a: str, b: str) -> int:
    """EXACT, CLOSE (one digit wrong, missing or swapped with its neighbour) or DIFFERENT."""
    if a == b:
        return EXACT
    if min(len(a), len(b)) < 4:
        return DIFFERENT
    return CLOSE if _distance(a, b, score_cutoff=1) == 1 else DIFFERENT
