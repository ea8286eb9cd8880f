"""Cutting a stream of bytes into records, CSV or one JSON per line, without ever holding more than one of them."""

import re
from collections.abc import Iterator
from typing import Protocol

_BOM = b"\xef\xbb\xbf"
_TO_CLOSING_QUOTE = re.compile(rb'[^"]*(?:""[^"]*)*"(?!")')


class BadRow(ValueError):
    """A row that is no record at all. Fate: this row is refused, the others go on."""


Record = bytes | BadRow


class Records(Protocol):
    """Takes physical lines, gives whole records."""

    def take(self, line: Record) -> Iterator[Record]:
        """The record that this line completes, if it does."""
        ...

    def end(self) -> Iterator[Record]:
        """What is left when there are no more lines."""
        ...


class Lines:
    """Cuts chunks into lines without their line ends; a line over the limit becomes one BadRow."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""
        self._too_long = False
        self._first = True

    def feed(self, chunk: bytes) -> Iterator[Record]:
        """The lines that this chunk completes."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            yield self._line(line)
        if len(self._rest) > self._limit:
            self._too_long, self._rest = True, b""

    def end(self) -> Iterator[Record]:
        """The last line, if it has no line end."""
        if self._rest or self._too_long:
            yield self._line(self._rest)

    def _line(self, line: bytes) -> Record:
        too_long, self._too_long = self._too_long or len(line) > self._limit, False
        if self._first:
            self._first, line = False, line.removeprefix(_BOM)
        return _too_large(self._limit) if too_long else line.removesuffix(b"\r")


class NdjsonRecords:
    """Every line that is not blank is a record."""

    def take(self, line: Record) -> Iterator[Record]:
        if isinstance(line, BadRow) or line.strip():
            yield line

    def end(self) -> Iterator[Record]:
        return iter(())


class CsvRecords:
    """Lines are joined while a quoted cell is open. A record over the limit is left out up to its closing quote."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lines: list[bytes] = []
        self._size = 0
        self._open = False

    def take(self, line: Record) -> Iterator[Record]:
        if isinstance(line, BadRow):
            self._reset()
            yield line
            return
        if not self._open and not line.strip():
            return
        if b'"' in line:
            self._open = _ends_open(line, inside=self._open)
        self._size += len(line) + 1
        if self._size <= self._limit:
            self._lines.append(line)
        else:
            self._lines.clear()
        if not self._open:
            yield self._record()

    def end(self) -> Iterator[Record]:
        if self._open:
            self._reset()
            yield BadRow("A quote is opened and never closed; everything after it was left out.")

    def _record(self) -> Record:
        record: Record = b"\n".join(self._lines) if self._size <= self._limit else _too_large(self._limit)
        self._reset()
        return record

    def _reset(self) -> None:
        self._lines, self._size, self._open = [], 0, False


def _ends_open(line: bytes, *, inside: bool) -> bool:
    """Whether a quoted cell is open at the end of the line; a quote opens a cell only as its first character."""
    at = 0
    while True:
        if not inside and line[at : at + 1] == b'"':
            at, inside = at + 1, True
        if inside:
            closing = _TO_CLOSING_QUOTE.match(line, at)
            if closing is None:
                return True
            at, inside = closing.end(), False
        at = line.find(b",", at) + 1
        if at == 0:
            return False


def _too_large(limit: int) -> BadRow:
    return BadRow(f"The row is over {limit} bytes; perhaps a quote is not closed.")
