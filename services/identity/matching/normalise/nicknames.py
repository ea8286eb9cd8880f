"""Short and pet names led back to the names they stand for: bob and rob to robert.

Two visible files: nicknames.csv beside this module, whose lines decide (a name beside itself is nobody's nickname), and
names.csv of the installed package `nicknames`, which knows more names but gives many readings of one nickname. A root
is for finding candidates: two names with one root may be the same name, and `akin` says whether one can stand for the
other.
"""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Mapping
from pathlib import Path

from services.identity.matching.normalise.tables import listed


def _lines(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def _names() -> dict[str, frozenset[str]]:
    """Nickname -> the names that it stands for, by both files."""
    package = importlib.util.find_spec("nicknames")
    if package is None or package.origin is None:
        raise ImportError("nicknames is not installed: install the locked requirements")
    found: dict[str, set[str]] = {}
    for name, _, nickname in _lines(Path(package.origin).parent / "names.csv"):
        found.setdefault(nickname.strip(), set()).add(name.strip())
    for nickname, name in _OURS.items():
        found.setdefault(nickname, set()).add(name)
    return {nickname: frozenset(names) for nickname, names in found.items()}


def _roots() -> dict[str, str]:
    """Nickname -> the name it most probably stands for: ours, or else the one with most nicknames, the first of them.

    A name that has nicknames of its own is led back no further, unless our file says so.
    """
    weight = {name: 0 for names in _NAMES.values() for name in names}
    for names in _NAMES.values():
        for name in names:
            weight[name] += 1
    roots = dict(_OURS)
    for nickname, names in _NAMES.items():
        if nickname not in roots and nickname not in weight:
            roots[nickname] = min(names, key=lambda name: (-weight[name], name))
    settled = {nickname: _settled(nickname, roots) for nickname in roots}
    return {nickname: root for nickname, root in settled.items() if nickname != root and nickname not in _WORDS}


def _settled(name: str, roots: Mapping[str, str]) -> str:
    seen = {name}
    while (found := roots.get(name)) is not None and found not in seen:
        seen.add(found)
        name = found
    return name


_WORDS = frozenset(listed("van von de la del du junior"))
"""Words of family names that the package takes for nicknames."""
_OURS: dict[str, str] = {line[0]: line[1] for line in _lines(Path(__file__).parent / "nicknames.csv")}
_NAMES = _names()
_NONE: frozenset[str] = frozenset()
ROOTS: Mapping[str, str] = _roots()
"""A nickname -> the name it is led back to; names that are nobody's nickname are absent."""
GIVEN = frozenset(_NAMES) | frozenset(name for names in _NAMES.values() for name in names)
"""Every given name that the two files know."""


def akin(left: str, right: str) -> bool:
    """Whether one of two given names is a short form of the other, or both are of the same name: bob, rob, robert."""
    ours, theirs = _NAMES.get(left, _NONE), _NAMES.get(right, _NONE)
    return left == right or left in theirs or right in ours or not ours.isdisjoint(theirs)
