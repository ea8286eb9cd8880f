"""What a monitor remembers over restarts, in a folder of its own that nobody else may write.

<log>.json    the checkpoints of a log that it has seen and found true, as signed notes, the newest last
alarms.jsonl  every alarm, one a line, only ever added to
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.atomic_file import remove_drafts, replace
from shared.audit.checkpoint import BadCheckpoint, Checkpoint
from shared.audit.note import BadNote, Verifier, VerifierKey

ALARMS = "alarms.jsonl"
MOST_KEPT = 64


class Forgotten(Exception):
    """What the monitor kept cannot be believed: it was altered, or its log's keys were not given. Fate: stop."""


class MonitorRuns(Exception):
    """Another monitor uses the folder. Fate: this one stops."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint that was seen, and its note."""

    checkpoint: Checkpoint
    note: bytes


class Memory:
    """One monitor's folder. Every method raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def kept(self, log: str, keys: Sequence[VerifierKey]) -> list[Kept]:
        """Checkpoints of the log that were seen, the newest last. Raises Forgotten."""
        file = self._folder / f"{log}.json"
        if not file.exists():
            return []
        verifier = Verifier(keys)
        try:
            notes = [note.encode() for note in json.loads(file.read_text())]
            return [Kept(Checkpoint.parse(verifier.open(note).text), note) for note in notes]
        except (ValueError, TypeError, AttributeError, BadNote, BadCheckpoint) as bad:
            raise Forgotten(
                f"{file} holds checkpoints that cannot be believed ({bad}): give the keys that signed them, "
                "or move the file away to begin anew"
            ) from None

    def keep(self, log: str, kept: Sequence[Kept]) -> None:
        """Remembers these, on disk when it returns; of very many every second one, but always the newest."""
        chosen = list(kept)
        if len(chosen) > MOST_KEPT:
            chosen = [*chosen[:-1:2], chosen[-1]]
        replace(self._folder / f"{log}.json", json.dumps([each.note.decode() for each in chosen]).encode())

    def write(self, alarm: Mapping[str, object]) -> None:
        """Adds an alarm, on disk when it returns."""
        with (self._folder / ALARMS).open("ab") as file:
            file.write(json.dumps(alarm).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def open_memory(folder: Path) -> Iterator[Memory]:
    """The folder, made if it is not there, for one monitor at a time. Raises MonitorRuns, OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MonitorRuns(f"a monitor runs on {folder} already; name another --folder") from None
        remove_drafts(folder)
        yield Memory(folder)
