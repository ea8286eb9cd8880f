"""Names of companies: place, line of business, legal form and branch parted from the name proper; all scripts one.

北京字节跳动科技有限公司 and Beijing Zijie Tiaodong Technology Co., Ltd. have the same core, because a line of business
is written as its English word and the place of registration and the legal form are left out of it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from services.identity.matching.normalise.company_words import (
    BRANCHES,
    BRANCHES_BEFORE,
    FORMS,
    HAN_BRANCHES,
    HAN_CITIES,
    HAN_FORMS,
    HAN_ORGANISATIONS,
    INDUSTRIES,
    INDUSTRY_WORDS,
    ORGANISATIONS,
    PLACES,
)
from services.identity.matching.normalise.pinyin import romanised
from services.identity.matching.normalise.places import MUNICIPALITIES, PROVINCES
from services.identity.matching.normalise.text import Steps, fold, han, known, note, words
from services.identity.matching.record import CompanyName

MOST = 16
"""Words that are read of one name, and names that are read of one record."""

_BRANCH = re.compile("(?:第?[一二三四五六七八九十0-9]+)?(?:" + "|".join(HAN_BRANCHES) + ")$")
_HAN_BRANCH = re.compile("(?<=[^\u3400-\u9fff])[\u3400-\u9fff]*(?:" + "|".join(HAN_BRANCHES) + ")$")
_PLACE = re.compile("(" + "|".join((*PROVINCES, *HAN_CITIES)) + ")(?:省|市|自治区|特别行政区)?")
_DISTRICT = re.compile("[\u3400-\u9fff]{2,3}(?:新区|区|县)(?=[\u3400-\u9fff]{3})")
_INDUSTRY = re.compile("|".join(sorted(INDUSTRIES, key=len, reverse=True)))
_BRACKETS = re.compile(r"\(([^()]*)\)")
_MENTIONED = re.compile("|".join(re.escape(word) for word in HAN_ORGANISATIONS))
_TRADING_AS = re.compile(r"\b(?:t/a|trading as|d/b/a|dba|doing business as)\b")
_LONGEST_FORM = 4


@lru_cache(maxsize=16_384)
def company(text: str) -> CompanyName | None:
    """A company's name taken apart, or None where nothing is given. Never fails."""
    return read(text, None)


def read(text: str, steps: Steps | None) -> CompanyName | None:
    """As `company`, noting every step."""
    given = known(text)
    if not given:
        return None
    folded = fold(given)
    note(steps, "folded", folded)
    characters = han(folded)
    latin = len(_LATIN.findall(folded))
    found = _chinese(folded, characters) if characters and len(characters) >= latin // 2 else _western(folded)
    for step in found.__struct_fields__:
        note(steps, step, str(getattr(found, step)))
    return found if found.core else None


_LATIN = re.compile("[a-z]")


def companies(full: str, company_name: str, others: tuple[str, ...]) -> tuple[CompanyName, ...]:
    """The names of a company, each once: what stands behind "trading as" is a name of its own."""
    found: list[CompanyName] = []
    for text in (company_name, full, *others[:MOST]):
        if not text:
            continue
        parts = _TRADING_AS.split(text[:512].lower(), maxsplit=1) if _may_trade(text) else [text]
        found.extend(name for part in parts if (name := company(part)) is not None and name not in found)
    return tuple(found)


def _may_trade(text: str) -> bool:
    return "/" in text or "dba" in text or "DBA" in text or " as " in text or " AS " in text


def _western(folded: str) -> CompanyName:
    region = ""
    # Acme Technology Co., Ltd. 昆明分公司: the foreign name of a Chinese company, and which branch of it.
    folded, branch = _without_han_branch(folded)
    for inside in _BRACKETS.findall(folded)[:4]:
        plain = words(inside)
        region = "".join(plain) if "".join(plain) in PLACES else region
        branch = " ".join(plain) if not BRANCHES.isdisjoint(plain) else branch
    if "(" in folded:
        folded = _BRACKETS.sub(" ", folded) if region or branch else folded
    name, dash, behind = folded.rpartition(" - ")
    if not dash or BRANCHES.isdisjoint(words(behind)):
        name, behind = folded, ""
    found = words(name.replace("&", " and ").replace(".", " ") if "&" in name or "." in name else name)[:MOST]
    branch = branch or " ".join(words(behind))
    found, branch = _without_branch(found, branch)
    found, form = _without_form(_initials(found))
    if len(found) > 1 and found[0] in PLACES:
        region = region or found[0]
        del found[0]
    tokens = tuple([word for word in (INDUSTRY_WORDS.get(word, word) for word in found) if word]) or tuple(found)
    return CompanyName("".join(tokens), tokens, form, branch, "", region)


def _without_han_branch(folded: str) -> tuple[str, str]:
    match = _HAN_BRANCH.search(folded)
    return (folded, "") if match is None else (folded[: match.start()].strip(), romanised(match[0]))


