"""Which characters the bytes of a file stand for."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.errors import EmbeddedError

_PORTION = 1 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_TEXT = {
    b"PK\x03\x04": "a zip archive or an Excel file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x1f\x8b": "a gzip archive",
    b"PAR1": "a Parquet file",
    b"SQLite format 3": "an SQLite database",
    b"%PDF": "a PDF",
}
_LEAST_NEIGHBOURS = 0.7
_CONTROLS = bytes(byte for byte in range(1, 32) if byte not in b"\t\n\v\f\r\x1a\x1b")
_MOST_CONTROLS = 0.03
"""Of the bytes of a text; of bytes that stand for anything else every tenth is a control character."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to open a file: the codec, and whether damaged places are replaced by U+FFFD."""

    codec: str
    damaged: bool = False


def encoding_of(file: Path) -> Encoding:
    """The encoding of a text file: by its mark, UTF-8 if it is that, else GB 18030 or Latin-1 by how bytes stand.

    A UTF-8 file with a few damaged places stays UTF-8. Raises EmbeddedError for an empty file and one that is no text.
    """
    with file.open("rb") as opened:
        head = opened.read(_PORTION)
    if not head.strip():
        raise EmbeddedError(f"{file.name} is empty: the first line has to name the columns.")
    for mark, what in _NOT_TEXT.items():
        if head.startswith(mark):
            raise EmbeddedError(f"{file.name} is {what}, not a text file: save it as CSV.")
    for mark, codec in _MARKS:
        if head.startswith(mark):
            return Encoding(codec, damaged=not _decodes(file, codec))
    if _decodes(file, "utf-8"):
        return Encoding("utf-8")
    if len(head) - len(head.translate(None, _CONTROLS)) > _MOST_CONTROLS * len(head):
        raise EmbeddedError(f"{file.name} is no text: save the table that it holds as CSV.")
    wrong, high = _damage(head)
    if high and wrong / high < 0.1:
        return Encoding("utf-8", damaged=True)
    # Chinese characters are two high bytes beside each other, letters with marks stand between plain ones.
    if _neighbours(head) >= _LEAST_NEIGHBOURS and _decodes(file, "gb18030"):
        return Encoding("gb18030")
    return Encoding("cp1252") if _decodes(file, "cp1252") else Encoding("latin-1")


def _decodes(file: Path, codec: str) -> bool:
    try:
        with file.open(encoding=codec, newline="") as text:
            while text.read(_PORTION):
                pass
    except UnicodeError:
        return False
    return True


def _damage(head: bytes) -> tuple[int, int]:
    """Bytes above 127 that are no UTF-8, and all of them."""
    kept = head.decode("utf-8", errors="ignore").encode()
    high = sum(byte > 127 for byte in head)
    return high - sum(byte > 127 for byte in kept), high


def _neighbours(head: bytes) -> float:
    """Of the bytes above 127, the share that have another beside them."""
    high = beside = run = 0
    for byte in (*head[:200_000], 0):
        if byte > 127:
            run += 1
            continue
        high += run
        beside += run if run > 1 else 0
        run = 0
    return beside / high if high else 0.0
