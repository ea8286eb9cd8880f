"""Names of persons: what belongs to the name is parted from titles and suffixes, and all scripts become one.

张伟, 張偉, Zhang Wei, WEI ZHANG and zhāng wěi share their letters in sorted order (`anagram`), whichever of the two
words is the family name. What a source calls given and family name is believed; of a whole name the order is told by a
comma, by Chinese family names, or by the Western custom, and left open where both ends could be a Chinese family name.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from services.identity.matching.normalise.nicknames import GIVEN, ROOTS
from services.identity.matching.normalise.pinyin import is_pinyin, romanised, spelled
from services.identity.matching.normalise.surnames import (
    COMPOUND,
    OTHER_READINGS,
    ROMANISED,
    ROMANISED_COMPOUND,
    SINGLE,
    reading,
    split,
)
from services.identity.matching.normalise.tables import listed
from services.identity.matching.normalise.text import Steps, fold, han, known, note, without_han, words
from services.identity.matching.record import PersonName

MOST = 16
"""Words that are read of one name, and names that are read of one record."""

TITLES = frozenset(
    listed(
        "mr mrs ms miss mx mister missus madam mme mlle monsieur madame sir dame lord lady dr prof professor doctor rev"
        " reverend fr father herr frau senor senora srta hon capt captain col lt sgt maj gen eng ing mag dipl"
    )
)
"""Words before a name that are no part of it."""
LETTERS = frozenset(listed("md phd esq cpa dds dvm mba llb obe cbe mbe kbe rn jd msc bsc frs"))
"""Letters after a name that are no part of it."""
SUFFIXES = {
    "jr": "jr", "jnr": "jr", "junior": "jr", "sr": "sr", "snr": "sr", "senior": "sr", "ii": "2", "iii": "3", "iv": "4",
    "2nd": "2", "3rd": "3", "4th": "4",
}  # fmt: skip
"""What tells generations apart, after a name."""
_HAN_GENERATION = {"大": "sr", "老": "sr", "小": "jr"}
_HAN_TITLES = re.compile(
    "(?:先生|女士|小姐|太太|夫人|博士|教授|老师|经理|总监|总经理|董事长|主任|医生|大夫|律师|师傅|同志|同学|阿姨|叔叔)+$"
)
_HAN_FAMILIAR = frozenset("小老阿")
_PARTICLES = frozenset(
    listed("de del della der den di da dos das du la le van von vom zu zum zur ter ten el al bin ibn st")
)
_JOINING = frozenset(("o", "mc", "mac", "d", "al", "fitz"))
_ASIDE = re.compile(r"\(([^()]*)\)|\"([^\"]*)\"")
_FAMILIES = SINGLE | COMPOUND
_HYPHEN = re.compile(r"\b([a-z]{2,6})-([a-z]{1,6})\b")
_FORMER = re.compile(
    r"\b(?:nee|born|geb|geborene|formerly|alias|aka|a\.k\.a|fka|f\.k\.a)\b\.?|(?:曾用名|原名|又名|别名)[::]?"
)


class Reading(NamedTuple):
    """One text read as a name, or as part of one. `aside` are the names that it gives beside the first."""

    tokens: tuple[str, ...] = ()
    han: str = ""
    suffix: str = ""
    before_comma: int = 0
    aside: tuple[str, ...] = ()


NOTHING = Reading()


@lru_cache(maxsize=65_536)
def read(text: str) -> Reading:
    """The words of a name and what stands beside them. Never fails."""
    return read_words(text, None)


def read_words(text: str, steps: Steps | None) -> Reading:
    """As `read`, noting every step."""
    given = known(text)
    if not given:
        return NOTHING
    folded = fold(given)
    note(steps, "folded", folded)
    if folded.isalpha() and folded.isascii():
        return Reading((folded,))
    suffix = ""
    aside: tuple[str, ...] = ()
    if not folded.isalpha():
        folded, suffix, aside = _without_asides(folded, steps)
    characters = han(folded)
    if characters:
        return _read_han(folded, characters, suffix, aside, steps)
    before, comma, after = folded.partition(",")
    tokens, found = _words(before)
    count = 0
    if comma:
        behind, late = _words(after.replace(",", " "))
        count = len(tokens) if behind else 0
        tokens, found = tokens + behind, found or late
    note(steps, "words", " ".join(tokens))
    return Reading(tuple(tokens[:MOST]), "", suffix or found, count, aside)


def _without_asides(folded: str, steps: Steps | None) -> tuple[str, str, tuple[str, ...]]:
    """A folded text without what stands in brackets, in quotes or behind "born"; the generation; what stood there."""
    suffix, aside = "", []
    for match in list(_ASIDE.finditer(folded))[:4] if '"' in folded or "(" in folded else ():
        inside = (match[1] or match[2] or "").strip()
        suffix = _HAN_GENERATION.get(inside) or SUFFIXES.get(inside.strip(".")) or suffix
        if inside and inside not in _HAN_GENERATION and inside.strip(".") not in SUFFIXES:
            aside.append(_FORMER.sub("", inside).strip())
    if aside or suffix:
        folded = _ASIDE.sub(" ", folded)
        note(steps, "without what is in brackets", folded)
    found = _FORMER.search(folded)
    if found is not None and folded[: found.start()].strip():
        aside.append(folded[found.end() :].strip())
        folded = folded[: found.start()]
        note(steps, "without the other name", folded)
    return folded, suffix, tuple(other for other in aside if other)


def _words(folded: str) -> tuple[list[str], str]:
    """The words of a folded text without titles and letters after the name, and its suffix."""
    found = words(folded.replace(".", " ") if "." in folded else folded)
    suffix = ""
    while len(found) > 1 and (found[0] in TITLES or found[0] in SUFFIXES):
        suffix = SUFFIXES.get(found.pop(0), suffix)
    while len(found) > 1 and (found[-1] in SUFFIXES or found[-1] in LETTERS):
        suffix = SUFFIXES.get(found.pop(), suffix)
    if len(found) == 1 and (found[0] in SUFFIXES or found[0] in LETTERS):
        return [], SUFFIXES.get(found[0], "")
    if len(found) > 1:
        found = _joined(found)
        if "-" in folded:
            found = _hyphenated(found, folded)
    return [spelled(word) if not word.isalpha() or len(word) <= 3 else word for word in found], suffix


def _hyphenated(found: list[str], folded: str) -> list[str]:
    """With xiao-long as xiaolong: a hyphen between two syllables makes one Chinese given name of them."""
    for pair in _HYPHEN.findall(folded):
        if pair[0] in found and all(map(is_pinyin, pair)) and not GIVEN.issuperset(pair):
            at = found.index(pair[0])
            if found[at : at + 2] == list(pair):
                found[at : at + 2] = ["".join(pair)]
    return found


def _joined(found: list[str]) -> list[str]:
    """With o and brien as obrien, mc and donald as mcdonald: where a first part never stands alone."""
    joined: list[str] = []
    for word in found:
        if joined and joined[-1] in _JOINING and len(word) > 2 and (len(joined) > 1 or joined[-1] != "al"):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _read_han(folded: str, characters: str, suffix: str, aside: tuple[str, ...], steps: Steps | None) -> Reading:
    if "\u00b7" in folded or (folded != characters and characters.isascii()):
        parts = [part for part in folded.split("\u00b7") if han(part)]
        tokens = tuple(romanised(han(part)) for part in parts)
        note(steps, "romanised", " ".join(tokens))
        return Reading(tokens[:MOST], characters, suffix, 0, aside)
    name = _HAN_TITLES.sub("", characters) or characters
    if name != characters:
        note(steps, "without the title", name)
    latin = without_han(folded).strip(" ,()-/")
    if latin:
        aside = (*aside, latin)
    return Reading((), name, suffix, 0, aside)


def persons(full: str, given: str, family: str, others: tuple[str, ...]) -> tuple[PersonName, ...]:
    """The names of a person: first the one of `given` and `family`, or else of `full`; then the others, each once.

    A whole name that says more than its two parts gives the words. Other names are former, maiden and pet names, or
    the same name in another script; one of a single word is completed by the rest of the first name.
    """
    found: list[PersonName] = []
    aside: list[str] = []
    whole = read(full) if full else NOTHING
    if given or family:
        first, last = read(given) if given else NOTHING, read(family) if family else NOTHING
        found.extend(_of_parts(first, last))
        aside += (*first.aside, *last.aside)
    if whole is not NOTHING:
        _add_whole(found, whole)
        aside += whole.aside
    for other in (*aside, *others)[:MOST]:
        _add_other(found, read(other))
    return tuple(found[:MOST]) if len(found) < 2 else tuple(dict.fromkeys(found))[:MOST]


def _add_whole(found: list[PersonName], whole: Reading) -> None:
    """Takes the words of a whole name over into the name of its parts, or adds it where the two differ."""
    names = _of_whole(whole)
    if found and names:
        ours, theirs = found[0], names[0]
        if ours.anagram == theirs.anagram or set(ours.tokens) <= set(theirs.tokens):
            characters = ours.han or theirs.han
            tokens = theirs.tokens if len(theirs.tokens) > len(ours.tokens) else ours.tokens
            found[0] = _name(ours.given, ours.family, tokens, characters, ours.suffix or theirs.suffix)
            names = names[1:]
    found.extend(names)


def _add_other(found: list[PersonName], other: Reading) -> None:
    """Adds another name; a single word takes the place of the given name if it is one, and else of the family name."""
    names = _of_whole(other)
    if found and len(other.tokens) == 1 and len(found[0].tokens) > 1:
        word, first = other.tokens[0], found[0]
        if first.given and first.family:
            is_given = word in GIVEN
            pair = (word, first.family) if is_given else (first.given, word)
            names = (_name(*pair, tuple(" ".join(pair).split()), "", first.suffix),)
    for name in names:
        if not any(name.anagram == known_.anagram and not name.han for known_ in found):
            found.append(name)


def _of_parts(first: Reading, last: Reading) -> tuple[PersonName, ...]:
    suffix = last.suffix or first.suffix
    if not first.han and not last.han:
        given, family = _given(first.tokens), " ".join(last.tokens)
        if len(last.tokens) < len(first.tokens) and last.tokens and first.tokens[-len(last.tokens) :] == last.tokens:
            given = " ".join(first.tokens[: -len(last.tokens)])
        return (_name(given, family, (*given.split(), *last.tokens), "", suffix),) if given or family else ()
    whole = _whole_in_one(first, last)
    if whole:
        return _of_han(whole, suffix)
    if last.han not in _FAMILIES and first.han in _FAMILIES:
        first, last = last, first
    given = romanised(first.han) if first.han else _given(first.tokens)
    family = reading(last.han) if last.han else " ".join(last.tokens)
    names = (_name(given, family, _both(family, given), last.han + first.han, suffix),)
    return names + _second(last.han, first.han, suffix)


def _whole_in_one(first: Reading, last: Reading) -> str:
    """The whole name in Han characters, where one of the two fields holds it and the other nothing but a part of it."""
    for full, part in ((first, last), (last, first)):
        if len(full.han) > len(part.han) + (not part.han) and full.han[:2] not in _FAMILIES:
            if part.han and (full.han.startswith(part.han) or full.han.endswith(part.han)):
                return full.han
            if not part.han and not part.tokens and (full is last or len(full.han) > 2):
                return full.han
    return ""


def _given(tokens: tuple[str, ...]) -> str:
    """A given name; the syllables of a Chinese one are one word (xiao long is xiaolong)."""
    if len(tokens) == 2 and all(len(word) > 1 and is_pinyin(word) and word not in GIVEN for word in tokens):
        return "".join(tokens)
    return " ".join(tokens)


def _of_whole(whole: Reading) -> tuple[PersonName, ...]:
    if whole.han and not whole.tokens:
        return _of_han(whole.han, whole.suffix)
    tokens = whole.tokens
    if not tokens:
        return ()
    if whole.han:
        given, family = (tokens[0], tokens[-1]) if len(tokens) > 1 else ("", "")
        return (_name(given, family, tokens, whole.han, whole.suffix),)
    if whole.before_comma:
        family = " ".join(tokens[: whole.before_comma])
        given = _given(tokens[whole.before_comma :])
        return (_name(given, family, (*given.split(), *family.split()), "", whole.suffix),)
    given, family, tokens = _ordered(tokens)
    return (_name(given, family, tokens, "", whole.suffix),)


def _of_han(characters: str, suffix: str) -> tuple[PersonName, ...]:
    if len(characters) == 2 and characters[0] in _HAN_FAMILIAR and characters[1] in SINGLE:
        family = reading(characters[1])
        return (_name("", family, (family,), characters[1], suffix),)
    last, first = split(characters)
    if not last:
        word = romanised(characters)
        return (_name("", "", (word,), characters, suffix),)
    given, family = romanised(first), reading(last)
    return (_name(given, family, (family, given), characters, suffix), *_second(last, first, suffix))


def _second(last: str, first: str, suffix: str) -> tuple[PersonName, ...]:
    """The same name with its family name read the other way, where bearers do."""
    other = OTHER_READINGS.get(last)
    if other is None or not first:
        return ()
    given = romanised(first)
    return (_name(given, other, (other, given), last + first, suffix),)


def _both(family: str, given: str) -> tuple[str, ...]:
    return tuple(part for part in (family, given) if part)


def _ordered(tokens: tuple[str, ...]) -> tuple[str, str, tuple[str, ...]]:
    """Given name, family name and words of a whole name in Latin letters; empty where both ends could be either."""
    count = len(tokens)
    if count == 1:
        return "", "", tokens
    if count <= 4 and (tokens[0] in ROMANISED or tokens[-1] in ROMANISED) and all(map(is_pinyin, tokens)):
        return _ordered_pinyin(tokens)
    if tokens[0] in ROMANISED and tokens[-1] not in ROMANISED and tokens[-1] in GIVEN and tokens[0] not in GIVEN:
        return " ".join(tokens[1:]), tokens[0], tokens
    start = count - 1
    while start > 1 and tokens[start - 1] in _PARTICLES:
        start -= 1
    return " ".join(tokens[:start]), " ".join(tokens[start:]), tokens


def _ordered_pinyin(tokens: tuple[str, ...]) -> tuple[str, str, tuple[str, ...]]:
    if len(tokens) >= 3 and tokens[0] + tokens[1] in ROMANISED_COMPOUND:
        tokens = (tokens[0] + tokens[1], *tokens[2:])
    elif len(tokens) >= 3 and tokens[-2] + tokens[-1] in ROMANISED_COMPOUND:
        tokens = (*tokens[:-2], tokens[-2] + tokens[-1])
    first, last = tokens[0] in ROMANISED, tokens[-1] in ROMANISED
    if first and last and tokens[0] in ROMANISED_COMPOUND:
        last = False
    elif first and last and tokens[-1] in ROMANISED_COMPOUND:
        first = False
    if first and not last:
        given = "".join(tokens[1:]) if tokens[1] not in GIVEN else " ".join(tokens[1:])
        return given, tokens[0], (tokens[0], *given.split())
    if last and not first:
        given = "".join(tokens[:-1]) if tokens[0] not in GIVEN else " ".join(tokens[:-1])
        return given, tokens[-1], (*given.split(), tokens[-1])
    return "", "", tokens


def _name(given: str, family: str, tokens: tuple[str, ...], characters: str, suffix: str) -> PersonName:
    return PersonName(
        given=given,
        family=family,
        tokens=tokens,
        anagram="".join(sorted("".join(tokens))),
        han=characters,
        roots=tokens if characters else tuple([ROOTS.get(word, word) for word in tokens]),
        suffix=suffix,
        initials="".join(sorted([word[0] for word in tokens])),
    )
