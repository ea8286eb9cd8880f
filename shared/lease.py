"""Leadership over one topic, and the position its leader has published."""

from dataclasses import dataclass, field
from typing import Any

from psycopg import AsyncConnection, errors
from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb

from shared.crash import crash_here

_CREATE = """
CREATE TABLE IF NOT EXISTS relay_position (
    topic text PRIMARY KEY, position bigint NOT NULL, heads jsonb NOT NULL, updated_at timestamptz NOT NULL)"""
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('custlog.relay.' || %s, 0))"
_LOAD = "SELECT position, heads FROM relay_position WHERE topic = %s"
_STORE = """
INSERT INTO relay_position (topic, position, heads, updated_at) VALUES (%s, %s, %s, clock_timestamp())
ON CONFLICT (topic) DO UPDATE
SET position = excluded.position, heads = excluded.heads, updated_at = excluded.updated_at"""


@dataclass(frozen=True, slots=True)
class Published:
    """The last position of the log that is in Kafka, and the last one per partition."""

    position: int = 0
    heads: dict[int, int] = field(default_factory=dict)


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
            connect_timeout=5,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=10_000,
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
        except errors.UndefinedTable:
            await self._connection.execute(_CREATE)
            return Published()
        row = await cursor.fetchone()
        if row is None:
            return Published()
        return Published(row[0], {int(partition): head for partition, head in row[1].items()})

    async def store(self, published: Published) -> None:
        """Remember what was published."""
        await self._connection.execute(_STORE, (self._topic, published.position, Jsonb(published.heads)))
        crash_here("relay.after_store")

    async def check(self) -> None:
        """Raise psycopg.Error if the lease is lost."""
        await self._connection.execute("SELECT 1")

    async def close(self) -> None:
        """Give the lease back."""
        await self._connection.close()
