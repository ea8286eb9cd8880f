"""A file of records, normalised and ready to be matched; and the small files beside it: mappings, truth, pairs."""

from __future__ import annotations

import csv
import multiprocessing
import os
import tomllib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from multiprocessing.pool import AsyncResult
from pathlib import Path

from deploy.embedded.errors import EmbeddedError
from deploy.matching.progress import Tell, silent
from deploy.matching.reading import Notes, Table, open_table
from services.identity.matching.columns import Columns, Reading, columns, mapping
from services.identity.matching.normalise.record import normalise
from services.identity.matching.record import Normal, Raw
from services.identity.matching.rows import Packed, packed
from shared.errors import Invalid

_EVERY = 2_000
_AHEAD = 16
"""Chunks of so many rows that wait for a process: the file is not in memory as a whole."""
LARGE = 8_000_000
"""Bytes from which on a file is read by several processes, and its records are kept packed."""


@dataclass(slots=True)
class Records:
    """The records of one file in its order: (id, record). `sources` and `raws` are empty unless they were asked for."""

    name: str
    ids: list[str]
    items: Sequence[tuple[str, Normal]]
    sources: list[str]
    raws: list[Raw]
    encoding: str
    delimiter: str
    ignored: Sequence[str]
    notes: Notes

    def normals(self) -> Iterator[Normal]:
        return (normal for _, normal in self.items)


def read_mapping(file: Path | None, country: str = "") -> Reading:
    """The mapping in a TOML file, or an empty one; a `country` goes before the file's.

    Raises EmbeddedError with every wrong entry.
    """
    name = file.name if file else "--country"
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8-sig")) if file else {}
        return mapping({**said, "country": country} if country else said)
    except OSError as error:
        raise EmbeddedError(f"{name} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise EmbeddedError(f"{name} is no TOML: {error}.") from None
    except Invalid as error:
        raise _told(name, error) from None


def load(file: Path, reading: Reading, tell: Tell = silent, *, keep: bool = False) -> Records:
    """Reads and normalises a file; with `keep`, sources and raw values are kept beside the normalised ones.

    Raises EmbeddedError for a file that cannot be read, one without a known column, and ids that are not distinct.
    """
    table, text = open_table(file, [*reading.columns, *reading.extra])
    with closing(text):
        layout = _layout(table, reading)
        read = _Read(layout, reading.country, keep=keep)
        if file.stat().st_size < LARGE or keep or "fork" not in multiprocessing.get_all_start_methods():
            for n, cells in enumerate(_rows(table)):
                if n % _EVERY == 0:
                    tell("Reading", table.done())
                read.take(cells)
        else:
            read.take_all(_rows(table), lambda: tell("Reading", table.done()))
    ids = read.ids if "id" in layout.known else [str(n) for n in range(1, len(read.ids) + 1)]
    if "id" in layout.known:
        _name(ids, table)
    items = Packed(ids, read.packed) if read.packed else list(zip(ids, read.normals, strict=True))
    return Records(
        table.name, ids, items, read.sources, read.raws, table.encoding, table.delimiter, layout.ignored, table.notes
    )


class _Read:
    """What was read so far: one record after the other, or all of a large file in several processes."""

    def __init__(self, layout: Columns, country: str, *, keep: bool) -> None:
        self._layout, self._country, self._keep = layout, country, keep
        self.ids: list[str] = []
        self.normals: list[Normal] = []
        self.packed: list[bytes] = []
        self.sources: list[str] = []
        self.raws: list[Raw] = []

    def take(self, cells: Sequence[str]) -> None:
        raw = self._layout.raw(cells)
        self.ids.append(self._layout.cell("id", cells))
        self.normals.append(normalise(raw, self._country))
        if self._keep:
            self.sources.append(self._layout.cell("source", cells))
            self.raws.append(raw)

    def take_all(self, rows: Iterator[list[str]], told: Callable[[], None]) -> None:
        fork = multiprocessing.get_context("fork")
        with fork.Pool(os.cpu_count(), _fork, (self._layout, self._country)) as pool:
            waiting: deque[AsyncResult[list[bytes]]] = deque()
            while chunk := list(islice(rows, _EVERY)):
                self.ids.extend(self._layout.cell("id", cells) for cells in chunk)
                waiting.append(pool.apply_async(_normalised, (chunk,)))
                if len(waiting) > _AHEAD:
                    self.packed.extend(waiting.popleft().get())
                    told()
            for result in waiting:
                self.packed.extend(result.get())


_forked: list[tuple[Columns, str]] = []
"""How a forked process reads its rows; empty in every other one."""


def _fork(layout: Columns, country: str) -> None:
    _forked[:] = [(layout, country)]


def _normalised(chunk: list[list[str]]) -> list[bytes]:
    layout, country = _forked[0]
    return [packed(normalise(layout.raw(cells), country)) for cells in chunk]


def read_pairs(file: Path, columns_: Sequence[str]) -> Iterator[list[str]]:
    """The cells of the named columns of a file, in that order. Raises EmbeddedError if one is not there."""
    table, text = open_table(file, columns_)
    with closing(text):
        names = [name.strip().lower() for name in table.header]
        if absent := [name for name in columns_ if name not in names]:
            raise EmbeddedError(f"{file.name} has no column {', '.join(absent)}; it needs {', '.join(columns_)}.")
        places = [names.index(name) for name in columns_]
        for cells in _rows(table):
            yield [cells[at].strip() for at in places]


def read_clusters(file: Path) -> dict[str, str]:
    """Record -> cluster from a file with the columns id and entity_id. Raises EmbeddedError for an id twice."""
    found: dict[str, str] = {}
    for n, (record, cluster) in enumerate(read_pairs(file, ("id", "entity_id")), start=1):
        if not record or not cluster:
            raise EmbeddedError(f"{file.name}: row {n} has no id or no entity_id.")
        if found.setdefault(record, cluster) != cluster:
            raise EmbeddedError(f"{file.name}: the id of row {n} stands in an earlier row with another entity_id.")
    return found


def _rows(table: Table) -> Iterator[list[str]]:
    """The rows. A decoder's complaint in the middle of a file is told like any other."""
    try:
        yield from table.rows
    except (UnicodeError, csv.Error):
        raise EmbeddedError(f"{table.name} is not {table.encoding} to its end: save it as UTF-8.") from None


def _layout(table: Table, reading: Reading) -> Columns:
    try:
        return columns(table.header, reading)
    except Invalid as error:
        raise _told(table.name, error) from None


def _told(name: str, error: Invalid) -> EmbeddedError:
    reasons = "; ".join(f"{wrong['field']}: {wrong['message']}" for wrong in error.errors)
    return EmbeddedError(f"{name}: {error.detail}{' ' if reasons else ''}{reasons}")


def _name(ids: list[str], table: Table) -> None:
    """Names the rows without an id, and refuses ids that are not distinct: nobody could tell whose cluster it is."""
    first: dict[str, int] = {}
    twice: list[tuple[int, int]] = []
    for n, given in enumerate(ids, start=1):
        if not given:
            table.notes.unnamed.append(n)
            ids[n - 1] = f"row-{n}"
        name = ids[n - 1]
        if first.setdefault(name, n) != n:
            twice.append((first[name], n))
    if twice:
        shown = ", ".join(f"{a} and {b}" for a, b in twice[:3])
        more = ", ..." if len(twice) > 3 else ""
        raise EmbeddedError(
            f"{table.name}: {len(twice)} rows have the id of an earlier row ({shown}{more})."
            " Give every row an id of its own, or leave the column out: rows are then numbered from 1."
        )
