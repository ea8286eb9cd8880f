"""The PostgreSQL side of the log: the eventsourcing recorder with one safe statement for a whole group of commits.

Why a function of our own: the library's stock insert is one client round trip per statement under a table lock, and
its shipped database function takes no lock at all, so a reader can pass over events that become visible late. Ours
takes one transaction-wide advisory lock (never held over a client round trip, never in the way of vacuum), gives
every event the next gapless index, and answers refusals as rows instead of errors, so that one conflict does not
cost the others of the group their commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, LiteralString

from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg import Cursor
from psycopg.sql import SQL

EVENTS_TABLE = "events"
LOCK = "SELECT pg_advisory_xact_lock(hashtext('custlog.events'))"

_LOCK_TABLES = "SELECT pg_advisory_lock(hashtext('custlog.tables'))"
_UNLOCK_TABLES = "SELECT pg_advisory_unlock(hashtext('custlog.tables'))"

_CREATE_EVENTS = SQL("""
CREATE TABLE IF NOT EXISTS events (
    originator_id text NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    notification_id bigint NOT NULL,
    customer uuid,
    PRIMARY KEY (originator_id, originator_version)
)
""")

_CREATE_CUSTOMER_INDEX = SQL("""
CREATE INDEX IF NOT EXISTS events_customer ON events (customer)
""")

_CREATE_COMMANDS = SQL("""
CREATE TABLE IF NOT EXISTS commands (
    id uuid PRIMARY KEY,
    digest bytea NOT NULL,
    result bytea NOT NULL,
    position bigint NOT NULL
)
""")

_CREATE_RESERVATIONS = SQL("""
CREATE TABLE IF NOT EXISTS reservations (
    key text PRIMARY KEY,
    owner text NOT NULL
)
""")

_CREATE_FUNCTION = SQL("""
CREATE OR REPLACE FUNCTION append_events(
    streams text[], versions bigint[], topics text[], states bytea[], customers uuid[],
    head_streams text[], head_versions bigint[], head_commits int[],
    command_ids uuid[], command_digests bytea[], command_results bytea[], command_commits int[], command_firsts int[],
    reserved_keys text[], reserved_owners text[], reserved_commits int[],
    released_keys text[], released_owners text[]
) RETURNS TABLE (commit_no int, refusal text, subject text, base bigint)
LANGUAGE plpgsql
    SET plan_cache_mode = force_generic_plan
    -- The plan is made while the tables are small and kept while they grow: it has to be the one for large tables.
    SET enable_seqscan = off
    SET enable_hashjoin = off
    SET enable_mergejoin = off
AS $BODY$
DECLARE
    head bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('custlog.events'));
    RETURN QUERY
        SELECT new.commit_no, 'command', new.id::text, c.position
        FROM unnest(command_ids, command_commits) AS new (id, commit_no) JOIN commands c ON c.id = new.id
        UNION ALL
        SELECT new.commit_no, 'version', new.stream, now_at.version
        FROM unnest(head_streams, head_versions, head_commits) AS new (stream, version, commit_no)
        CROSS JOIN LATERAL (
            SELECT coalesce(max(e.originator_version), 0) AS version FROM events e WHERE e.originator_id = new.stream
        ) AS now_at
        WHERE now_at.version <> new.version
        UNION ALL
        SELECT new.commit_no, 'reserved', new.key, NULL::bigint
        FROM unnest(reserved_keys, reserved_owners, reserved_commits) AS new (key, owner, commit_no)
        JOIN reservations r ON r.key = new.key AND r.owner <> new.owner;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT coalesce(max(notification_id), 0) INTO head FROM events;
    INSERT INTO events (originator_id, originator_version, topic, state, notification_id, customer)
        SELECT new.stream, new.version, new.topic, new.state, head + new.n, new.customer
        FROM unnest(streams, versions, topics, states, customers) WITH ORDINALITY
            AS new (stream, version, topic, state, customer, n);
    INSERT INTO commands (id, digest, result, position)
        SELECT new.id, new.digest, new.result, head + new.first
        FROM unnest(command_ids, command_digests, command_results, command_firsts) AS new (id, digest, result, first);
    IF cardinality(released_keys) > 0 THEN
        DELETE FROM reservations r USING unnest(released_keys, released_owners) AS old (key, owner)
            WHERE r.key = old.key AND r.owner = old.owner;
    END IF;
    IF cardinality(reserved_keys) > 0 THEN
        INSERT INTO reservations (key, owner)
            SELECT new.key, new.owner FROM unnest(reserved_keys, reserved_owners) AS new (key, owner)
            ON CONFLICT (key) DO NOTHING;
    END IF;
    RETURN QUERY SELECT NULL::int, NULL::text, NULL::text, head;
