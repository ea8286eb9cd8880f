"""Blocking keys: two records are compared if they share one. Several kinds, so that no single error hides a pair.

A key is "kind:value". Kinds that many strangers share are made narrow by a second part; what still brings too many
together is capped where keys are used, and shown (see blocks.py and matcher.py).
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import product

from services.identity.matching.model import Model
from services.identity.matching.record import Birth, CompanyName, Email, Home, Normal, PersonName

MOST = 4
"""Names, phones, e-mails and addresses of one record that make keys."""

SUPPORTING = ("word-year:", "word-day:", "word-town:", "word-road:", "door:", "head-place:", "head:")
"""So begin the keys that are worth no comparison by themselves: of 7,500 pairs that shared one of these alone, two in
100,000 made-up records reached a question and none was one customer. With any other key they count like the rest.
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


def keys(normal: Normal, model: Model) -> tuple[str, ...]:  # noqa: ARG001 a model may choose kinds one day
    """All keys of a record, without repeats, in a fixed order. Never log one: they hold personal data."""
    homes, names = normal.homes[:MOST], normal.names[:MOST]
    found = [f"id:{identity.type}:{identity.value}" for identity in normal.identities[:MOST]]
    found += [f"phone:{phone.number[-8:]}" for phone in normal.phones[:MOST] if not phone.placeholder]
    for email in normal.emails[:MOST]:
        found += _email(email)
    for company in normal.companies[:MOST]:
        found += _company(company, homes)
    for name in names:
        words = _words(name)
        found += _name(name, words, normal.birth)
        for home in homes:
            found += _name_place(words, home)
    found += _birth(normal.birth)
    for home in homes:
        found += _place(home)
    return tuple(dict.fromkeys(found))


def narrow_keys(normal: Normal) -> tuple[str, ...]:
    """Keys for an index of its own kinds beside those of `keys`: a phone that many share, with a word of the name.

    They bring people together whose phone is too common to do it, in whatever order they come. A file needs them not:
    there all people of one town who sound alike are compared.
    """
    words = {word for name in normal.names[:MOST] for word in _words(name)}
    phones = [phone.number[-8:] for phone in normal.phones[:MOST] if not phone.placeholder]
    return tuple(f"word-phone:{word}|{phone}" for phone, word in product(dict.fromkeys(phones), sorted(words)))


def _email(email: Email) -> list[str]:
    if email.placeholder:
        return []
    found = [f"email:{email.address}"]
    if len(email.local) >= 5 and not email.role:
        found.append(f"local:{email.local}")
    return found


def _words(name: PersonName) -> list[str]:
    """The skeletons of given and family name; which is which does not matter, they may have been swapped."""
    if name.given or name.family:
        words = [name.given.split(" ", 1)[0], name.family.replace(" ", "")]
    else:
        words = [name.tokens[0], name.tokens[-1]] if name.tokens else []
    return sorted({skeleton(word) for word in words if word})


def _name(name: PersonName, words: list[str], birth: Birth | None) -> list[str]:
    found = [f"name:{name.anagram}"] if name.anagram else []
    if len(words) == 2:
        found.append(f"sound:{words[0]}|{words[1]}")
    if birth is None or birth.placeholder:
        return found
    found.extend(f"word-year:{word}|{birth.year}" for word in words)
    if birth.day:
        found.extend(f"word-day:{word}|{birth.month}|{birth.day}" for word in words)
    return found


def _name_place(words: list[str], home: Home) -> list[str]:
    found: list[str] = []
    if home.postcode:
        found.extend(f"word-postcode:{word}|{home.postcode}" for word in words)
    town = home.city or home.district
    if town:
        found.extend(f"word-town:{word}|{town}" for word in words)
    if home.road:
        found.extend(f"word-road:{word[:2]}|{skeleton(home.road)}|{home.number}" for word in words)
    return found


def _birth(birth: Birth | None) -> list[str]:
    if birth is None or birth.placeholder or not birth.day:
        return []
    low, high = sorted((birth.month, birth.day))
    return [f"birth:{birth.year}|{low}|{high}"]


def _place(home: Home) -> list[str]:
    found = []
    if home.road and home.number:
        found.append(f"door:{home.road}|{home.number}|{home.unit if not home.postcode else ''}")
    if home.postcode and home.number:
        found.append(f"postcode-number:{home.postcode}|{home.number}")
    if home.road and home.postcode:
        found.append(f"road-postcode:{skeleton(home.road)}{home.road[-2:]}|{home.postcode}")
    return found


def _company(company: CompanyName, homes: tuple[Home, ...]) -> list[str]:
    if not company.core:
        return []
    found = [f"company:{''.join(sorted(company.core.replace(' ', '')))}"]
    heads = sorted({skeleton(token) for token in company.tokens[:2] if len(token) > 1} | {company.core[:5]})
    places = [place for home in homes for place in (home.postcode, home.city) if place]
    found.extend(f"head-place:{head}|{place}" for head, place in product(heads, places[:MOST]))
    found.append(f"head:{company.core[:8]}")
    return found
