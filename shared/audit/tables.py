"""The audit trail's tables beside the events of a log, one function per statement.

    audit_tiles        the tree, as shared.audit.tiles lays it out
    audit_heads        the map of heads, one row per chain
    audit_buckets      the hash of each bucket of the map that is not empty, and the tree's size when it changed
    audit_checkpoints  the signed notes, cosigned where a witness has answered

They are derived: whoever alters them is found out by the signed roots. Cursors give tuples, and answer in binary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from psycopg import Connection, Cursor
from psycopg.rows import tuple_row

from shared.audit.arrays import Bigints, Blobs, register
from shared.audit.heads import BUCKETS, Head
from shared.audit.merkle import HASH_BYTES
from shared.audit.tiles import Tile
from shared.postgres import LASTING

Rows = Cursor[tuple[Any, ...]]

LOCK = "SELECT pg_advisory_xact_lock(hashtext('custlog.audit'))"
_CREATE: tuple[LiteralString, ...] = (
    """CREATE TABLE IF NOT EXISTS audit_tiles (
    level int, number bigint, hashes bytea STORAGE EXTERNAL NOT NULL, PRIMARY KEY (level, number))""",
    """CREATE TABLE IF NOT EXISTS audit_heads (
    key bytea PRIMARY KEY, count bigint NOT NULL, leaf bytea NOT NULL) WITH (fillfactor = 85)""",
    """CREATE TABLE IF NOT EXISTS audit_buckets (
    number int PRIMARY KEY, hash bytea NOT NULL, size bigint NOT NULL) WITH (fillfactor = 50)""",
    """CREATE TABLE IF NOT EXISTS audit_checkpoints (
    size bigint PRIMARY KEY, at timestamptz NOT NULL, note bytea NOT NULL)""",
)
_NEWEST = "SELECT size, note FROM audit_checkpoints ORDER BY size DESC LIMIT 1"
_NOTE_AT = "SELECT note FROM audit_checkpoints WHERE size = %b"
_NOTE_TO_REPLACE = "SELECT note FROM audit_checkpoints WHERE size = %b FOR UPDATE"
_TILES = """
SELECT level, number, hashes FROM audit_tiles
JOIN unnest(%b::int[], %b::bigint[]) AS wanted (level, number) USING (level, number)"""
# One bucket after the other, by its range of keys: a plain join would be planned for any number of rows.
_BUCKETS = """
SELECT wanted.number, found.packed FROM unnest(%b::bigint[], %b::bytea[], %b::bytea[]) AS wanted (number, low, high)
CROSS JOIN LATERAL (
    SELECT string_agg(key || int8send(count) || leaf, ''::bytea ORDER BY key) AS packed
    FROM audit_heads WHERE key >= wanted.low AND key < wanted.high
) AS found WHERE found.packed IS NOT NULL"""
_BUCKET_HASHES = "SELECT number, hash FROM audit_buckets WHERE size > %b AND size <= %b"
_RECORDS = """
SELECT notification_id, state FROM events WHERE notification_id >= %b AND notification_id <= %b
ORDER BY notification_id LIMIT %b"""
_RECORDS_OF = """
SELECT notification_id, state FROM events WHERE customer = ANY(%b::uuid[]) AND notification_id <= %b
UNION ALL
SELECT notification_id, state FROM events
WHERE originator_id = ANY(%b::text[]) AND customer IS NULL AND notification_id <= %b"""
_NOTES = "SELECT size, note FROM audit_checkpoints WHERE size > %b ORDER BY size"
_HEAD = "SELECT coalesce(max(notification_id), 0) FROM events"
_PUT_TILES = """
INSERT INTO audit_tiles (level, number, hashes) SELECT * FROM unnest(%b::int[], %b::bigint[], %b::bytea[])
ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes"""
_PUT_HEADS = """
INSERT INTO audit_heads (key, count, leaf) SELECT * FROM unnest(%b::bytea[], %b::bigint[], %b::bytea[])
ON CONFLICT (key) DO UPDATE SET count = excluded.count, leaf = excluded.leaf"""
_PUT_BUCKETS = """
INSERT INTO audit_buckets (number, hash, size) SELECT number, hash, %b::bigint
FROM unnest(%b::bigint[], %b::bytea[]) AS changed (number, hash)
ON CONFLICT (number) DO UPDATE SET hash = excluded.hash, size = excluded.size"""
_PUT_NOTE = """
INSERT INTO audit_checkpoints (size, at, note) VALUES (%b, clock_timestamp(), %b)
ON CONFLICT (size) DO UPDATE SET at = excluded.at, note = excluded.note"""
_REPLACE_NOTE = "UPDATE audit_checkpoints SET note = %b WHERE size = %b"


def connect(url: str, name: str) -> Connection[tuple[Any, ...]]:
    """A connection on which a lost server is noticed, and tables that grow are read by key. Raises psycopg.Error."""
    connection = Connection.connect(
        url,
        autocommit=True,
        row_factory=tuple_row,
        **LASTING,
        application_name=name,
        # A prepared plan made while the tables are empty would go on reading them from end to end. Compiling the
        # statements takes longer than they do.
        options="-c enable_seqscan=off -c jit=off -c lock_timeout=10s",
    )
    register(connection)
    return connection


def create(cursor: Rows) -> None:
    """Makes what is missing, inside a transaction that holds LOCK."""
    for statement in _CREATE:
        cursor.execute(statement)


def newest(cursor: Rows) -> tuple[int, bytes] | None:
    """Size and note of the newest checkpoint."""
    return cursor.execute(_NEWEST).fetchone()


def note_at(cursor: Rows, size: int) -> bytes | None:
    row = cursor.execute(_NOTE_AT, (size,)).fetchone()
    return row[0] if row else None


def note_to_replace(cursor: Rows, size: int) -> bytes | None:
    """The note of a checkpoint, which nobody else replaces before this transaction ends."""
    row = cursor.execute(_NOTE_TO_REPLACE, (size,)).fetchone()
    return row[0] if row else None


def tiles(cursor: Rows, wanted: Sequence[Tile]) -> dict[Tile, bytes]:
    """The tiles that there are of those wanted."""
    if not wanted:
        return {}
    cursor.execute(_TILES, ([level for level, _ in wanted], [number for _, number in wanted]))
    return {(level, number): hashes for level, number, hashes in cursor}


def buckets(cursor: Rows, numbers: Sequence[int]) -> dict[int, bytes]:
    """The buckets as shared.audit.heads packs them; an empty one is missing."""
    lows = [number.to_bytes(2) for number in numbers]
    highs = [(number + 1).to_bytes(2) if number + 1 < BUCKETS else b"\xff" * (HASH_BYTES + 1) for number in numbers]
    return dict(cursor.execute(_BUCKETS, (Bigints(numbers), Blobs(lows), Blobs(highs))).fetchall())


def bucket_hashes(cursor: Rows, after: int, size: int) -> dict[int, bytes]:
    """The hashes of the buckets that changed last when the tree grew beyond `after` and up to `size`."""
    return dict(cursor.execute(_BUCKET_HASHES, (after, size)).fetchall())


def records(cursor: Rows, first: int, last: int, limit: int) -> list[tuple[int, bytes]]:
    """The first records, at most `limit`, of those from position `first` to `last`."""
    return cursor.execute(_RECORDS, (first, last, limit)).fetchall()


def records_of(cursor: Rows, customers: list[str], streams: list[str], last: int) -> list[tuple[int, bytes]]:
    """The records of customers, and those without customer of streams, up to a position; in no order."""
    return cursor.execute(_RECORDS_OF, (customers, last, streams, last)).fetchall()


def notes(cursor: Rows, after: int) -> list[tuple[int, bytes]]:
    """Sizes and notes of the checkpoints of sizes above `after`, rising."""
    return cursor.execute(_NOTES, (after,)).fetchall()


def head(cursor: Rows) -> int:
    """The last position of the log, 0 if it is empty."""
    row = cursor.execute(_HEAD).fetchone()
    return row[0] if row else 0


def put_tiles(cursor: Rows, changed: Mapping[Tile, bytes]) -> None:
    levels, numbers = [level for level, _ in changed], [number for _, number in changed]
    cursor.execute(_PUT_TILES, (levels, numbers, Blobs(changed.values())))


def put_heads(cursor: Rows, changed: Mapping[bytes, Head]) -> None:
    # In the order of the index, so that neighbours fall on the same pages.
    keys = sorted(changed)
    counts, leaves = Bigints(changed[key].count for key in keys), Blobs(changed[key].leaf for key in keys)
    cursor.execute(_PUT_HEADS, (Blobs(keys), counts, leaves))


def put_bucket_hashes(cursor: Rows, changed: Mapping[int, bytes], size: int) -> None:
    cursor.execute(_PUT_BUCKETS, (size, Bigints(changed), Blobs(changed.values())))


def put_note(cursor: Rows, size: int, note: bytes) -> None:
    cursor.execute(_PUT_NOTE, (size, note))


def replace_note(cursor: Rows, size: int, note: bytes) -> None:
    cursor.execute(_REPLACE_NOTE, (note, size))
