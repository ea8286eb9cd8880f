"""Spellings that mean the same brought to one, where a value is looked up exactly as somebody gave it."""

from __future__ import annotations

import re
import unicodedata

_PLAIN_WORDS = re.compile(r"[a-z0-9]+")
_WORDS = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")
_APOSTROPHES = str.maketrans("", "", "'\u2019\u02bc`.")


def words(text: str | None) -> list[str]:
    """The words of a text, compatibility forms and case folded; every Han character is a word."""
    if not text:
        return []
    if text.isascii():
        plain = text.lower()
        return [plain] if plain.isalnum() else _PLAIN_WORDS.findall(plain.translate(_APOSTROPHES))
    return _WORDS.findall(unicodedata.normalize("NFKC", text).casefold().translate(_APOSTROPHES))


def compact(text: str | None) -> str:
    """The letters and digits of a text, compatibility forms and case folded."""
    return "".join(words(text))
