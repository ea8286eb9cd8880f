"""One event log: the async face that services use, over PostgreSQL and a bounded pool of threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from urllib.parse import unquote, urlsplit

from eventsourcing.persistence import InterfaceError, Notification, OperationalError
from eventsourcing.postgres import PostgresDatastore
from psycopg import Cursor
from psycopg_pool import PoolTimeout

from shared.clock import Clock
from shared.errors import CommandReused, CustlogError, Unavailable
from shared.eventlog.commit import Commit, Committed, Writer
from shared.eventlog.group import GroupCommit
from shared.eventlog.loading import GroupLoad
from shared.eventlog.mapper import Record, open_record, parse, subjects
from shared.eventlog.recorder import (
    LOCK,
    LogRecorder,
    head_of_log,
    reservation_holders,
    stored_states,
)
from shared.events.envelope import Recorded
from shared.privacy.keyring import Keyring
from shared.privacy.sealing import DataKey

R = TypeVar("R")

POOL_SIZE = 5
POOL_OVERFLOW = 5
ASK_AGAIN_SECONDS = 1.0
RECONNECT_SECONDS = 5.0
"""After so long a lost connection is given up, and whoever needs one makes it anew: the pool's own pauses double."""


def datastore(url: str) -> PostgresDatastore:
    """The library's datastore for a libpq URL; one log per database. A host that is a path is a socket folder."""
    parts = urlsplit(url)
    socket = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair).get("host")
    made = PostgresDatastore(
        dbname=parts.path.lstrip("/"),
        host=unquote(socket) if socket else parts.hostname or "localhost",
        port=parts.port or 5432,
        user=unquote(parts.username or "postgres"),
        password=unquote(parts.password or ""),
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        connect_timeout=5.0,
        lock_timeout=10,
        originator_id_type="text",
    )
    made.pool.reconnect_timeout = RECONNECT_SECONDS
    # Everything a service asks of its log's database is asked by key. A prepared plan made while the tables are empty
    # would go on reading them from end to end as they grow.
    made.pool.kwargs = {**cast("dict[str, Any]", made.pool.kwargs), "options": "-c enable_seqscan=off"}
    return made


@dataclass(frozen=True, slots=True)
class Transaction:
    """One PostgreSQL transaction of a consumer: its own tables, its tracked positions and its events, or nothing."""

    cursor: Cursor[Any]
    writer: Writer

    def lock(self) -> None:
        """Makes this transaction the log's only writer until it ends; taken before reading what a decision rests on."""
        self.cursor.execute(LOCK)

    def data_keys(self, subjects: Collection[str]) -> dict[str, DataKey]:
        """The data keys of these subjects, without those of the erased. Raises Unavailable (retry)."""
        return self.writer.data_keys(subjects)

    def recall(self, command: str, digest: bytes) -> Committed | CommandReused | None:
        """What became of a command: its stored answer, a conflict of bodies, None if it is unknown."""
        return self.writer.recall(self.cursor, ((command, digest),))[0]

    def append(self, commits: Sequence[Commit]) -> list[Committed | CustlogError]:
        """Writes the commits inside this transaction, each with its own answer; refused ones write nothing."""
        return self.writer.write(self.cursor, commits) if commits else []


