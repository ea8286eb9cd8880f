"""The service's own tables. Every function is one statement on the cursor of the caller's transaction.

Who changes timers holds the log's lock (Transaction.lock) before reading them, so that no two decisions rest on the
same state. Nothing here is the record of what happened: that is the log. A timer's day is in the open, because the
database has to find what is due; it is the only personal data here, and `purge` removes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Cursor

from services.notifications.rules.birthday import MonthDay
from services.notifications.rules.permission import Word
from services.notifications.rules.timer import Timer
from shared.eventlog.mapper import Record, parse

SCHEMA = """
CREATE TABLE IF NOT EXISTS timers (
    reminder_id uuid PRIMARY KEY, customer uuid NOT NULL, kind text NOT NULL, due_at timestamptz NOT NULL,
    local_date date NOT NULL, zone text NOT NULL, month smallint, day smallint, seq bigint NOT NULL,
    status text NOT NULL CHECK (status IN ('planned', 'cancelled', 'fired')), reason text);
CREATE INDEX IF NOT EXISTS timers_due ON timers (due_at, reminder_id) WHERE status = 'planned';
CREATE INDEX IF NOT EXISTS timers_customer ON timers (customer);
CREATE TABLE IF NOT EXISTS members (customer uuid PRIMARY KEY, identity uuid NOT NULL, position bigint NOT NULL);
CREATE INDEX IF NOT EXISTS members_identity ON members (identity);
ALTER TABLE timers ADD COLUMN IF NOT EXISTS purpose text NOT NULL DEFAULT 'customer_care';
CREATE TABLE IF NOT EXISTS words (
    customer uuid NOT NULL, purpose text NOT NULL, channel text NOT NULL, said text NOT NULL, position bigint NOT NULL,
    PRIMARY KEY (customer, purpose, channel));
CREATE TABLE IF NOT EXISTS deliveries (
    message_id uuid PRIMARY KEY, reminder_id uuid NOT NULL, customer uuid NOT NULL, kind text NOT NULL,
    channel text NOT NULL, attempt int NOT NULL, next_try_at timestamptz NOT NULL);
CREATE INDEX IF NOT EXISTS deliveries_next_try ON deliveries (next_try_at);
CREATE INDEX IF NOT EXISTS deliveries_customer ON deliveries (customer);
"""

_TIMER = """
reminder_id::text, customer::text, kind, due_at, local_date, zone, month, day, seq, status, reason, purpose"""

_SAVE_TIMERS = """
INSERT INTO timers (reminder_id, customer, kind, due_at, local_date, zone, month, day, seq, status, reason, purpose)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::timestamptz[], %s::date[], %s::text[], %s::smallint[],
    %s::smallint[], %s::bigint[], %s::text[], %s::text[], %s::text[])
ON CONFLICT (reminder_id) DO UPDATE SET due_at = excluded.due_at, local_date = excluded.local_date,
    zone = excluded.zone, month = excluded.month, day = excluded.day, seq = excluded.seq, status = excluded.status,
    reason = excluded.reason, purpose = excluded.purpose"""

_SAVE_MOVES = """
INSERT INTO members AS kept (customer, identity, position)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[])
ON CONFLICT (customer) DO UPDATE SET identity = excluded.identity, position = excluded.position
WHERE kept.position < excluded.position"""

# An identity's oldest customer has its id, and no row of its own unless it was moved.
_GREETED = """
WITH people AS (SELECT * FROM unnest(%s::uuid[], %s::int[]) AS given (identity, year)),
members_of AS (
    SELECT people.identity, people.year, m.customer FROM people JOIN members m ON m.identity = people.identity
    UNION SELECT identity, year, identity FROM people
    WHERE NOT EXISTS (SELECT FROM members m WHERE m.customer = people.identity))
SELECT DISTINCT p.identity::text, p.year FROM members_of p JOIN timers t ON t.customer = p.customer
WHERE t.status = 'fired' AND t.kind = 'birthday' AND extract(year FROM t.local_date) = p.year"""

_SAVE_WORDS = """
INSERT INTO words AS kept (customer, purpose, channel, said, position)
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::bigint[])
ON CONFLICT (customer, purpose, channel) DO UPDATE SET said = excluded.said, position = excluded.position
WHERE kept.position < excluded.position"""

_WORDS = """
WITH asked AS (SELECT unnest(%s::uuid[]) AS customer),
homes AS (
    SELECT a.customer, coalesce(m.identity, a.customer) AS identity
    FROM asked a LEFT JOIN members m ON m.customer = a.customer),
