"""Leadership over one topic, and the position its leader has published."""

from dataclasses import dataclass, field
from typing import Any

from psycopg import AsyncConnection, errors
from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb

from shared.crash import crash_here
from shared.postgres import LASTING

_CREATE = """
CREATE TABLE IF NOT EXISTS relay_position (
    topic text PRIMARY KEY, position bigint NOT NULL, heads jsonb NOT NULL, updated_at timestamptz NOT NULL);
ALTER TABLE relay_position ADD COLUMN IF NOT EXISTS epoch text NOT NULL DEFAULT '';
ALTER TABLE relay_position ADD COLUMN IF NOT EXISTS anew boolean NOT NULL DEFAULT false"""
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('custlog.relay.' || %s, 0))"
_LOAD = "SELECT position, heads, epoch, anew FROM relay_position WHERE topic = %s"
_STORE = """
INSERT INTO relay_position (topic, position, heads, epoch, updated_at) VALUES (%s, %s, %s, %s, clock_timestamp())
ON CONFLICT (topic) DO UPDATE
SET position = excluded.position, heads = excluded.heads, epoch = excluded.epoch, updated_at = excluded.updated_at"""
_BEGIN = """
INSERT INTO relay_position (topic, position, heads, epoch, anew, updated_at)
VALUES (%s, 0, '{}', %s, true, clock_timestamp())
ON CONFLICT (topic) DO UPDATE
SET position = 0, heads = '{}', epoch = excluded.epoch, anew = true, updated_at = excluded.updated_at"""
_BEGUN = "UPDATE relay_position SET anew = false WHERE topic = %s"
_WANTED = "SELECT EXISTS (SELECT FROM relay_position WHERE topic = %s AND anew)"
_WANT = """
INSERT INTO relay_position (topic, position, heads, anew, updated_at) VALUES (%s, 0, '{}', true, clock_timestamp())
ON CONFLICT (topic) DO UPDATE SET anew = true"""


@dataclass(frozen=True, slots=True)
class Published:
    """The last position of the log that is in Kafka, the last one per partition, and the epoch that they belong to.

    `anew` says that the topic has to be made anew and the log to be published from its beginning.
    """

    position: int = 0
    heads: dict[int, int] = field(default_factory=dict)
    epoch: str = ""
    anew: bool = False


class Lease:
    """Held by a session lock of PostgreSQL on a connection of its own.

    The position is written through that same connection, so whoever has lost the lock cannot write it any more.
    Every method raises psycopg.Error when the connection is lost, and with it the lease.
    """

    def __init__(self, connection: AsyncConnection[tuple[Any, ...]], topic: str) -> None:
        self._connection = connection
        self._topic = topic

    @classmethod
    async def acquire(cls, postgres_url: str, topic: str) -> "Lease | None":
        """The lease, or None while another holds it."""
        connection = await AsyncConnection.connect(
            postgres_url,
            autocommit=True,
            row_factory=tuple_row,
            **LASTING,
            application_name=f"relay {topic}",
        )
        try:
            row = await (await connection.execute(_LOCK, (topic,))).fetchone()
            if row is not None and row[0]:
                return cls(connection, topic)
        except BaseException:
            await connection.close()
            raise
        await connection.close()
        return None

    async def load(self) -> Published:
        """What was published, nothing if the topic is new."""
        try:
            cursor = await self._connection.execute(_LOAD, (self._topic,))
        except (errors.UndefinedTable, errors.UndefinedColumn):
            await self._connection.execute(_CREATE)
            return Published()
        row = await cursor.fetchone()
        if row is None:
            return Published()
        return Published(row[0], {int(partition): head for partition, head in row[1].items()}, row[2], row[3])

    async def store(self, published: Published) -> None:
        """Remember what was published."""
        given = (self._topic, published.position, Jsonb(published.heads), published.epoch)
        await self._connection.execute(_STORE, given)
        crash_here("relay.after_store")

    async def begin(self, epoch: str) -> None:
        """Remember that nothing is published in this new epoch, and that its topic is still to be made."""
        await self._connection.execute(_BEGIN, (self._topic, epoch))

    async def begun(self) -> None:
        """Remember that the topic of the epoch is made."""
        await self._connection.execute(_BEGUN, (self._topic,))

    async def wanted(self) -> bool:
        """Whether the log has to be published anew. Raises psycopg.Error if the lease is lost."""
        row = await (await self._connection.execute(_WANTED, (self._topic,))).fetchone()
        return row is not None and bool(row[0])

    async def close(self) -> None:
        """Give the lease back."""
        await self._connection.close()


async def want_anew(postgres_url: str, topic: str) -> None:
    """Ask the relay that leads, or the next one, to make the topic anew and to publish the log from its beginning."""
    async with await AsyncConnection.connect(postgres_url, autocommit=True, connect_timeout=5) as connection:
        await connection.execute(_CREATE)
        await connection.execute(_WANT, (topic,))
