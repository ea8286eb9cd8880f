"""Reading a file of records as it comes: any usual encoding and delimiter, and a clear word about what is wrong."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from deploy.embedded.errors import EmbeddedError
from deploy.matching.encoding import encoding_of
from services.identity.matching.columns import COLUMNS, clean

LONGEST_CELL = 64 << 20
"""Characters; a longer cell is a quote that is never closed, or no CSV."""

_DELIMITERS = ",;\t|"
_LONGEST_HEADER = 1 << 20
_SHOWN = 5


@dataclass(slots=True)
class Notes:
    """What was put right while reading, as sentences with row numbers; row 1 is the first after the header."""

    short: list[int] = field(default_factory=list)
    long: list[int] = field(default_factory=list)
    unnamed: list[int] = field(default_factory=list)
    nulls: int = 0
    damaged: bool = False

    def sentences(self) -> list[str]:
        """One for each kind of trouble, none if there was none."""
        told = []
        if self.damaged:
            told.append("The file is not clean text; damaged characters were replaced.")
        if self.nulls:
            told.append(f"{self.nulls} NUL characters were left out.")
        if self.short:
            told.append(f"{_rows(self.short)} fewer cells than the header; the missing ones are taken as empty.")
        if self.long:
            told.append(f"{_rows(self.long)} more cells than the header; the surplus was left out.")
        if self.unnamed:
            told.append(f"{_rows(self.unnamed)} no id; the name row-N was given, N being the row's number.")
        return told


@dataclass(slots=True)
class Table:
    """An open file: its header, and its rows, each with as many cells as the header."""

    name: str
    encoding: str
    delimiter: str
    header: Sequence[str]
    rows: Iterator[list[str]]
    notes: Notes
    done: Callable[[], float]


def read_table(file: Path, text: TextIO, encoding: str, *, damaged: bool = False, names: Sequence[str] = ()) -> Table:
    """The table in an opened file. `names` are column names that a mapping speaks of, beside the known ones.

    Rows raise EmbeddedError where a quote is never closed or a cell is longer than LONGEST_CELL.
    """
    notes = Notes(damaged=damaged)
    lines = _Lines(text, notes)
    first = next((line for line in lines if line.strip()), "")
    delimiter = _delimiter(first, {*COLUMNS, *names})
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(lines.again(first), delimiter=delimiter, skipinitialspace=True)
    try:
        header = next(reader, [])
    except csv.Error:
        raise EmbeddedError(f"The header of {file.name} is no CSV: check its quotes.") from None
    while header and not header[-1].strip():
        header.pop()
    if not header:
        raise EmbeddedError(f"{file.name} has no header: the first line has to name the columns.")
    size = max(file.stat().st_size, 1)
    rows = _rows_of(file.name, reader, len(header), notes, lines)
    return Table(file.name, encoding, delimiter, header, rows, notes, lambda: min(lines.bytes / size, 1.0))


def open_table(file: Path, names: Sequence[str] = ()) -> tuple[Table, TextIO]:
    """The table in a file, and the file to be closed. Raises EmbeddedError with what is wrong and what to do."""
    try:
        found = encoding_of(file)
        text = file.open(encoding=found.codec, newline="", errors="replace" if found.damaged else "strict")
    except OSError as error:
        raise EmbeddedError(f"{file.name} cannot be read: {error.strerror}.") from None
    try:
        return read_table(file, text, found.codec, damaged=found.damaged, names=names), text
    except BaseException:
        text.close()
        raise


class _Lines:
    """Lines without NUL characters; counts characters for the progress, and quotes for the end of the file."""

    def __init__(self, text: TextIO, notes: Notes) -> None:
        self._text = text
        self._notes = notes
        self.bytes = 0
        self.quotes = 0
        self.lines = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            self.bytes += len(line)
            self.lines += 1
            self.quotes += line.count('"')
            if "\0" in line:
                self._notes.nulls += line.count("\0")
                yield line.replace("\0", "")
            else:
                yield line

    def again(self, first: str) -> Iterator[str]:
        """The line that was looked at, then the others."""
        yield first
        yield from self


def _rows_of(name: str, reader: Iterator[list[str]], width: int, notes: Notes, lines: _Lines) -> Iterator[list[str]]:
    number = began = 0
    try:
        while True:
            lines.quotes, began = 0, lines.lines
            cells = next(reader, None)
            if cells is None:
                return
            if lines.quotes % 2 and lines.lines - began > 1:
                raise _unclosed(name, number + 1, began + 1)
            if not cells or (len(cells) == 1 < width and not cells[0].strip()):
                continue  # a blank line
            number += 1
            if len(cells) != width:
                _fit(cells, width, number, notes)
            yield cells
    except csv.Error:
        raise _unclosed(name, number + 1, began + 1) from None


def _unclosed(name: str, row: int, line: int) -> EmbeddedError:
    return EmbeddedError(
        f"{name}: the quote that opens in row {row} (line {line}) is not closed, or a cell there is longer than"
        f" {LONGEST_CELL >> 20} million characters. Correct the row and try again."
    )


def _fit(cells: list[str], width: int, number: int, notes: Notes) -> None:
    if len(cells) < width:
        notes.short.append(number)
        cells.extend([""] * (width - len(cells)))
    else:
        if any(cells[width:]):
            notes.long.append(number)
        del cells[width:]


def _delimiter(first: str, known: set[str]) -> str:
    """The delimiter under which most names of the header are known; of equals, the one that makes most columns."""
    head = first[:_LONGEST_HEADER]

    def told(delimiter: str) -> tuple[int, int]:
        names = [clean(name.strip().strip('"')) for name in head.split(delimiter)]
        return sum(name in known for name in names), len(names)

    return max(_DELIMITERS, key=told)


def _rows(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_SHOWN])) + (", ..." if len(numbers) > _SHOWN else "")
    return f"{len(numbers)} rows ({shown}) have" if len(numbers) > 1 else f"Row {shown} has"
