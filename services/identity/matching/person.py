"""Comparing people: names in any order and spelling, dates of birth."""

from __future__ import annotations

import re
from operator import ne
from typing import NamedTuple

from services.identity.matching.frequencies import Frequencies, birth_key, han_parts
from services.identity.matching.likeness import CLOSE, EXACT, SIMILAR, agreement, likeness, one_slip
from services.identity.matching.record import Birth, PersonName

_EXACT, _SOUND, _NICKNAME, _PART, _CLOSE, _SIMILAR, _DIFFER = range(1, 8)
_LIKE = (_EXACT, _CLOSE, _SIMILAR, _DIFFER)
"""Level of a name by its likeness."""


class Names(NamedTuple):
    """Levels and rarities of a comparison of two names."""

    given: int = 0
    given_rarity: int = 0
    family: int = 0
    family_rarity: int = 0
    swapped: bool = False
    middle: int = 0
    suffix: int = 0


_NOTHING = Names()
_RANK = (3.0, 0.0, 0.5, 0.6, 1.0, 1.0, 2.5, 6.0)
"""How bad a level is when one of several ways to lay two names beside each other is chosen."""
_SWAP = 1.5
_COMMON = 12_000
"""Rarity of a given name that many have, in thousandths of a bit: one of some four thousand people, and more."""


def compare_names(left: tuple[PersonName, ...], right: tuple[PersonName, ...], frequencies: Frequencies) -> Names:
    """The best of all pairs of names, since people change names and are written in several ways."""
    if not left or not right:
        return _NOTHING
    if len(left) == 1 and len(right) == 1:
        return _compare(left[0], right[0], frequencies)
    best = min((_compare(a, b, frequencies) for a in left[:4] for b in right[:4]), key=lambda n: (_badness(n), n))
    # Whoever says "junior" once is junior under every name.
    return best._replace(suffix=agreement({name.suffix for name in left}, {name.suffix for name in right}))


def _badness(names: Names) -> float:
    return _RANK[names.given] + _RANK[names.family] + (_SWAP if names.swapped else 0) + (names.middle == 2)


def _compare(a: PersonName, b: PersonName, frequencies: Frequencies) -> Names:
    if b.family < a.family or (b.family == a.family and (b.given, b.han) < (a.given, a.han)):
        a, b = b, a  # whichever comes first, the answer is the same
    suffix = agreement({a.suffix}, {b.suffix}) if a.suffix or b.suffix else 0
    a_given, a_family, a_sure = _parts(a)
    b_given, b_family, b_sure = _parts(b)
    given, family = _level(a_given, b_given), _level(a_family, b_family)
    swapped = False
    if given != _EXACT or family != _EXACT:
        given_2 = _level(a_given, b_family)
        family_2 = _level(a_family, b_given) if given_2 < _DIFFER else _DIFFER
        price = _SWAP if a_sure and b_sure else 0.0
        if family_2 < _DIFFER and _RANK[given_2] + _RANK[family_2] + price < _RANK[given] + _RANK[family]:
            given, family, swapped = given_2, family_2, bool(price)
            b_given, b_family = b_family, b_given
    middle = 0
    if given in (_EXACT, _PART) and (" " in a_given or " " in b_given):
        given, middle = _middle(a_given, b_given, given)
    if given > _NICKNAME and (a.roots or b.roots) and _nicknames(a, b, a_given, b_given):
        given = _NICKNAME
    if given == _CLOSE and (a.han or b.han) and not one_slip(a_given, b_given):
        # Two letters are another syllable, that is another name: brothers and sisters often share the other one.
        given = _SIMILAR
    if given == _CLOSE and a.han and b.han and _heard(a_given) != _heard(b_given):
        given = _SIMILAR
    if given == _CLOSE and _both_common(a_given, b_given, frequencies):
        # A slip makes a name that nobody has. Mary and Gary are two people.
        given = _SIMILAR
    han_family, han_given = han_parts(a) if a.han and b.han else ("", "")
    if han_given and a.han != b.han:
        other_family, other_given = han_parts(b)
        given = _han_level(given, han_given, other_given)
        family = _han_level(family, han_family, other_family)
    return Names(
        given,
        frequencies.rarity("given", han_given or a_given) if given == _EXACT else 0,
        family,
        frequencies.rarity("family", han_family or a_family) if family == _EXACT else 0,
        swapped,
        middle,
        suffix,
    )


def _heard(given: str) -> str:
    """Pinyin without what many do not hear: zh and z, ing and in. Who writes characters mistakes nothing else."""
    return _UNHEARD.sub("", given)


_UNHEARD = re.compile(r"(?<=[zcs])h|(?<=[aei]n)g")


def _both_common(a: str, b: str, frequencies: Frequencies) -> bool:
    """Whether these are two names that many have, and begin unlike each other."""
    first, other = a.split(" ", 1)[0], b.split(" ", 1)[0]
    if first[0] == other[0]:
        return False  # Ann and Anna, Jon and John: forms of one name
    if one_slip(first, other):
        a, b = first, other
    return max(frequencies.rarity("given", a), frequencies.rarity("given", b)) < _COMMON


