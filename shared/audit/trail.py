"""The index of a log's trail: actor, type, time, command and correlation of every record, so that questions find few.

    audit_trail        one row per record, by position
    audit_trail_moved  one row per customer that a record moved between identities, or moved another one to

It is filled behind the log, never on the way of a command, in order and without holes: up to its highest position it
has every record. What came later is read from the log itself by whoever asks. It is derived and signed by nobody:
askers compare what it finds with the records, and can do without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString

import psycopg

from shared.audit import tables
from shared.log import get_logger, safe_message

EVERY_SECONDS = 5.0
REST_SECONDS = 0.1
"""Between two portions of a backlog, so that commands are hardly slowed down by it."""
BATCH = 5_000

_LOCK_TABLES = "SELECT pg_advisory_xact_lock(hashtext('custlog.trail'))"
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('custlog.trail'))"
_CREATE: tuple[LiteralString, ...] = (
    """CREATE TABLE IF NOT EXISTS audit_trail (
    position bigint PRIMARY KEY, at timestamptz NOT NULL, actor text NOT NULL, type text NOT NULL,
    command uuid NOT NULL, correlation text NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS audit_trail_at ON audit_trail (at, position)",
    "CREATE INDEX IF NOT EXISTS audit_trail_actor ON audit_trail (actor, at, position)",
    "CREATE INDEX IF NOT EXISTS audit_trail_type ON audit_trail (type, at, position)",
    "CREATE INDEX IF NOT EXISTS audit_trail_command ON audit_trail (command)",
    "CREATE INDEX IF NOT EXISTS audit_trail_correlation ON audit_trail (correlation)",
)
_CREATE_MOVED = """CREATE TABLE audit_trail_moved (
    customer uuid NOT NULL, position bigint NOT NULL, PRIMARY KEY (customer, position))"""
_HAS_MOVED = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'audit_trail_moved'"
_DROP = "DROP TABLE IF EXISTS audit_trail"
_FILLED = "SELECT coalesce(max(position), 0) FROM audit_trail"
_HEAD = "SELECT coalesce(max(notification_id), 0) FROM events"
_CUT: tuple[LiteralString, ...] = (
    "DELETE FROM audit_trail WHERE position > %b",
    "DELETE FROM audit_trail_moved WHERE position > %b",
)
# OFFSET 0 keeps the record from being parsed once for each of its fields.
_FILL = """
INSERT INTO audit_trail (position, at, actor, type, command, correlation)
SELECT position, (record ->> 'recorded_at')::timestamptz, record -> 'actor' ->> 'id', record ->> 'type',
    (record ->> 'command')::uuid, record ->> 'correlation'
FROM (
    SELECT notification_id AS position, convert_from(state, 'UTF8')::jsonb AS record FROM events
    WHERE notification_id > %b AND notification_id <= %b ORDER BY notification_id OFFSET 0
) AS parsed"""
_FILL_MOVED = """
INSERT INTO audit_trail_moved (customer, position)
SELECT DISTINCT named::uuid, position
FROM (
    SELECT notification_id AS position, convert_from(state, 'UTF8')::jsonb -> 'data' -> 'moves' AS moves FROM events
    WHERE notification_id > %b AND notification_id <= %b AND position('"moves":['::bytea IN state) > 0 OFFSET 0
) AS parsed, jsonb_array_elements(moves) AS move,
    LATERAL (VALUES (move ->> 'customer'), (move ->> 'identity')) AS ends (named)"""
_MOVED = "SELECT DISTINCT position FROM audit_trail_moved WHERE customer = ANY(%s::uuid[]) AND position <= %s"

_log = get_logger(__name__)


class TrailIndex:
    """Fills the index of one log. Several processes may run one; they take turns."""

    def __init__(self, url: str, log: str) -> None:
        self._url = url
        self._name = log
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def advance(self, most: int = BATCH) -> bool:
        """Indexes the next `most` records; True if there are more. Blocks. Raises psycopg.Error (retry).

        A record that is none, because somebody altered it, stops the index before it: the signed tree tells of that.
        """
        connection = self._open()
        with connection.transaction(), connection.cursor(binary=True) as cursor:
            if not _number(cursor.execute(_TRY_LOCK)):
                return False
            filled, head = _number(cursor.execute(_FILLED)), _number(cursor.execute(_HEAD))
            if filled > head:
                for statement in _CUT:
                    cursor.execute(statement, (head,))
                filled = head
            last = min(filled + most, head)
            if last > filled:
                cursor.execute(_FILL, (filled, last))
                cursor.execute(_FILL_MOVED, (filled, last))
            return last < head

    async def run(self) -> None:
        """Keeps the index a few seconds behind the log until it is cancelled; without PostgreSQL it waits."""
        # A thread of its own, so that what it does has ended before the connection is closed.
        thread = ThreadPoolExecutor(1, thread_name_prefix=f"trail-{self._name}")
        try:
            while True:
                more = await asyncio.get_running_loop().run_in_executor(thread, self._advanced)
                await asyncio.sleep(REST_SECONDS if more else EVERY_SECONDS)
        finally:
            await asyncio.to_thread(thread.shutdown)
            self.close()

    def close(self) -> None:
        """Lets go of the connection; `advance` makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _advanced(self) -> bool:
        try:
            return self.advance()
        except psycopg.Error as error:
            _log.warning("the index of the trail waits", log=self._name, error=safe_message(error))
            self.close()
            return False

    def _open(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is None:
            connection = tables.connect(self._url, f"audit trail {self._name}")
            with connection.transaction():
                connection.execute(_LOCK_TABLES)
                if not _number(connection.execute(_HAS_MOVED)):
                    # An index of an earlier version begins anew, so that one position tells how far both tables are.
                    connection.execute(_DROP)
                    connection.execute(_CREATE_MOVED)
                for statement in _CREATE:
                    connection.execute(statement)
            self._connection = connection
        return self._connection


def filled(connection: psycopg.Connection[tuple[Any, ...]]) -> int:
    """The position up to which a log's index has every record, 0 where there is none yet. Raises psycopg.Error."""
    try:
        return _number(connection.execute(_FILLED))
    except psycopg.errors.UndefinedTable:
        return 0


def moved(connection: psycopg.Connection[tuple[Any, ...]], customers: Collection[str], upto: int) -> list[int]:
    """The positions up to `upto` of the records that moved one of these customers, or moved anybody to them.

    `upto` is what `filled` answered. Raises psycopg.Error.
    """
    rows = connection.execute(_MOVED, (sorted(customers), upto)) if upto else ()
    return sorted(position for (position,) in rows)


def _number(cursor: psycopg.Cursor[tuple[Any, ...]]) -> int:
    row = cursor.fetchone()
    return int(row[0]) if row else 0