END;
$BODY$
""")

_PARAMETERS: tuple[LiteralString, ...] = (
    "text", "bigint", "text", "bytea", "uuid",
    "text", "bigint", "int",
    "uuid", "bytea", "bytea", "int", "int",
    "text", "text", "int",
    "text", "text",
)  # fmt: skip
_APPEND = SQL("SELECT commit_no, refusal, subject, base FROM append_events({})").format(
    SQL(", ").join(SQL("%b::{}[]").format(SQL(kind)) for kind in _PARAMETERS)
)


_STATES = """
SELECT originator_id, state FROM events WHERE originator_id = ANY(%s) ORDER BY originator_id, originator_version"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one commit of a group was not taken: a known command, another version, or a key held by another stream."""

    commit_no: int
    reason: Literal["command", "version", "reserved"]
    subject: str
    current: int | None


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What is remembered of a command: the digest of its body, and its answer."""

    command: str
    digest: bytes
    result: bytes
    position: int


def stored_answers(cursor: Cursor[Any], commands: Sequence[str]) -> list[StoredAnswer]:
    """What is remembered of these commands; an unknown one is missing in the answer."""
    cursor.execute(
        "SELECT id::text, digest, result, position FROM commands WHERE id = ANY(%s::uuid[])", (list(commands),)
    )
    return [
        StoredAnswer(row["id"], bytes(row["digest"]), bytes(row["result"]), row["position"])
        for row in cursor.fetchall()
    ]


def stored_states(cursor: Cursor[Any], streams: Sequence[str]) -> dict[str, list[bytes]]:
    """The stored bytes of these streams' events, in order; a stream without events is missing in the answer."""
    if not streams:
        return {}
    cursor.execute(_STATES, (list(streams),), prepare=True, binary=True)
    found: dict[str, list[bytes]] = {}
    for row in cursor.fetchall():
        found.setdefault(row["originator_id"], []).append(bytes(row["state"]))
    return found


def head_of_log(cursor: Cursor[Any]) -> int:
    """The index of the newest event, 0 if there is none."""
    cursor.execute("SELECT coalesce(max(notification_id), 0) AS head FROM events")
    return int(cursor.fetchall()[0]["head"])


def reservation_holders(cursor: Cursor[Any], keys: Sequence[str]) -> dict[str, str]:
    """Reservation key -> the stream that holds it; a free key is missing in the answer."""
    cursor.execute("SELECT key, owner FROM reservations WHERE key = ANY(%s)", (list(keys),))
    return {row["key"]: row["owner"] for row in cursor.fetchall()}


@dataclass(slots=True)
class Rows:
    """The columns of one group of commits, in the order of `append_events`."""

    streams: list[str]
    versions: list[int]
    topics: list[str]
    states: list[bytes]
    customers: list[str | None]
    head_streams: list[str]
    head_versions: list[int]
    head_commits: list[int]
    command_ids: list[str]
    command_digests: list[bytes]
    command_results: list[bytes]
    command_commits: list[int]
    command_firsts: list[int]
    reserved_keys: list[str]
    reserved_owners: list[str]
    reserved_commits: list[int]
    released_keys: list[str]
    released_owners: list[str]

    @classmethod
    def empty(cls) -> Rows:
        return cls(*([] for _ in cls.__slots__))

    def parameters(self) -> list[list[Any]]:
        return [getattr(self, name) for name in self.__slots__]


class LogRecorder(PostgresApplicationRecorder):
    """The library's recorder for reading and following, with `append` as the only way to write."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        super().__init__(datastore, events_table_name=EVENTS_TABLE)
        self.sql_create_statements[self.create_table_statement_index] = _CREATE_EVENTS.format()
        self.sql_create_statements[self.create_insert_function_statement_index] = _CREATE_FUNCTION.format()
        self.sql_create_statements.extend(
            (_CREATE_CUSTOMER_INDEX.format(), _CREATE_COMMANDS.format(), _CREATE_RESERVATIONS.format())
        )

    def create_table(self) -> None:
        """Creates what is missing; processes that begin together take turns, or PostgreSQL would refuse one of them."""
        with self.datastore.get_connection() as connection, connection.cursor() as cursor:
            cursor.execute(_LOCK_TABLES)
            try:
                super().create_table()
            finally:
                cursor.execute(_UNLOCK_TABLES)

    def append(self, cursor: Cursor[Any], rows: Rows) -> tuple[int, list[Refusal]]:
        """Writes the group, or nothing of it. Answers the head before it, and the refusals if there were any.

        In autocommit this is one statement and one transaction. psycopg's OperationalError leaves the outcome open:
        the same commands sent again are recognised by their ids.
        """
        cursor.execute(_APPEND, rows.parameters(), prepare=True)
        answer = cursor.fetchall()
        refusals = [
            Refusal(row["commit_no"], row["refusal"], row["subject"], row["base"])
            for row in answer
            if row["refusal"] is not None
        ]
        return (-1 if refusals else answer[0]["base"]), refusals

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """The library's own way in, kept to its contract: consecutive ids, IntegrityError on a version conflict."""
        if not stored_events:
            return []
        rows = Rows.empty()
        for event in stored_events:
            stream = str(event.originator_id)
            if stream not in rows.streams:
                rows.head_streams.append(stream)
                rows.head_versions.append(event.originator_version - 1)
                rows.head_commits.append(0)
            rows.streams.append(stream)
            rows.versions.append(event.originator_version)
            rows.topics.append(event.topic)
            rows.states.append(event.state)
            rows.customers.append(None)
        with self.datastore.get_connection() as connection, connection.cursor() as cursor:
            base, refusals = self.append(cursor, rows)
        if refusals:
            raise IntegrityError(f"{refusals[0].subject} is at version {refusals[0].current}")
        return [base + n for n in range(1, len(stored_events) + 1)]
