"""What may stand in a text from outside: NFC, without control characters, bidi controls and lone surrogates."""

import re
import unicodedata
from typing import Annotated, Any

from pydantic import BeforeValidator

from shared.events.envelope import Text, Word

_JOINERS = "\u200c\u200d"
"""Zero-width joiner and non-joiner: Persian and Indic scripts and emoji need them."""
_REFUSED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# NFC would replace these by other characters, and names are written with exactly these.
_COMPATIBILITY_IDEOGRAPHS = re.compile("([\uf900-\ufaff\U0002f800-\U0002fa1f]+)")


def clean_line(value: Any) -> Any:
    """One line of text in NFC, CJK compatibility ideographs kept. What is not text passes through unchanged.

    Raises ValueError, without the text, if it holds a control, bidi control or other invisible format character.
    """
    return _clean(value, "") if isinstance(value, str) else value


def clean_text(value: Any) -> Any:
    """As `clean_line`, with line breaks and tabs allowed."""
    return _clean(value, "\n\r\t") if isinstance(value, str) else value


def clean_parts(value: Any) -> Any:
    """As `clean_line`, for a text or for every text inside a JSON object or list."""
    if isinstance(value, str):
        return _clean(value, "")
    if isinstance(value, dict):
        return {name: clean_parts(part) for name, part in value.items()}
    if isinstance(value, list):
        return [clean_parts(part) for part in value]
    return value


def _clean(text: str, allowed: str) -> str:
    if not text.isprintable():
        for char in text:
            if unicodedata.category(char) in _REFUSED and char not in allowed and char not in _JOINERS:
                raise ValueError(f"This holds the character U+{ord(char):04X}, which is not allowed in a text.")
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return text
    pieces = _COMPATIBILITY_IDEOGRAPHS.split(text)
    return "".join(piece if at % 2 else unicodedata.normalize("NFC", piece) for at, piece in enumerate(pieces))


Line = Annotated[Word, BeforeValidator(clean_line)]
Paragraph = Annotated[Text, BeforeValidator(clean_text)]
CleanText = BeforeValidator(clean_text)
CleanParts = BeforeValidator(clean_parts)
"""For fields that hold an object or list of texts."""
