"""The proof that two rules can never render the same number, or a number that both might render."""

from __future__ import annotations

from collections import deque

from services.identity.numbering.check import DIGITS, LETTERS_AND_DIGITS
from services.identity.numbering.scheme import Numbering
from services.identity.numbering.template import MAX_WIDTH, Check, Date, Fact, Literal, Part, Sequence, Series

_Place = tuple[frozenset[str], bool]
"""One character of a number: what it may be, and whether it may be missing."""


def common(one: Numbering, other: Numbering) -> str | None:
    """A canonical number that has the form of both rules, the shortest; None is the proof that there is none.

    The forms are a little wider than the rules: any check character, any date. So some rules that would never meet are
    said to; two that may meet never pass.
    """
    left, right = places(one), places(other)
    seen = {(0, 0)}
    waiting = deque([(0, 0, "")])
    while waiting:
        i, j, text = waiting.popleft()
        if i == len(left) and j == len(right):
            return text
        steps = []
        if i < len(left) and left[i][1]:
            steps.append((i + 1, j, text))
        if j < len(right) and right[j][1]:
            steps.append((i, j + 1, text))
        if i < len(left) and j < len(right) and (shared := left[i][0] & right[j][0]):
            steps.append((i + 1, j + 1, text + min(shared)))
        for step in steps:
            if step[:2] not in seen:
                seen.add(step[:2])
                waiting.append(step)
    return None


def places(numbering: Numbering) -> list[_Place]:
    """The form of a rule's canonical numbers, character by character."""
    widest = MAX_WIDTH if numbering.rule.overflow == "widen" else 0
    return [place for part in numbering.parts for place in _places(part, widest)]


def _places(part: Part, widest: int) -> list[_Place]:
    characters: list[str]
    match part:
        case Literal():
            characters = list(part.canonical)
        case Series():
            characters = [part.characters]
        case Check():
            characters = [part.scheme.alphabet] * part.scheme.length
        case Sequence():
            characters = [part.alphabet] * part.width
        case Date():
            characters = [DIGITS] * part.width
        case Fact(mapped=None):
            characters = [LETTERS_AND_DIGITS] * part.width
        case Fact():
            columns = zip(*(part.mapped or {}).values(), strict=True)
            characters = ["".join(column) for column in columns]
    found = [(frozenset(character), False) for character in characters]
    if isinstance(part, Sequence):
        found += [(frozenset(part.alphabet), True)] * max(0, widest - part.width)
    return found
