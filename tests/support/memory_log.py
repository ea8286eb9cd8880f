"""The log and the keyring without a server, for tests of what is built on them.

Encoding, sealing, limits, groups and answers are the real code; only PostgreSQL's part is told again, in Python.
tests/shared/test_log_contract.py holds both to the same promises.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eventsourcing.persistence import Notification

from shared.clock import Clock, SystemClock
from shared.errors import CommandReused, CustlogError
from shared.eventlog.commit import Commit, Committed, Writer, _recalled
from shared.eventlog.group import Group
from shared.eventlog.log import Log, Transaction
from shared.eventlog.mapper import parse
from shared.eventlog.recorder import Refusal, Rows, StoredAnswer
from shared.events.envelope import Recorded
from shared.privacy.keyring import DATA_KEY_VERSION, Keyring
from shared.privacy.sealing import DataKey
from tests.support.memory_tables import At, Tables, nothing

R = TypeVar("R")


class MemoryKeyring(Keyring):
    """Data keys in a dict; None is the tombstone of a destroyed one."""

    def __init__(self) -> None:
        self._keys: dict[str, DataKey | None] = {}

    def ensure(self, subjects: Collection[str], strangers: Collection[str] = ()) -> dict[str, DataKey]:
        for subject in subjects:
            if subject not in self._keys:
                self._keys[subject] = DataKey(subject, DATA_KEY_VERSION, AESGCM(os.urandom(32)))
        return self.fetch(subjects)

    def fetch(self, subjects: Collection[str]) -> dict[str, DataKey]:
        return {subject: key for subject in subjects if (key := self._keys.get(subject)) is not None}

    def keyed(self, digest: bytes) -> bytes:
        return sha256(b"a key" + digest).digest()[:16]

    def bury(self, subjects: Collection[str]) -> int:
        fresh = [subject for subject in subjects if self._keys.get(subject, "") is not None]
        self._keys.update(dict.fromkeys(subjects))
        return len(fresh)

    def destroy(self, subject: str) -> bool:
        known = self._keys.get(subject) is not None
        if known:
            self._keys[subject] = None
        return known


class MemoryRecorder:
    """What `append_events` does in PostgreSQL.

    events {position: (stream, version, state, topic)}, versions {stream: version}, commands {id: (digest, result,
    position)}, reservations {key: stream}.
    """

    def append(self, tables: Tables, rows: Rows) -> tuple[int, list[Refusal]]:
        refusals = list(_refusals(tables, rows))
        if refusals:
            return -1, refusals
        events, versions, commands = tables["events"], tables["versions"], tables["commands"]
        base = len(events)
        written = zip(rows.streams, rows.versions, rows.states, rows.topics, strict=True)
        for position, (stream, version, state, topic) in enumerate(written, base + 1):
            events[position] = (stream, version, state, topic)
            versions[stream] = version
        asked = zip(rows.command_ids, rows.command_digests, rows.command_results, rows.command_firsts, strict=True)
        for command, digest, result, first in asked:
            commands[command] = (digest, result, base + first)
        reservations = tables["reservations"]
        for key, owner in zip(rows.released_keys, rows.released_owners, strict=True):
            if reservations.get(key) == owner:
                del reservations[key]
        for key, owner in zip(rows.reserved_keys, rows.reserved_owners, strict=True):
            reservations.setdefault(key, owner)
        return base, []


def _refusals(tables: Tables, rows: Rows) -> Iterator[Refusal]:
    for command, number in zip(rows.command_ids, rows.command_commits, strict=True):
        if command in tables["commands"]:
            yield Refusal(number, "command", command, tables["commands"][command][2])
    for stream, expected, number in zip(rows.head_streams, rows.head_versions, rows.head_commits, strict=True):
        current = tables["versions"].get(stream, 0)
        if current != expected:
            yield Refusal(number, "version", stream, current)
    for key, owner, number in zip(rows.reserved_keys, rows.reserved_owners, rows.reserved_commits, strict=True):
        if tables["reservations"].get(key, owner) != owner:
            yield Refusal(number, "reserved", key, None)


class _MemoryWriter(Writer):
    def recall(self, cursor: Any, commands: Sequence[tuple[str, bytes]]) -> list[Committed | CommandReused | None]:
        stored = cursor["commands"]
        return [
            _recalled(StoredAnswer(command, *stored[command]), self._keyring.keyed(digest))
            if command in stored
            else None
            for command, digest in commands
        ]


class MemoryLog(Log):
    """A log in `tables`. Nothing waits, nobody else writes; `at` says where the process may die."""

    def __init__(
        self, name: str, keyring: Keyring | None = None, clock: Clock | None = None, *, at: At = nothing
    ) -> None:
        self.name = name
        self.keyring = keyring or MemoryKeyring()
        self.tables = Tables(at)
        self._writer = _MemoryWriter(MemoryRecorder(), self.keyring, name, clock or SystemClock())  # type: ignore[arg-type]
        self._listeners: list[Callable[[], None]] = []

    def open(self) -> None:
        """There is nothing to open."""

    def close(self) -> None:
        """There is nothing to close."""

    async def commit(self, commit: Commit) -> Committed:
        (answer,) = await self.commit_many((commit,))
        if isinstance(answer, CustlogError):
            raise answer
        return answer

    async def commit_many(self, commits: Sequence[Commit]) -> list[Committed | CustlogError]:
        answers: dict[int, Committed | CustlogError] = {}
        waiting = deque(range(len(commits)))
        while waiting:
            group = Group()
            numbers = [number for number in waiting if group.add(commits[number])]
            with self.transaction() as tx:
                answers |= zip(numbers, tx.append(group.commits), strict=True)
            waiting = deque(number for number in waiting if number not in answers)
        return [answers[number] for number in range(len(commits))]

    async def load(self, stream: str) -> list[Recorded]:
        return self.load_now(stream)

    def load_now(self, stream: str) -> list[Recorded]:
        rows = self.tables["events"].values()
        return self.open_all([parse(state) for of_stream, _, state, _ in rows if of_stream == stream])

    def read(self, after: int, limit: int) -> Sequence[Notification]:
        events = self.tables["events"]
        return [
            Notification(stream, version, topic, state, position)
            for position in range(after + 1, min(after + limit, len(events)) + 1)
            for stream, version, state, topic in (events[position],)
        ]

    def head(self) -> int:
        return len(self.tables["events"])

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self.tables.transaction() as cursor:
            yield Transaction(cursor, self._writer)  # type: ignore[arg-type]
        self._wake()

    async def in_thread(self, work: Callable[[], R]) -> R:
        return work()

    def _recall(self, commands: Sequence[tuple[str, bytes]]) -> list[Committed | CommandReused | None]:
        return self._writer.recall(self.tables, commands)  # type: ignore[arg-type]

    def _holders(self, keys: Sequence[str]) -> dict[str, str]:
        reservations = self.tables["reservations"]
        return {key: reservations[key] for key in keys if key in reservations}