def _parts(name: PersonName) -> tuple[str, str, bool]:
    """Given and family name, and whether the record said which is which."""
    if name.given or name.family:
        return name.given, name.family, True
    if len(name.tokens) > 1:
        return " ".join(name.tokens[:-1]), name.tokens[-1], False
    return "", name.tokens[0] if name.tokens else "", False


def _level(a: str, b: str) -> int:
    if not a or not b:
        return 0
    if a == b:
        return _EXACT
    if " " in a or " " in b:
        return _words(a, b)
    if len(a) == 1 or len(b) == 1:
        return _PART if a[0] == b[0] else _DIFFER
    return _LIKE[likeness(a, b)]


def _words(a: str, b: str) -> int:
    """Names of several words: together, or one within the other, or the best two words."""
    whole = likeness(a.replace(" ", ""), b.replace(" ", ""))
    if whole <= CLOSE:
        return _LIKE[whole]
    left, right = a.split()[:6], b.split()[:6]
    if left[0] == right[0]:
        return _PART
    # An initial stands for a first name, or says no more than that there is another.
    first = left[0][0] == right[0][0]
    left, right = [word for word in left if len(word) > 1], [word for word in right if len(word) > 1]
    if not left or not right:
        return _PART if first else _DIFFER
    if set(left) <= set(right) or set(right) <= set(left):
        return _PART
    best = min(likeness(x, y) for x in left for y in right)
    if best == EXACT or likeness(left[0], right[0]) == CLOSE:
        return _PART if best == EXACT else _CLOSE
    return _SIMILAR if best <= SIMILAR or whole == SIMILAR else _DIFFER


def _middle(a: str, b: str, given: int) -> tuple[int, int]:
    """First and further given names apart: the first decides, the others speak for themselves."""
    left, right = a.split(), b.split()
    if left[0] != right[0]:
        return given, 0
    x, y = left[1:], right[1:]
    if not x or not y:
        return _EXACT if given == _EXACT else _PART, 0
    fits = any(m == n or (m[0] == n[0] and 1 in (len(m), len(n))) or likeness(m, n) == CLOSE for m in x for n in y)
    return (_EXACT, 1) if fits else (_PART, 2)


def _nicknames(a: PersonName, b: PersonName, a_given: str, b_given: str) -> bool:
    if not a_given or not b_given:
        return False
    if a_given.split(" ", 1)[0] == b_given.split(" ", 1)[0]:
        return False
    return _root(a, a_given) == _root(b, b_given)


def _root(name: PersonName, given: str) -> str:
    first = given.split(" ", 1)[0]
    return name.roots[name.tokens.index(first)] if name.roots and first in name.tokens else first


def _han_level(level: int, a: str, b: str) -> int:
    """Romanised names may be alike while other characters were written: a homophone, or simply another name."""
    if a == b:
        return _EXACT
    if level == _EXACT:
        return _SOUND
    return _DIFFER if level > _PART and not set(a) & set(b) else level


SLIPS = 2
"""Digits in which a date may have been mistyped."""
_B_EXACT, _B_PARTIAL, _B_TYPO, _B_PARTS, _B_YEAR, _B_DIFFER, _B_FAR = range(1, 8)


def compare_births(a: Birth | None, b: Birth | None, years: int, frequencies: Frequencies) -> tuple[int, int]:
    """Level and rarity of two dates of birth; a slip of one digit or day and month swapped is a typo."""
    if a is None or b is None or a.placeholder or b.placeholder or not a.year or not b.year:
        return 0, 0
    left, right = (a.year, a.month, a.day), (b.year, b.month, b.day)
    if left == right:
        text = birth_key(*left)
        return (_B_EXACT, frequencies.rarity("birth", text)) if a.day else (_B_PARTIAL, 0)
    if not (a.day and b.day):
        fits = all(x == y or not x or not y for x, y in zip(left, right, strict=True))
        return _B_PARTIAL if fits else _apart(a, b, years), 0
    slips = digit_slips(birth_key(*left), birth_key(*right))
    if slips == 1 or (a.year == b.year and a.month == b.day and a.day == b.month):
        return _B_TYPO, 0
    if (a.year == b.year) + (a.month == b.month) + (a.day == b.day) == 2:
        return _B_PARTS, 0
    return (_B_YEAR if a.year == b.year or slips == SLIPS else _apart(a, b, years)), 0


def _apart(a: Birth, b: Birth, years: int) -> int:
    return _B_DIFFER if abs(a.year - b.year) <= years else _B_FAR


def digit_slips(a: str, b: str) -> int:
    """Digits that differ, a swap of neighbours counted once."""
    slips: int = sum(map(ne, a, b))
    if slips == 2:
        first, second = (i for i in range(len(a)) if a[i] != b[i])
        if second == first + 1 and a[first] == b[second] and a[second] == b[first]:
            return 1
    return slips
