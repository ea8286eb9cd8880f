"""Blocking keys: two records are compared if they share one. Several kinds, so that no single error hides a pair.

A key is "kind:value". Kinds that many strangers share are made narrow by a second part; what still brings too many
together is capped where keys are used, and shown (see blocks.py and matcher.py).

A file is resolved with wide kinds besides: the sound of a name, a name with a year or a town, a postcode with a
number. An index that takes records one at a time does without them. They bring strangers together and find next to
nothing more: of 7,434 made-up pairs that merge 9 would be missed, and a twentieth where little is known of people.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import product

from services.identity.matching.record import Birth, CompanyName, Home, Normal, PersonName

MOST = 4
"""Names, phones, e-mails and addresses of one record that make keys."""

SUPPORTING = frozenset({"word-day", "word-road", "word-postcode", "birth", "door", "head-place"})
"""Kinds of keys of an index that are worth no comparison by themselves, if something else leads to both records.

Of 3,200 made-up pairs that shared one of these alone not one was a question. With another key they count.
"""
WEAK = frozenset({"word-day", "birth", "head-place"})
"""Those of them that are worth none if something else leads to either: 9 of 20,000 made-up pairs merged."""

LAST = frozenset(
    {
        *("word-day", "word-year", "word-town", "word-postcode", "birth"),
        *("door", "road-postcode", "postcode-number", "head-place", "local"),
    }
)
"""Kinds of keys of a file under which nearly all pairs are strangers: those that share one, and nothing else, go last.

Of 26 million such pairs of a million made-up records 905 were of one customer.
"""

_SOUNDS = str.maketrans(
    {"c": "k", "q": "k", "z": "s", "v": "f", "w": "", "h": "", "y": ""} | dict.fromkeys("aeiou", "")
)
_REPEATED = re.compile(r"(.)\1+")


@lru_cache(maxsize=65536)
def skeleton(word: str) -> str:
    """The first letter and the next consonants of a word, alike for most slips: smith and smyth, peter and petre."""
    head, tail = word[:1], word[1:].replace("ph", "f").translate(_SOUNDS)
    return _REPEATED.sub(r"\1", head + tail)[:4]


def keys(normal: Normal) -> tuple[str, ...]:
    """All keys of a record of a file, without repeats, in a fixed order. Never log one: they hold personal data."""
    words = [_words(name) for name in normal.names[:MOST]]
    return tuple(dict.fromkeys([*_narrow(normal, words), *_wide(normal, words)]))


def index_keys(normal: Normal) -> tuple[str, ...]:
    """The keys of a record in an index, without repeats, in a fixed order. Never log one.

    A phone that many share stands there with each word of the name as well: it brings people together whose phone is
    too common to do it, in whatever order they come.
    """
    words = [_words(name) for name in normal.names[:MOST]]
    found = _narrow(normal, words)
    for phone in _phones(normal):
        found += [f"word-phone:{word}|{phone}" for of_name in words for word in of_name]
    return tuple(dict.fromkeys(found))


def _narrow(normal: Normal, words: Sequence[list[str]]) -> list[str]:
    homes = normal.homes[:MOST]
    found = [f"id:{identity.type}:{identity.value}" for identity in normal.identities[:MOST]]
    found += [f"phone:{phone}" for phone in _phones(normal)]
    found += [f"email:{email.address}" for email in normal.emails[:MOST] if not email.placeholder]
    for company in normal.companies[:MOST]:
        found += _company(company, homes)
    for name, of_name in zip(normal.names, words, strict=False):
        found += _name(name, of_name, normal.birth, homes)
    found += _birth(normal.birth)
    for home in homes:
        if home.road and home.number:
            found.append(f"door:{home.road}|{home.number}|{home.unit if not home.postcode else ''}")
    return found


def _wide(normal: Normal, words: Sequence[list[str]]) -> list[str]:
    homes, birth = normal.homes[:MOST], normal.birth
    found = [
        f"local:{email.local}"
        for email in normal.emails[:MOST]
        if len(email.local) >= 5 and not email.role and not email.placeholder
    ]
    found += [f"head:{company.core[:8]}" for company in normal.companies[:MOST] if company.core]
    towns = [town for home in homes if (town := home.city or home.district)]
    for of_name in words:
        if len(of_name) == 2:
            found.append(f"sound:{of_name[0]}|{of_name[1]}")
        if birth is not None and not birth.placeholder:
            found += [f"word-year:{word}|{birth.year}" for word in of_name]
        found += [f"word-town:{word}|{town}" for town in towns for word in of_name]
    for home in homes:
        if home.postcode and home.number:
            found.append(f"postcode-number:{home.postcode}|{home.number}")
        if home.road and home.postcode:
            found.append(f"road-postcode:{skeleton(home.road)}{home.road[-2:]}|{home.postcode}")
    return found


def _phones(normal: Normal) -> list[str]:
    return [phone.number[-8:] for phone in normal.phones[:MOST] if not phone.placeholder]


def _words(name: PersonName) -> list[str]:
    """The skeletons of given and family name; which is which does not matter, they may have been swapped."""
    if name.given or name.family:
        words = [name.given.split(" ", 1)[0], name.family.replace(" ", "")]
    else:
        words = [name.tokens[0], name.tokens[-1]] if name.tokens else []
    return sorted({skeleton(word) for word in words if word})


def _name(name: PersonName, words: list[str], birth: Birth | None, homes: tuple[Home, ...]) -> list[str]:
    found = [f"name:{name.anagram}"] if name.anagram else []
    if birth is not None and birth.day and not birth.placeholder:
        found += [f"word-day:{word}|{birth.month}|{birth.day}" for word in words]
    for home in homes:
        if home.postcode:
            found += [f"word-postcode:{word}|{home.postcode}" for word in words]
        if home.road:
            found += [f"word-road:{word[:2]}|{skeleton(home.road)}|{home.number}" for word in words]
    return found


def _birth(birth: Birth | None) -> list[str]:
    if birth is None or birth.placeholder or not birth.day:
        return []
    low, high = sorted((birth.month, birth.day))
    return [f"birth:{birth.year}|{low}|{high}"]


def _company(company: CompanyName, homes: tuple[Home, ...]) -> list[str]:
    if not company.core:
        return []
    found = [f"company:{''.join(sorted(company.core.replace(' ', '')))}"]
    heads = sorted({skeleton(token) for token in company.tokens[:2] if len(token) > 1} | {company.core[:5]})
    places = [place for home in homes for place in (home.postcode, home.city) if place]
    return found + [f"head-place:{head}|{place}" for head, place in product(heads, places[:MOST])]
