"""Rows of the trail as a file of JSON lines or CSV. Every row carries the watermark, so that a part of it tells too."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.embedded.errors import EmbeddedError
from shared.atomic_file import replacing

SUFFIXES = (".jsonl", ".ndjson", ".csv")
_FORMULA = tuple("=+-@\t\r＝＋－＠")  # noqa: RUF001 - full-width signs start a formula too


def checked(file: Path) -> Path:
    """The file, if it can be written as its name says. EmbeddedError otherwise; call it before anything is recorded."""
    if file.suffix not in SUFFIXES:
        raise EmbeddedError(f"{file.name} is neither {', '.join(SUFFIXES[:-1])} nor {SUFFIXES[-1]}; rename it.")
    if not file.absolute().parent.is_dir():
        raise EmbeddedError(f"There is no folder {file.absolute().parent}; make it first.")
    return file


def write(file: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str], watermark: str) -> int:
    """Writes the rows behind a name that is there only when all are in it; answers how many. EmbeddedError if it fails.

    A CSV has the watermark and these columns, a line of JSON the watermark and the whole row.
    """
    lines = _csv(rows, columns, watermark) if file.suffix == ".csv" else _json(rows, watermark)
    count = -1 if file.suffix == ".csv" else 0
    try:
        with replacing(file) as target:
            for line in lines:
                count += 1
                target.write(line.encode())
    except OSError as error:
        raise EmbeddedError(f"{file} cannot be written: {error.strerror}.") from None
    return count


def _json(rows: Iterable[Mapping[str, Any]], watermark: str) -> Iterator[str]:
    for row in rows:
        yield json.dumps({"watermark": watermark, **row}, ensure_ascii=False) + "\n"


def _csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], watermark: str) -> Iterator[str]:
    names = ("watermark", *columns)
    yield _line(names)
    for row in rows:
        yield _line([_cell({"watermark": watermark, **row}.get(name)) for name in names])


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False) if value else ""
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    text = "" if value is None else str(value)
    # A spreadsheet would work out what begins like a formula.
    return f"'{text}" if text.startswith(_FORMULA) else text
