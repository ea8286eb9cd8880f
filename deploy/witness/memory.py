"""What a witness remembers, in files: the last checkpoint of each log that it cosigned, and its alarms.

<origin>.note   the checkpoint with the log's signatures and the witness's own
alarms.jsonl    what no honest log would have sent, with both signed notes: the evidence
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from shared.atomic_file import remove_drafts, replace
from shared.audit.checkpoint import BadCheckpoint, Checkpoint
from shared.audit.note import BadNote, Verifier, VerifierKey

ALARMS = "alarms.jsonl"
MOST_ALARMS = 10_000


class Damaged(Exception):
    """A file of the witness is not what the witness wrote. Fate: it signs nothing more for that log, see its log."""


@dataclass(frozen=True, slots=True)
class Held:
    """A checkpoint that was cosigned, and its note."""

    checkpoint: Checkpoint
    note: bytes


class Memory:
    """One witness's folder, read anew each time, so that what is held is what is on disk."""

    def __init__(self, folder: Path, key: VerifierKey) -> None:
        """The folder must be there, and be written by this process alone. Raises OSError."""
        self._folder = folder
        self._own = Verifier([key])
        remove_drafts(folder)
        self._alarms = self._read_alarms()

    @property
    def alarms(self) -> int:
        """How many there were; those for which the disk had no room are among them until the next start."""
        return len(self._alarms)

    def held(self, origin: str) -> Held | None:
        """The last checkpoint of this log that was cosigned. Raises Damaged, or OSError."""
        try:
            note = self._file(origin).read_bytes()
        except FileNotFoundError:
            return None
        try:
            checkpoint = Checkpoint.parse(self._own.open(note).text)
        except (BadNote, BadCheckpoint) as bad:
            raise Damaged(f"what the witness held of {origin} is damaged: {bad}") from None
        if checkpoint.origin != origin:
            raise Damaged(f"the file of {origin} holds a checkpoint of {checkpoint.origin}")
        return Held(checkpoint, note)

    def keep(self, origin: str, note: bytes) -> None:
        """Holds this note from now on. It is on disk when this returns. Raises OSError; then nothing may be signed."""
        replace(self._file(origin), note)

    def raise_alarm(self, entry: Mapping[str, object]) -> bool:
        """Adds an alarm unless there was one of this kind for this note. False if there was.

        Raises OSError; the alarm is counted all the same.
        """
        known = _identity(entry)
        if known in self._alarms:
            return False
        self._alarms.add(known)
        if len(self._alarms) <= MOST_ALARMS:
            self._append(json.dumps(entry).encode() + b"\n")
        return True

    def _append(self, line: bytes) -> None:
        with (self._folder / ALARMS).open("a+b") as file:
            if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
                line = b"\n" + line  # the disk was full in the middle of the last one
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _read_alarms(self) -> set[tuple[object, object]]:
        try:
            lines = (self._folder / ALARMS).read_bytes().splitlines()
        except FileNotFoundError:
            return set()
        found: set[tuple[object, object]] = set()
        for number, line in enumerate(lines):
            try:
                found.add(_identity(json.loads(line)))
            except (ValueError, KeyError, TypeError):
                found.add((number, line))  # cut off by a full disk: it was an alarm
        return found

    def _file(self, origin: str) -> Path:
        return self._folder / f"{quote(origin, safe='')}.note"


def _identity(entry: Mapping[str, object]) -> tuple[object, object]:
    return entry["kind"], entry["offered"]
