"""The stores of the inbox contract behind one face, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import psycopg

from shared.inbox import INBOX_DDL, Inbox, ParkedRecord, Stored
from shared.inbox_mongo import MongoInbox, create_inbox
from shared.mongo import Driver, Mongo, connect
from shared.streaming import Advance, Parked
from tests.support.memory_inbox import Awaited, MemoryInbox
from tests.support.memory_tables import Tables

T = TypeVar("T")


class Tx(Protocol):
    """An inbox in one transaction."""

    async def positions(self, sources: Collection[str]) -> dict[str, Stored]: ...
    async def blocked(self, keys: Collection[str]) -> set[str]: ...
    async def advance(self, moves: Mapping[str, Advance]) -> None: ...
    async def park(self, records: Sequence[Parked]) -> None: ...
    async def parked_count(self) -> int: ...
    async def parked_keys(self) -> list[str]: ...
    async def take_parked(self, key: str) -> list[ParkedRecord]: ...


class Store(Protocol):
    """Runs work in transactions of a consumer."""

    async def transaction(self, consumer: str, work: Callable[[Tx], Awaitable[T]]) -> T: ...


class PostgresTx:
    def __init__(self, inbox: Inbox, cursor: psycopg.Cursor[Any]) -> None:
        self._inbox, self._cursor = inbox, cursor

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*given: Any) -> Any:
            return getattr(self._inbox, name)(self._cursor, *given)

        return call


class PostgresStore:
    def __init__(self, url: str) -> None:
        self.url = url
        with psycopg.connect(url) as connection:
            connection.execute(INBOX_DDL)

    async def transaction(self, consumer: str, work: Callable[[Tx], Awaitable[T]]) -> T:
        with psycopg.connect(self.url) as connection, connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            return await work(PostgresTx(Inbox(consumer), cursor))  # type: ignore[arg-type]


class MongoTx:
    def __init__(self, inbox: MongoInbox, session: Any) -> None:
        self._inbox, self._session = inbox, session

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*given: Any) -> Any:
            of_session = {"parked_count", "parked_keys"}
            if name in of_session:
                return await getattr(self._inbox, name)(self._session)
            return await getattr(self._inbox, name)(self._session, *given)

        return call


class MongoStore:
    def __init__(self, mongo: Mongo, database: str) -> None:
        self.mongo, self.database = mongo, mongo.database(database)

    @classmethod
    async def create(cls, url: str, database: str, driver: Driver) -> MongoStore:
        store = cls(connect(url, driver), database)
        await create_inbox(store.database)
        return store

    async def transaction(self, consumer: str, work: Callable[[Tx], Awaitable[T]]) -> T:
        inbox = MongoInbox(self.mongo, self.database, consumer)
        return await self.mongo.transaction(lambda session: work(MongoTx(inbox, session)))  # type: ignore[arg-type]


class MemoryStore:
    """One transaction at a time, as two would otherwise see each other's half-done work."""

    def __init__(self) -> None:
        self._tables = Tables()
        self._free = asyncio.Lock()

    async def transaction(self, consumer: str, work: Callable[[Tx], Awaitable[T]]) -> T:
        async with self._free:
            with self._tables.transaction() as cursor:
                return await work(_InSession(Awaited(MemoryInbox(consumer), cursor)))  # type: ignore[arg-type]


class _InSession:
    def __init__(self, inbox: Awaited) -> None:
        self._inbox = inbox

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        return lambda *given: getattr(self._inbox, name)(None, *given)
