"""Where a text that is always sealed stands in the open: raw bytes of files, without regard to case."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.faults.checker.evidence import Logged, OnTopic

MARKS = re.compile(rb"canary-id-[0-9]{8}|canary(?:name|family|works|alias|street|text|\.mail)[0-9]{6}|61499[0-9]{6}")
"""What of a person of the load tells whose it is, in lower case: as it was given, folded or taken for digits."""
CHUNK = 8 * 1024 * 1024


def in_files(folders: Iterable[Path], needles: Sequence[bytes]) -> Iterator[str]:
    """The files below these folders in which one of the needles (in lower case) stands."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and _holds(path, needles):
                yield f"{folder.name}/{path.relative_to(folder)}"


def in_records(
    logs: Iterable[Sequence[Logged]], topics: Iterable[Sequence[OnTopic]], needles: Sequence[bytes]
) -> Iterator[str]:
    """The same for stored records, which may stand compressed in the files."""
    for rows in logs:
        yield from (f"{row.log} {row.position}" for row in rows if _found(row.state, needles))
    for records in topics:
        for record in records:
            if _found(record.value or b"", needles):
                yield f"{record.topic}/{record.partition} at offset {record.offset}"


def marks_in(content: bytes) -> set[str]:
    """The marks of people of the load that stand in a text."""
    return {mark.decode() for mark in MARKS.findall(content.lower())}


def _holds(path: Path, needles: Sequence[bytes]) -> bool:
    overlap = max(map(len, needles)) - 1
    tail = b""
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                if _found(tail + chunk, needles):
                    return True
                tail = chunk[-overlap:]
    except OSError:  # a server has removed it meanwhile
        return False
    return False


def _found(content: bytes, needles: Sequence[bytes]) -> bool:
    lower = content.lower()
    return any(needle in lower for needle in needles)