class Log:
    """The log of one service.

    Database failures surface as Unavailable (retry); what was sent under a command id may be sent again safely.
    """

    def __init__(
        self,
        name: str,
        url: str,
        keyring: Keyring,
        clock: Clock,
        *,
        on_commit: Callable[[int, int], None] = lambda *_: None,
    ) -> None:
        self.name = name
        self.keyring = keyring
        self.datastore = datastore(url)
        self.recorder = LogRecorder(self.datastore)
        self._writer = Writer(self.recorder, keyring, name, clock)
        self._commits = GroupCommit(self.recorder, self._writer, on_commit=self._committed)
        self._loads = GroupLoad(self._load_streams)
        self._on_commit = on_commit
        self._listeners: list[Callable[[], None]] = []
        self._threads = ThreadPoolExecutor(POOL_SIZE, thread_name_prefix=f"log-{name}")

    def open(self) -> None:
        """Connects, creates missing tables, starts the writing thread. Raises the driver's error (retry or stop)."""
        self.datastore.pool.open(wait=True, timeout=30.0)
        self.recorder.create_table()
        self._commits.start()

    def close(self) -> None:
        """Writes what is waiting and lets go of the connections."""
        self._commits.stop()
        self._threads.shutdown()
        self.datastore.close()

    def when_committed(self, listener: Callable[[], None]) -> None:
        """Calls `listener` from the writing thread after each group: what the relay is woken by."""
        self._listeners.append(listener)

    async def commit(self, commit: Commit) -> Committed:
        """Makes one command durable together with whatever else arrives now. Raises its CustlogError."""
        return await self._commits.submit((commit,))[0]

    async def commit_many(self, commits: Sequence[Commit]) -> list[Committed | CustlogError]:
        """Makes many commands durable, each for itself; answers in order. Raises Unavailable if the log is down."""
        answers = await asyncio.gather(*self._commits.submit(commits), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, Unavailable) or not isinstance(answer, Committed | CustlogError):
                raise answer
        return answers  # type: ignore[return-value]  # the loop above let only these two through

    async def newest(self) -> int:
        """The index of the newest event, 0 if the log is empty. Raises Unavailable when PostgreSQL is away."""
        return await self.in_thread(self.head)

    async def load(self, stream: str) -> list[Recorded]:
        """All events of one stream in order; empty if there is none. Concurrent loads are read together."""
        return await self._loads.load(stream)

    def load_now(self, stream: str) -> list[Recorded]:
        """`load` for callers that are in a thread already."""
        found = self._load_now([stream]).get(stream, ())
        if isinstance(found, Exception):
            raise found
        return list(found)

    async def _load_streams(self, streams: Sequence[str]) -> Mapping[str, Sequence[Recorded] | Exception]:
        return await self.in_thread(lambda: self._load_now(streams))

    def _load_now(self, streams: Sequence[str]) -> Mapping[str, Sequence[Recorded] | Exception]:
        stored = self._ask(lambda cursor: stored_states(cursor, streams))
        records = {stream: [parse(state) for state in states] for stream, states in stored.items()}
        keys = self.keyring.fetch(set().union(*map(subjects, records.values())))
        return {stream: _opened(of_stream, keys) for stream, of_stream in records.items()}

    def open_all(self, records: Sequence[Record], positions: Sequence[int] | None = None) -> list[Recorded]:
        """The events with their personal fields (`Erased` where the key is gone), one keyring query for all."""
        keys = self.keyring.fetch(subjects(records))
        places: Sequence[int | None] = positions if positions is not None else [None] * len(records)
        return [open_record(record, keys, place) for record, place in zip(records, places, strict=True)]

    async def recall(self, commands: Sequence[tuple[str, bytes]]) -> list[Committed | CommandReused | None]:
        """What became of each (command id, digest): its stored answer, a conflict of bodies, None if it is unknown."""
        return await self.in_thread(lambda: self._recall(commands))

    async def holders(self, keys: Sequence[str]) -> dict[str, str]:
        """The streams that hold these reservation keys; a free key is missing in the answer."""
        return await self.in_thread(lambda: self._holders(keys))

    def read(self, after: int, limit: int) -> Sequence[Notification]:
        """Stored events after an index, in index order. Blocks; call it in a thread."""
        found: Sequence[Notification] = self.recorder.select_notifications(after, limit, inclusive_of_start=False)
        return found

    def head(self) -> int:
        """The index of the newest event, 0 if the log is empty. Blocks; call it in a thread."""
        return self._ask(head_of_log)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction for a consumer's batch. Blocks; call it in a thread. Raises Unavailable (retry)."""
        try:
            with self.datastore.transaction(commit=True) as cursor:
                yield Transaction(cursor, self._writer)
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise Unavailable(f"the database of the {self.name} log does not answer") from error
        self._wake()

    async def in_thread(self, work: Callable[[], R]) -> R:
        """Runs blocking work on this log's bounded pool of threads. Raises Unavailable when PostgreSQL is away."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise Unavailable(f"the database of the {self.name} log does not answer") from error

    def _recall(self, commands: Sequence[tuple[str, bytes]]) -> list[Committed | CommandReused | None]:
        return self._ask(lambda cursor: self._writer.recall(cursor, commands))

    def _holders(self, keys: Sequence[str]) -> dict[str, str]:
        return self._ask(lambda cursor: reservation_holders(cursor, keys))

    def _ask(self, question: Callable[[Cursor[Any]], R]) -> R:
        # A connection that the server closed fails at once and is replaced, so it is asked again; a failure that took
        # time means that the server is away, and callers must learn it while they still listen.
        deadline = time.monotonic() + ASK_AGAIN_SECONDS
        while True:
            try:
                with self.datastore.get_connection() as connection, connection.cursor() as cursor:
                    return question(cursor)
            except (OperationalError, InterfaceError):
                if time.monotonic() > deadline:
                    raise

    def _committed(self, commits: int, events: int) -> None:
        self._on_commit(commits, events)
        self._wake()

    def _wake(self) -> None:
        for listener in self._listeners:
            listener()


def _opened(records: Sequence[Record], keys: Mapping[str, DataKey]) -> Sequence[Recorded] | Exception:
    # One stream that cannot be opened is no matter of those who asked for others.
    try:
        return [open_record(record, keys) for record in records]
    except Exception as error:  # noqa: BLE001 - its callers get it
        return error
