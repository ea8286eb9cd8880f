"""The PostgreSQL side of a consumer: how far each source was read, and the records put aside.

Every method runs one statement on the cursor of the caller's transaction, so that effects, positions and parked records
are committed together or not at all. `shared.inbox_mongo` keeps the same contract in MongoDB.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple

from psycopg import Cursor
from psycopg.rows import tuple_row

from shared.epoch import NO_MARK, Mark, Note
from shared.streaming import Advance, Parked, Plan, Source

# Under a lock, because two processes that create one table at once fail even with IF NOT EXISTS.
INBOX_DDL = """
SELECT pg_advisory_xact_lock(hashtext('custlog.inbox'));
CREATE TABLE IF NOT EXISTS inbox_position (
    consumer text NOT NULL, source text NOT NULL, position bigint NOT NULL, next_offset bigint NOT NULL,
    epoch text NOT NULL DEFAULT '', event text NOT NULL DEFAULT '', PRIMARY KEY (consumer, source));
ALTER TABLE inbox_position ADD COLUMN IF NOT EXISTS epoch text NOT NULL DEFAULT '';
ALTER TABLE inbox_position ADD COLUMN IF NOT EXISTS event text NOT NULL DEFAULT '';
CREATE TABLE IF NOT EXISTS inbox_parked (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, consumer text NOT NULL, source text NOT NULL,
    position bigint NOT NULL, "offset" bigint NOT NULL, key text NOT NULL, reason text NOT NULL, value bytea NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp(), UNIQUE (consumer, source, position, "offset"));
CREATE INDEX IF NOT EXISTS inbox_parked_key ON inbox_parked (consumer, key, id);
"""

_LOCK_POSITIONS = """
SELECT source, position, next_offset, epoch, event FROM inbox_position WHERE consumer = %s AND source = ANY(%s)
ORDER BY source FOR UPDATE"""

_ADVANCE = """
INSERT INTO inbox_position AS stored (consumer, source, position, next_offset, epoch, event)
SELECT %(consumer)s, given.source, given.position, given.next_offset, given.epoch, given.event
FROM unnest(%(sources)s::text[], %(expected)s::bigint[], %(positions)s::bigint[], %(offsets)s::bigint[],
            %(epochs)s::text[], %(events)s::text[])
    AS given (source, expected, position, next_offset, epoch, event)
WHERE given.expected = 0
   OR EXISTS (SELECT FROM inbox_position p WHERE p.consumer = %(consumer)s AND p.source = given.source)
ON CONFLICT (consumer, source) DO UPDATE SET position = excluded.position, next_offset = excluded.next_offset,
    epoch = excluded.epoch, event = excluded.event
WHERE stored.position = (%(expected)s::bigint[])[array_position(%(sources)s::text[], stored.source)]"""

_PARK = """
INSERT INTO inbox_parked (consumer, source, position, "offset", key, reason, value)
SELECT %s, given.source, given.position, given."offset", given.key, given.reason, given.value
FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::bytea[])
    WITH ORDINALITY AS given (source, position, "offset", key, reason, value, ordinal) ORDER BY given.ordinal
