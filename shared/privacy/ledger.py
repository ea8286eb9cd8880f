"""The ledger of erasures: whose data key was destroyed, in a file outside all databases and their backups.

A line for each subject, `<id> <time>`, appended and never changed. Whoever serves applies it first, so that an older
backup of the keyring brings nobody back. Ids are random: the ledger says nothing about a person.
"""

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from shared.atomic_file import sync_folder
from shared.events.envelope import instant
from shared.privacy.keyring import Keyring

_LINE = re.compile(rb"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) ([0-9TZ:.+-]+)")
_MANY = 10_000
"""Subjects whose keys are destroyed in one statement."""


class LedgerDamaged(Exception):
    """A line of the ledger is none. Fate: stop; put the newest copy of the file back, or correct the line by hand."""


class Ledger:
    """One ledger. Several processes may write to it at once. Every call may raise OSError (retry)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, subject: str, at: datetime) -> bool:
        """The subject is in the ledger, on disk, when this returns. False if it was there before."""
        with self._locked() as file:
            content = _whole_lines(file)
            known = subject in self._entries(content)
            if not known:
                # What a crash left of a line is written over; nobody was told that it stands there.
                os.ftruncate(file, len(content))
                os.pwrite(file, f"{subject} {instant(at)}\n".encode(), len(content))
            # Known may mean: written by a process that died before it was on disk.
            os.fsync(file)
            return not known

    def subjects(self) -> Sequence[str]:
        """Everybody in the ledger, the earliest first; nobody if there is no file yet. Raises LedgerDamaged."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return ()
        return list(self._entries(content[: content.rfind(b"\n") + 1]))

    def erased_at(self, subject: str) -> str | None:
        """When the subject was entered; None if it is not in the ledger. Raises LedgerDamaged."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        return self._entries(content[: content.rfind(b"\n") + 1]).get(subject)

    def apply(self, keyring: Keyring) -> int:
        """Destroys the key of everybody in the ledger; how many there were to destroy. Raises LedgerDamaged."""
        subjects = self.subjects()
        return sum(keyring.bury(subjects[at : at + _MANY]) for at in range(0, len(subjects), _MANY))

    def _entries(self, content: bytes) -> dict[str, str]:
        """Subject -> when, the earliest first."""
        entries: dict[str, str] = {}
        for number, line in enumerate(content.splitlines(), start=1):
            found = _LINE.fullmatch(line)
            if found is None:
                raise LedgerDamaged(
                    f"line {number} of {self._path} is no entry of the ledger of erasures;"
                    " put the newest copy of that file back before anybody is served"
                )
            entries.setdefault(found[1].decode(), found[2].decode())
        return entries

    @contextmanager
    def _locked(self) -> Iterator[int]:
        new = not self._path.exists()
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if new:
                sync_folder(self._path.parent)
            yield file
        finally:
            os.close(file)


def _whole_lines(file: int) -> bytes:
    content = os.pread(file, os.fstat(file).st_size, 0)
    return content[: content.rfind(b"\n") + 1]
