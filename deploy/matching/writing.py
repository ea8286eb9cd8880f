"""Writing result files: whole or not at all."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from deploy.embedded.errors import EmbeddedError
from shared.atomic_file import replacing

_READABLE = 0o644


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], mode: int = _READABLE) -> None:
    """A CSV file that is there, whole, when this returns. Raises EmbeddedError if it cannot be written."""
    try:
        if path.exists() and not path.is_file():  # a pipe or a device has no draft
            with path.open("w", encoding="utf-8", newline="") as text:
                _write(text, header, rows)
            return
        with replacing(path, mode) as file:
            wrapped = io.TextIOWrapper(file, encoding="utf-8", newline="")
            _write(wrapped, header, rows)
            wrapped.detach()  # flushes; the file itself is synced and closed by `replacing`
    except OSError as error:
        raise EmbeddedError(f"{path} cannot be written: {error.strerror}.") from None


def write_text(path: Path, content: str) -> None:
    """A text file that is there, whole, when this returns. Raises EmbeddedError if it cannot be written."""
    try:
        if path.exists() and not path.is_file():
            path.write_text(content, encoding="utf-8")
            return
        with replacing(path, _READABLE) as file:
            file.write(content.encode())
    except OSError as error:
        raise EmbeddedError(f"{path} cannot be written: {error.strerror}.") from None


def _write(text: io.TextIOBase, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