people AS (
    SELECT h.customer, m.customer AS member FROM homes h JOIN members m ON m.identity = h.identity
    UNION SELECT h.customer, h.identity FROM homes h
    WHERE NOT EXISTS (SELECT FROM members m WHERE m.customer = h.identity))
SELECT p.customer::text AS asked, w.customer::text, w.purpose, w.channel, w.said, w.position
FROM people p JOIN words w ON w.customer = p.member ORDER BY w.position"""

# The database's clock says when a message is tried: a process whose own clock jumps delays nothing. That of the
# statement, because clock_timestamp() could not be looked up in an index.
_CLAIM_DELIVERIES = """
UPDATE deliveries SET next_try_at = statement_timestamp() + %(lease)s WHERE message_id IN (
    SELECT message_id FROM deliveries WHERE next_try_at <= statement_timestamp() ORDER BY next_try_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED)
RETURNING message_id::text, reminder_id::text, customer::text, kind, channel, attempt"""

_QUEUE = """
INSERT INTO deliveries (message_id, reminder_id, customer, kind, channel, attempt, next_try_at)
SELECT given.*, 0, statement_timestamp()
FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[]) AS given
ON CONFLICT (message_id) DO NOTHING"""

_RETRY = """
UPDATE deliveries d SET attempt = given.attempt, next_try_at = statement_timestamp() + given.pause
FROM unnest(%s::uuid[], %s::int[], %s::interval[]) AS given (message_id, attempt, pause)
WHERE d.message_id = given.message_id"""

_RECORDS = """
SELECT e.originator_id, e.state FROM events e JOIN unnest(%s::text[], %s::bigint[]) AS given (stream, seq)
ON e.originator_id = given.stream AND e.originator_version = given.seq"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on its way: how often it was tried already."""

    message_id: str
    reminder_id: str
    customer: str
    kind: str
    channel: str
    attempt: int = 0


def create(cursor: Cursor[Any]) -> None:
    """Creates what is missing."""
    cursor.execute(SCHEMA)


def timers_of(cursor: Cursor[Any], customers: Collection[str]) -> list[Timer]:
    """All timers of these customers, ended ones included."""
    cursor.execute(f"SELECT {_TIMER} FROM timers WHERE customer = ANY(%s::uuid[])", (list(customers),))  # noqa: S608 - a constant
    return [_timer(row) for row in cursor.fetchall()]


def timers_by_id(cursor: Cursor[Any], reminders: Collection[str]) -> dict[str, Timer]:
    cursor.execute(f"SELECT {_TIMER} FROM timers WHERE reminder_id = ANY(%s::uuid[])", (list(reminders),))  # noqa: S608
    return {row["reminder_id"]: _timer(row) for row in cursor.fetchall()}


def claim_due(cursor: Cursor[Any], now: datetime, limit: int) -> list[Timer]:
    """Planned timers that are due, the longest due first, held by this transaction."""
    cursor.execute(
        f"SELECT {_TIMER} FROM timers WHERE status = 'planned' AND due_at <= %s "  # noqa: S608
        "ORDER BY due_at, reminder_id LIMIT %s FOR UPDATE SKIP LOCKED",
        (now, limit),
    )
    return [_timer(row) for row in cursor.fetchall()]


def oldest_due(cursor: Cursor[Any], now: datetime) -> datetime | None:
    """Since when the longest due timer waits; None if nothing is due."""
    cursor.execute(
        "SELECT due_at FROM timers WHERE status = 'planned' AND due_at <= %s ORDER BY due_at LIMIT 1", (now,)
    )
    row = cursor.fetchone()
    return None if row is None else row["due_at"]


def save_timers(cursor: Cursor[Any], timers: Collection[Timer]) -> None:
    if not timers:
        return
    rows = [
        (
            t.reminder_id, t.customer, t.kind, t.due_at, t.local_date, t.zone,
            t.birthday and t.birthday.month, t.birthday and t.birthday.day, t.seq, t.status, t.reason, t.purpose,
        )
        for t in timers
    ]  # fmt: skip
    cursor.execute(_SAVE_TIMERS, _columns(rows))


