"""Han characters to syllables without tones, and traditional characters to simplified ones, each by one dictionary.

Both dictionaries are read once, from the data of the installed packages: pypinyin's table of characters and OpenCC's
conversions. pypinyin's own entry point would load every phrase it knows as well, ten times the memory and the time,
and its per-call work is far too slow for a matcher.
"""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import msgspec
import opencc

_CONVERSIONS = ("t2s", "hk2s", "tw2s")
_VARIANTS = dict(zip("衞尙彥髙濶溫淸眞吿", "卫尚彦高阔温清真告", strict=True))
"""Characters that no conversion above leads to the one that registers use."""


def _table() -> dict[str, str]:
    found = importlib.util.find_spec("pypinyin")
    if found is None or found.origin is None:
        raise ImportError("pypinyin is not installed: install the locked requirements")
    stored = (Path(found.origin).parent / "pinyin_dict.json").read_bytes()
    return {chr(code): reading for code, reading in msgspec.json.decode(stored, type=dict[int, str]).items()}


def _plain(reading: str) -> str:
    """The first reading without its tone; the u with dots loses them, as it does in a passport's machine line."""
    first = reading.partition(",")[0]
    return "".join(letter for letter in unicodedata.normalize("NFD", first) if "a" <= letter <= "z")


def _simplified(characters: Iterable[str]) -> dict[str, str]:
    before = tuple(characters)
    after = "\n".join(before)
    for name in _CONVERSIONS * 2:
        after = opencc.OpenCC(name).convert(after)
    changed = {old: new for old, new in zip(before, after.split("\n"), strict=True) if old != new and len(new) == 1}
    return {old: _VARIANTS.get(new, new) for old, new in changed.items()} | _VARIANTS


_READINGS = _table()
SIMPLIFIED: dict[str, str] = _simplified(_READINGS)
"""A traditional or variant character -> the simplified one; characters that are simplified already are absent."""
SYLLABLE: dict[str, str] = {character: _plain(reading) for character, reading in _READINGS.items()}
"""A Han character -> its commonest syllable without a tone."""
_ROMANISED: dict[int, str] = {ord(character): syllable for character, syllable in SYLLABLE.items() if syllable}
del _READINGS

_COMMON = range(0x4E00, 0x9FA6)
SYLLABLES = frozenset(SYLLABLE[chr(code)] for code in _COMMON if chr(code) in SYLLABLE) - {"", "n", "m", "ng", "hm"}
"""Every syllable of Mandarin without its tone."""
_RUN = re.compile("(?:" + "|".join(sorted(SYLLABLES, key=len, reverse=True)) + ")+")
_TONED = re.compile(r"([a-z]{1,6})[0-5]")
_SPELLINGS = {"lv": "lu", "nv": "nu", "lyu": "lu", "nyu": "nu", "lve": "lue", "nve": "nue"}


def romanised(characters: str) -> str:
    """The syllables of Han characters in one word; a character without a reading stands for itself."""
    return characters.translate(_ROMANISED)


@lru_cache(maxsize=65_536)
def is_pinyin(word: str) -> bool:
    """Whether a word can be read as syllables of Mandarin, such as wei or xiaolong. Many Western names can, too."""
    return len(word) <= 24 and _RUN.fullmatch(word) is not None


def spelled(word: str) -> str:
    """A word of pinyin in the one spelling: without a number for its tone (wei3), and lv, lyu as lu."""
    toned = _TONED.fullmatch(word)
    if toned is not None and toned[1] in SYLLABLES:
        word = toned[1]
    return _SPELLINGS.get(word, word)