def _initials(found: list[str]) -> list[str]:
    """With single letters in a row as one word: i b m is ibm. Letters of a legal form stay apart for its table."""
    joined: list[str] = []
    single = False
    for word in found:
        if single and len(word) == 1:
            joined[-1] += word
        else:
            joined.append(word)
        single = len(word) == 1
    return joined


def _without_branch(found: list[str], branch: str) -> tuple[list[str], str]:
    """acme ltd leeds branch is acme ltd, and the branch leeds; only what follows a legal form tells where it starts."""
    if branch or len(found) < 3:
        return found, branch
    before = next((at for at in range(1, len(found)) if found[at] in BRANCHES_BEFORE), 0)
    if before:
        return found[:before], " ".join(found[before:])
    if found[-1] not in BRANCHES:
        return found, branch
    for at in range(len(found) - 2, 0, -1):
        if found[at] in FORMS:
            return found[: at + 1], " ".join(found[at + 1 :])
    return found[:-2], " ".join(found[-2:])


def _without_form(found: list[str]) -> tuple[list[str], str]:
    form = ""
    while len(found) > 1:
        for length in range(min(_LONGEST_FORM, len(found) - 1), 0, -1):
            tail = " ".join(found[-length:])
            if tail in FORMS or (length == 1 and _spaced(tail) in FORMS):
                form = form or FORMS.get(tail) or FORMS[_spaced(tail)]
                found = found[:-length]
                break
        else:
            break
    return found, form


def _spaced(word: str) -> str:
    return " ".join(word) if len(word) <= 4 else word


def _chinese(folded: str, characters: str) -> CompanyName:
    region = branch = form = ""
    for inside in _BRACKETS.findall(folded)[:4]:
        match = _PLACE.fullmatch(inside.strip())
        region = match[1] if match else region
        branch = inside.strip() if inside.strip().endswith(HAN_BRANCHES) else branch
    name = "".join(words(_BRACKETS.sub("", folded) if region or branch else folded))
    match = _BRANCH.search(name)
    if match is not None:
        start = _start_of_branch(name, match.start())
        name, branch = name[:start], name[start:]
    for written, spelling in HAN_FORMS:
        if name.endswith(written) and len(name) > len(written):
            name, form = name[: -len(written)], spelling
            break
    match = _PLACE.match(name)
    if match is not None and len(name) - match.end() >= 2:
        region, name = region or match[1], name[match.end() :]
        district = _DISTRICT.match(name)
        name = name[district.end() :] if district else name
    tokens = _tokens(name)
    return CompanyName("".join(tokens), tokens, form, romanised(branch), characters, romanised(region))


_PROVINCES = frozenset(map(romanised, PROVINCES))
_CITIES = frozenset(map(romanised, (*HAN_CITIES, *MUNICIPALITIES))) - {romanised("中国")}


def elsewhere(a: str, b: str) -> bool:
    """Whether two places of registration, as `region` has them, exclude each other: other cities, other provinces.

    A city may lie in a province. What is no place in China excludes nothing.
    """
    return a != b and any(a in places and b in places for places in (_PROVINCES, _CITIES))


def _start_of_branch(name: str, marker: int) -> int:
    """Where the branch starts whose last word stands at `marker`: behind the legal form, at a place, or at the word."""
    for written, _ in HAN_FORMS[:6]:
        at = name.find(written, 1, marker)
        if at > 0:
            return at + len(written)
    places = [match.start() for match in _PLACE.finditer(name, 2, marker)]
    return places[-1] if places else marker if marker > 1 else len(name)


def _tokens(name: str) -> tuple[str, ...]:
    """The name proper romanised as one word, and each line of business as its English words."""
    found: list[str] = []
    at = 0
    for match in _INDUSTRY.finditer(name):
        if match.start() > at:
            found.append(romanised(name[at : match.start()]))
        found.extend(INDUSTRIES[match[0]].split())
        at = match.end()
    if at < len(name):
        found.append(romanised(name[at:]))
    return tuple(found[:MOST])


@lru_cache(maxsize=16_384)
def is_organisation(text: str) -> bool:
    """Whether a name of unknown kind has a legal form or another word that only organisations have."""
    folded = fold(known(text))
    if not folded.isascii() and _MENTIONED.search(folded) is not None:
        return len(han(folded)) > 4 or folded.endswith(("公司", "集团"))
    found = words(folded.replace(".", " "))
    if len(found) < 2:
        return False
    return not ORGANISATIONS.isdisjoint(found) or not _SURE_FORMS.isdisjoint(found[1:]) or " ".join(found[-2:]) in FORMS


_SURE_FORMS = frozenset(form for form in FORMS if " " not in form) - {
    "as",
    "ab",
    "se",
    "sa",
    "sl",
    "ao",
    "ag",
    "co",
    "ug",
}