def save_moves(cursor: Cursor[Any], moves: Mapping[str, tuple[str, int]]) -> None:
    """Customer -> (identity, position of the event that says so); an older position than the stored one is ignored."""
    if moves:
        # In one order always, so that two instances cannot wait for each other.
        rows = [(customer, identity, position) for customer, (identity, position) in sorted(moves.items())]
        cursor.execute(_SAVE_MOVES, _columns(rows))


def identities(cursor: Cursor[Any], customers: Collection[str]) -> dict[str, str]:
    """The identity of each customer that was ever moved; the others are their own."""
    cursor.execute(
        "SELECT customer::text, identity::text FROM members WHERE customer = ANY(%s::uuid[])", (list(customers),)
    )
    return {row["customer"]: row["identity"] for row in cursor.fetchall()}


def save_words(cursor: Cursor[Any], words: Sequence[Word]) -> None:
    """What customers said about a purpose and a channel; an older word than the stored one is ignored."""
    if words:
        rows = sorted((word.customer, word.purpose, word.channel, word.said, word.position) for word in words)
        cursor.execute(_SAVE_WORDS, _columns(rows))


def words_of(cursor: Cursor[Any], customers: Collection[str]) -> dict[str, list[Word]]:
    """What each of these customers and those who are one person with it said; who said nothing is missing."""
    cursor.execute(_WORDS, (sorted(customers),))
    found: dict[str, list[Word]] = {}
    for row in cursor.fetchall():
        asked = row.pop("asked")
        found.setdefault(asked, []).append(Word(**row))
    return found


def greeted(cursor: Cursor[Any], occasions: Collection[tuple[str, int]]) -> set[tuple[str, int]]:
    """Those (identity, year) in which a present member of the identity had its birthday greeting."""
    if not occasions:
        return set()
    cursor.execute(_GREETED, _columns(list(occasions)))
    return {(row["identity"], row["year"]) for row in cursor.fetchall()}


def queue(cursor: Cursor[Any], deliveries: Sequence[Delivery]) -> None:
    """Puts messages in the queue, to be sent at once; a message that is in it stays as it is."""
    if deliveries:
        rows = [(d.message_id, d.reminder_id, d.customer, d.kind, d.channel) for d in deliveries]
        cursor.execute(_QUEUE, _columns(rows))


def claim_deliveries(cursor: Cursor[Any], lease: timedelta, limit: int) -> list[Delivery]:
    """Messages to send now. Nobody else gets them during the lease, whatever becomes of this process."""
    cursor.execute(_CLAIM_DELIVERIES, {"lease": lease, "limit": limit})
    return [Delivery(**row) for row in cursor.fetchall()]


def lock_deliveries(cursor: Cursor[Any], messages: Collection[str]) -> set[str]:
    """Those of the messages that are still open."""
    cursor.execute(
        "SELECT message_id::text FROM deliveries WHERE message_id = ANY(%s::uuid[]) FOR UPDATE", (list(messages),)
    )
    return {row["message_id"] for row in cursor.fetchall()}


def close_deliveries(cursor: Cursor[Any], messages: Collection[str]) -> None:
    if messages:
        cursor.execute("DELETE FROM deliveries WHERE message_id = ANY(%s::uuid[])", (list(messages),))


def retry_deliveries(cursor: Cursor[Any], retries: Sequence[tuple[str, int, timedelta]]) -> None:
    """(message, attempts so far, pause before the next one) of messages that failed for now."""
    if retries:
        cursor.execute(_RETRY, _columns(retries))


def records_at(cursor: Cursor[Any], places: Iterable[tuple[str, int]]) -> dict[str, Record]:
    """The stored event at (stream, seq), by stream; still sealed."""
    rows = list(places)
    if not rows:
        return {}
    cursor.execute(_RECORDS, _columns(rows))
    return {row["originator_id"]: parse(bytes(row["state"])) for row in cursor.fetchall()}


def purge(cursor: Cursor[Any], subject: str) -> int:
    """Removes everything about one customer, for its erasure; the number of removed rows. Harmless when repeated."""
    removed = 0
    for table in ("timers", "deliveries", "members", "words"):
        cursor.execute(f"DELETE FROM {table} WHERE customer = %s", (subject,))  # noqa: S608 - names of ours
        removed += cursor.rowcount
    return removed


def _timer(row: Mapping[str, Any]) -> Timer:
    fields = dict(row)
    month, day = fields.pop("month"), fields.pop("day")
    return Timer(**fields, birthday=None if month is None else MonthDay(month, day))


def _columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