ON CONFLICT DO NOTHING"""

_TAKE = """
WITH taken AS (DELETE FROM inbox_parked WHERE consumer = %s AND key = %s RETURNING *)
SELECT source, position, "offset", key, reason, value FROM taken ORDER BY id"""

_BLOCKED = "SELECT DISTINCT key FROM inbox_parked WHERE consumer = %s AND key = ANY(%s)"
_COUNT = "SELECT count(*) FROM inbox_parked WHERE consumer = %s"
_BY_TOPIC = "SELECT split_part(source, '/', 1), count(*) FROM inbox_parked WHERE consumer = %s GROUP BY 1"
_KEYS = "SELECT key FROM inbox_parked WHERE consumer = %s GROUP BY key ORDER BY min(id) LIMIT %s"


class Fenced(Exception):
    """Another owner of the partition moved its position. Fate: roll back, read the positions again, retry."""


class SetBack(Exception):
    """The store of a consumer is behind what was applied. Fate: nothing is read until the two agree again."""


class Stored(NamedTuple):
    """How far a source was read: its position, the offset at which to go on, and what is known of the record there.

    `purges` counts the subjects whose data were taken away meanwhile, where a consumer counts them.
    """

    position: int
    next_offset: int
    mark: Mark = NO_MARK
    purges: int = 0


class Places(NamedTuple):
    """The stored places of some sources as a plan takes them."""

    positions: dict[str, int]
    marks: dict[str, Mark]

    @classmethod
    def of(cls, stored: Mapping[str, Stored]) -> "Places":
        """Position and mark of each source."""
        return cls({name: at.position for name, at in stored.items()}, {name: at.mark for name, at in stored.items()})


class ParkedRecord(NamedTuple):
    """A record that was put aside."""

    source: str
    position: int
    offset: int
    key: str
    reason: str
    value: bytes

    def as_source(self) -> Source:
        """The record as it was read, without its predecessor."""
        topic, _, partition = self.source.rpartition("/")
        return Source(self.source, topic, int(partition), self.offset, self.position, 0, self.key, self.value)


def confirm(noted: Mapping[str, str], stored: Mapping[str, Stored]) -> None:
    """Compare the stored places with what was told to Kafka after they were stored. Raises SetBack if one is behind.

    Only within an epoch: with another one the topic was made anew, and what was told is not of it.
    """
    for source, text in noted.items():
        note, at = Note.parse(text), stored.get(source, Stored(0, 0))
        if note.position > at.position and (note.epoch == at.mark.epoch or not at.position):
            raise SetBack(
                f"{source} was applied up to position {note.position}, but this service's database knows only of "
                f"{at.position}: an older backup of it was restored. `custlog republish --all` makes the topics anew "
                "from the logs, then this consumer goes on"
            )


def plan_again(waiting: Sequence[ParkedRecord]) -> Plan:
    """A plan for the parked records of a key. One without its position can never be applied and stays parked."""
    sources = [(record, record.as_source()) for record in waiting]
    return Plan(
        apply=[source for record, source in sources if record.position],
        park=[Parked(source, record.reason) for record, source in sources if not record.position],
    )


class Inbox:
    """Positions and parked records of one consumer in PostgreSQL. Create the tables with INBOX_DDL."""

    def __init__(self, consumer: str) -> None:
        self._consumer = consumer

    def positions(self, cursor: Cursor[Any], sources: Collection[str]) -> dict[str, Stored]:
        """The stored place of each source that has one, locked until the end of the transaction."""
        rows = _rows(cursor, _LOCK_POSITIONS, (self._consumer, list(sources)))
        return {source: Stored(position, offset, Mark(*mark)) for source, position, offset, *mark in rows}

    def blocked(self, cursor: Cursor[Any], keys: Collection[str]) -> set[str]:
        """Those of the keys that have parked records."""
        return {key for (key,) in _rows(cursor, _BLOCKED, (self._consumer, list(keys)))}

    def advance(self, cursor: Cursor[Any], moves: Mapping[str, Advance]) -> None:
        """Move the sources of a plan. Raises Fenced if one of them no longer stands where the plan expected it."""
        if not moves:
            return
        given = {
            "consumer": self._consumer,
            "sources": list(moves),
            "expected": [move.expected for move in moves.values()],
            "positions": [move.position for move in moves.values()],
            "offsets": [move.next_offset for move in moves.values()],
            "epochs": [move.mark.epoch for move in moves.values()],
            "events": [move.mark.event for move in moves.values()],
        }
        cursor.execute(_ADVANCE, given)
        if cursor.rowcount != len(moves):
            raise Fenced(
                f"Consumer {self._consumer} lost {len(moves) - cursor.rowcount} of {len(moves)} partitions to another "
                "instance; read their positions again."
            )

    def park(self, cursor: Cursor[Any], records: Sequence[Parked]) -> None:
        """Put records aside, in this order. One that is parked already stays as it is."""
        if not records:
            return
        columns = [
            (p.source.name, p.source.position, p.source.offset, p.source.key, p.reason, p.source.value) for p in records
        ]
        cursor.execute(_PARK, (self._consumer, *(list(column) for column in zip(*columns, strict=True))))

    def parked_count(self, cursor: Cursor[Any]) -> int:
        """How many records are put aside."""
        ((count,),) = _rows(cursor, _COUNT, (self._consumer,))
        return int(count)

    def parked_by_topic(self, cursor: Cursor[Any]) -> dict[str, int]:
        """How many records of each topic are put aside; topics without any are missing."""
        return dict(_rows(cursor, _BY_TOPIC, (self._consumer,)))

    def parked_keys(self, cursor: Cursor[Any], limit: int = 1000) -> list[str]:
        """The keys that have parked records, the longest waiting first."""
        return [key for (key,) in _rows(cursor, _KEYS, (self._consumer, limit))]

    def take_parked(self, cursor: Cursor[Any], key: str) -> list[ParkedRecord]:
        """Remove and return the parked records of a key, in the order in which they have to be applied again."""
        return [ParkedRecord(*row) for row in _rows(cursor, _TAKE, (self._consumer, key))]


def _rows(cursor: Cursor[Any], statement: LiteralString, given: Sequence[Any]) -> list[tuple[Any, ...]]:
    # A cursor of our own in the same transaction: the caller's may answer rows as dicts.
    with cursor.connection.cursor(row_factory=tuple_row) as own:
        return own.execute(statement, given).fetchall()
