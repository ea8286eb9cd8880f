"""What somebody may have meant who typed a number that leads nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from services.identity.numbering.check import LETTERS_AND_DIGITS
from services.identity.numbering.rule import canonical
from services.identity.numbering.rulebook import RuleBook
from services.identity.numbering.scheme import Numbering

LONGEST = 64
MOST = 2_000
"""So many candidates are looked up at most."""
_LOOK_ALIKES = str.maketrans({"O": "0", "I": "1", "L": "1", "S": "5", "B": "8", "Z": "2"})


def candidates(text: str, book: RuleBook) -> list[str]:
    """Numbers at distance one whose check fits: one character wrong, too many or missing, or two neighbours swapped.

    Letters that look like digits come first. In the canonical form, each once; not what was typed.
    """
    typed = canonical(text)[: LONGEST + 1]
    if not typed or len(typed) > LONGEST or not all(character in LETTERS_AND_DIGITS for character in typed):
        return []
    rules = list(book.every())
    found: dict[str, None] = {}
    for candidate in _near(typed):
        if candidate != typed and candidate not in found and _is_number(candidate, rules):
            found[candidate] = None
            if len(found) == MOST:
                break
    return list(found)


def _is_number(candidate: str, rules: Iterable[Numbering]) -> bool:
    return any(parsed.check_ok for rule in rules if (parsed := rule.read(candidate)) is not None)


def _near(typed: str) -> Iterator[str]:
    yield typed.translate(_LOOK_ALIKES)
    yield typed[:1] + typed[1:].translate(_LOOK_ALIKES)
    for place in range(len(typed) - 1):
        yield typed[:place] + typed[place + 1] + typed[place] + typed[place + 2 :]
    for place in range(len(typed)):
        for character in LETTERS_AND_DIGITS:
            yield typed[:place] + character + typed[place + 1 :]
    for place in range(len(typed)):
        yield typed[:place] + typed[place + 1 :]
    for place in range(len(typed) + 1):
        for character in LETTERS_AND_DIGITS:
            yield typed[:place] + character + typed[place:]
