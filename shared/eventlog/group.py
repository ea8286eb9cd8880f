"""Group commit: concurrent commands of one process are written together, each with its own answer.

One thread takes what has arrived since its last write, so an idle system commits at once and a busy one in groups.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from eventsourcing.persistence import InterfaceError, OperationalError
from psycopg import Cursor
from psycopg_pool import PoolTimeout

from shared.crash import crash_here
from shared.errors import CustlogError, Unavailable
from shared.eventlog.commit import MAX_EVENTS, Commit, Committed, Prepared, Writer
from shared.eventlog.recorder import LogRecorder

BUSY_GROUP = 4
LINGER_SECONDS = 0.0005
"""After a group of more than BUSY_GROUP the writer waits this long for the callers it just answered: without it,
every second group of a busy system holds one commit only. An idle system never waits."""
THREADS = 2
WORTH_PREPARING = 100
"""So many commands must wait before the next group is made ready while one is written."""
RETRY_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.5)
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, OperationalError, InterfaceError, PoolTimeout)


class Group:
    """Commits that are written by one statement: distinct streams, commands and reserved keys, and a size limit."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self._taken: set[str] = set()
        self._events = 0

    def add(self, commit: Commit) -> bool:
        """Takes the commit if it fits; a commit that touches what another one holds waits for the next group."""
        names = {append.stream for append in commit.appends}
        names.update("key " + key for key in (*commit.reserve, *commit.release))
        if commit.digest:
            names.add("command " + commit.cause.command)
        events = sum(len(append.events) for append in commit.appends)
        if self.commits and (self._events + events > MAX_EVENTS or not names.isdisjoint(self._taken)):
            return False
        self.commits.append(commit)
        self._taken |= names
        self._events += events
        return True


@dataclass(slots=True)
class _Waiting:
    commit: Commit
    future: asyncio.Future[Committed]


class GroupCommit:
    """The writing threads of a process; `submit` is called on the event loop that awaits the answers.

    While one thread's group is written, the other makes the next one ready. They write in the order of taking.
    """

    def __init__(
        self, recorder: LogRecorder, writer: Writer, *, on_commit: Callable[[int, int], None] = lambda *_: None
    ) -> None:
        self._recorder = recorder
        self._writer = writer
        self._on_commit = on_commit
        self._waiting: deque[_Waiting] = deque()
        self._connection = ExitStack()
        self._cursor: Cursor[Any] | None = None
        self._arrived = threading.Condition()
        self._stopping = False
        self._taken = 0
        self._written = 0
        self._turns = threading.Condition()
        self._threads = [
            threading.Thread(target=self._run, name=f"group-commit-{n}", daemon=True) for n in range(THREADS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Writes what is waiting, then ends the thread."""
        with self._arrived:
            self._stopping = True
            self._arrived.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()
        self._let_go()

    def submit(self, commits: Sequence[Commit]) -> list[asyncio.Future[Committed]]:
        """One future per commit, in order. A future fails with a CustlogError."""
        loop = asyncio.get_running_loop()
        waiting = [_Waiting(commit, loop.create_future()) for commit in commits]
        with self._arrived:
            if self._stopping:
                raise Unavailable("this service is stopping; send the command again")
            self._waiting.extend(waiting)
            self._arrived.notify()
        return [item.future for item in waiting]

    def _run(self) -> None:
        busy = False
        while True:
            if busy:
                time.sleep(LINGER_SECONDS)
            with self._arrived:
                while not self._ready() and not self._stopping:
                    self._arrived.wait()
                if not self._waiting:
                    return
                items = self._take()
                turn, self._taken = self._taken, self._taken + 1
            commits = [item.commit for item in items]
            prepared = self._prepare(commits)
            self._await_turn(turn)
            answers = self._write(commits, prepared)
            self._pass_turn()
            _resolve_on_their_loops(items, answers)
            busy = len(items) > BUSY_GROUP

    def _ready(self) -> bool:
        """A group worth taking: anything while nothing is being written, else enough to fill a good part of one."""
        return len(self._waiting) >= (1 if self._taken == self._written else WORTH_PREPARING)

    def _await_turn(self, turn: int) -> None:
        with self._turns:
            while self._written != turn:
                self._turns.wait()

    def _pass_turn(self) -> None:
        with self._turns:
            self._written += 1
            self._turns.notify_all()
        with self._arrived:
            self._arrived.notify()

    def _prepare(self, commits: Sequence[Commit]) -> Prepared | Exception:
        try:
            return self._writer.prepare(commits)
        except Exception as error:  # noqa: BLE001  every waiting caller gets the reason; the thread goes on
            return error

    def _take(self) -> list[_Waiting]:
        group, taken, later = Group(), list[_Waiting](), deque[_Waiting]()
        while self._waiting and len(taken) < MAX_EVENTS and len(later) < MAX_EVENTS:
            item = self._waiting.popleft()
            (taken if group.add(item.commit) else later).append(item)
        self._waiting.extendleft(reversed(later))
        return taken

    def _write(self, commits: Sequence[Commit], prepared: Prepared | Exception) -> Sequence[Committed | Exception]:
        if isinstance(prepared, Exception):
            return [prepared] * len(commits)
        try:
            answers = self._persist(prepared)
        except Exception as error:  # noqa: BLE001  every waiting caller gets the reason; the thread goes on
            return [error] * len(commits)
        crash_here("log.after_commit")
        taken = [c for c, a in zip(commits, answers, strict=True) if isinstance(a, Committed) and not a.replayed]
        if taken:
            self._on_commit(len(taken), sum(len(append.events) for commit in taken for append in commit.appends))
        return answers

    def _persist(self, prepared: Prepared) -> list[Committed | CustlogError]:
        deadline = time.monotonic() + sum(RETRY_SECONDS)
        for pause in (*RETRY_SECONDS, None):
            try:
                crash_here("log.before_commit")
                return self._writer.write_prepared(self._held_cursor(), prepared)
            except _AWAY as error:
                self._let_go()
                # Waiting for a connection takes seconds by itself: callers are told while they still listen.
                if pause is None or self._stopping or time.monotonic() > deadline:
                    raise Unavailable("the event log's database does not answer; the command was not taken") from error
            time.sleep(pause)
        raise AssertionError("unreachable")

    def _held_cursor(self) -> Cursor[Any]:
        """The one connection that the thread in turn uses: its statement is prepared there, and its backend is warm."""
        if self._cursor is None:
            connection = self._connection.enter_context(self._recorder.datastore.get_connection())
            self._cursor = self._connection.enter_context(connection.cursor())
        return self._cursor

    def _let_go(self) -> None:
        self._cursor = None
        with suppress(*_AWAY):
            self._connection.close()


def _resolve_on_their_loops(items: Sequence[_Waiting], answers: Sequence[Committed | Exception]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Committed], Committed | Exception]]] = {}
    for item, answer in zip(items, answers, strict=True):
        by_loop.setdefault(item.future.get_loop(), []).append((item.future, answer))
    for loop, pairs in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, pairs)


def _resolve(pairs: Sequence[tuple[asyncio.Future[Committed], Committed | Exception]]) -> None:
    for future, answer in pairs:
        if future.done():
            continue
        if isinstance(answer, Committed):
            future.set_result(answer)
        else:
            future.set_exception(answer)
