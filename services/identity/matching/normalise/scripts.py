"""Letters of other alphabets in Latin ones: Cyrillic, Greek, kana and Hangul, and Latin letters that are no marks.

Romanising follows what passports use most (BGN/PCGN without marks for Cyrillic, ELOT 743 for Greek, Hepburn for kana,
Revised Romanisation for Hangul), letter by letter: good enough to bring spellings close, not to read aloud.
"""

# ruff: noqa: RUF001 - letters that look alike are what the tables are about
from __future__ import annotations

from services.identity.matching.normalise.tables import listed

_LATIN = {
    "ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h", "ŋ": "ng",
    "ŧ": "t", "ĸ": "k", "ə": "a", "ƒ": "f", "ɓ": "b", "ɗ": "d", "ƙ": "k", "ɛ": "e", "ɔ": "o", "ʉ": "u", "ɨ": "i",
}  # fmt: skip
_CYRILLIC = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i", "й": "y",
    "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f",
    "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu",
    "я": "ya", "є": "ye", "і": "i", "ї": "yi", "ґ": "g", "ў": "u", "ђ": "dj", "ј": "j", "љ": "lj", "њ": "nj",
    "ћ": "c", "џ": "dz", "ѓ": "g", "ќ": "k", "ѕ": "dz", "ә": "a", "ғ": "g", "қ": "k", "ң": "ng", "ө": "o", "ұ": "u",
    "ү": "u", "һ": "h",
}  # fmt: skip
_GREEK = {
    "α": "a", "β": "v", "γ": "g", "δ": "d", "ε": "e", "ζ": "z", "η": "i", "θ": "th", "ι": "i", "κ": "k", "λ": "l",
    "μ": "m", "ν": "n", "ξ": "x", "ο": "o", "π": "p", "ρ": "r", "σ": "s", "ς": "s", "τ": "t", "υ": "y", "φ": "f",
    "χ": "ch", "ψ": "ps", "ω": "o",
}  # fmt: skip
_KANA_ROWS = (
    ("アイウエオ", "a i u e o"), ("カキクケコ", "ka ki ku ke ko"), ("ガギグゲゴ", "ga gi gu ge go"),
    ("サシスセソ", "sa shi su se so"), ("ザジズゼゾ", "za ji zu ze zo"), ("タチツテト", "ta chi tsu te to"),
    ("ダヂヅデド", "da ji zu de do"), ("ナニヌネノ", "na ni nu ne no"), ("ハヒフヘホ", "ha hi fu he ho"),
    ("バビブベボ", "ba bi bu be bo"), ("パピプペポ", "pa pi pu pe po"), ("マミムメモ", "ma mi mu me mo"),
    ("ヤユヨ", "ya yu yo"), ("ラリルレロ", "ra ri ru re ro"), ("ワヲンヴ", "wa o n vu"),
    ("ァィゥェォ", "a i u e o"), ("ャュョ", "ya yu yo"),
)  # fmt: skip
_KATAKANA = {letter: sound for row, sounds in _KANA_ROWS for letter, sound in zip(row, sounds.split(), strict=True)}
_HIRAGANA = {chr(ord(letter) - 0x60): sound for letter, sound in _KATAKANA.items()}

ROMAN: dict[str, str] = {**_LATIN, **_CYRILLIC, **_GREEK, **_KATAKANA, **_HIRAGANA, "ッ": "", "っ": "", "ー": ""}
"""A letter in lower case -> Latin letters."""

_FIRST = listed("g kk n d tt r m b pp s ss - j jj ch k t p h")
_MIDDLE = listed("a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i")
_LAST = listed("- k k k n n n t l k m l l l p l m p p t t ng t t k t p t")


def hangul(syllable: str) -> str:
    """A syllable of Hangul in Latin letters."""
    index = ord(syllable) - 0xAC00
    parts = (_FIRST[index // 588], _MIDDLE[index % 588 // 28], _LAST[index % 28])
    return "".join(part for part in parts if part != "-")
