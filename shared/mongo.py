"""The one seam over motor and PyMongo's own asynchronous client: exactly the calls in which the two differ."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar

from pymongo import AsyncMongoClient, ReadPreference, WriteConcern
from pymongo.errors import BulkWriteError, CollectionInvalid, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from shared.log import get_logger

Driver = Literal["motor", "pymongo"]
T = TypeVar("T")

_SERVER_SELECTION_MS = 5_000
_SOCKET_MS = 60_000
_COMMIT_MS = 20_000
_NAMESPACE_EXISTS = 48
# WriteConflict, TransactionTooLargeForCache
_OUTGROWN = frozenset({112, 388})

_log = get_logger(__name__)


async def _settled(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


class Mongo:
    """A client of one MongoDB deployment (a replica set: transactions need one).

    Bound to the event loop that made it. Calls not wrapped here (find, CRUD, bulk_write) are the same in both drivers
    and are made on the collections themselves. Errors are those of pymongo.errors, unchanged.
    """

    def __init__(self, client: Any, driver: Driver, name: str = "") -> None:
        self.client = client
        self.driver = driver
        self._name = name
        self._orphans: list[Any] = []

    def database(self, name: str) -> Any:
        """A database; acknowledged writes survive the loss of any one member."""
        return self.client.get_database(name)

    async def aggregate(
        self, collection: Any, pipeline: Sequence[Mapping[str, Any]], *, session: Any = None, **options: Any
    ) -> Any:
        """A cursor over the result of a pipeline."""
        return await _settled(collection.aggregate(list(pipeline), session=session, **options))

    async def watch(self, target: Any, pipeline: Sequence[Mapping[str, Any]] = (), **options: Any) -> Any:
        """A change stream over a collection, a database or the client."""
        return await _settled(target.watch(list(pipeline), **options))

    async def list_indexes(self, collection: Any) -> Any:
        """A cursor over the indexes of a collection."""
        return await _settled(collection.list_indexes())

    async def start_session(self, **options: Any) -> Any:
        """A session, to be used as an asynchronous context manager."""
        return await _settled(self.client.start_session(**options))

    async def start_transaction(self, session: Any, **options: Any) -> Any:
        """A transaction of a session, to be used as an asynchronous context manager."""
        return await _settled(session.start_transaction(**options))

    async def transaction(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Run `work(session)` in one transaction: snapshot reads, writes acknowledged by a majority's journal.

        `work` is called again as a whole after a transient failure (for up to two minutes), so it must keep no state of
        its own and must use the session for every read and write. Its other errors abort the transaction and are
        raised.
        """
        await self._end_orphans()
        async with await self.start_session() as session:
            try:
                result: T = await session.with_transaction(
                    work,
                    read_concern=ReadConcern("snapshot"),
                    write_concern=WriteConcern("majority", j=True),
                    read_preference=ReadPreference.PRIMARY,
                    max_commit_time_ms=_COMMIT_MS,
                )
            except PyMongoError:
                self._orphans.append(session.session_id)
                raise
            return result

    async def _end_orphans(self) -> None:
        # The server may not have heard that a transaction was given up: it would keep its locks for a minute, and every
        # other one on these documents would wait for it.
        if orphans := self._orphans[:]:
            await self.client.admin.command("killSessions", orphans)
            del self._orphans[: len(orphans)]

    async def end_predecessor(self) -> int:
        """Ends what an earlier process of this client's name left open when it was killed; answers how many sessions.

        Without a name nothing is done: nobody knows whose they are. A user who may not do it is told so in the log;
        then they end by themselves after MongoDB's limit, a minute.
        """
        if not self._name:
            return 0
        stages = [
            {"$currentOp": {"allUsers": True, "idleSessions": True}},
            {"$match": {"appName": self._name, "active": False, "transaction": {"$exists": True}}},
        ]
        try:
            cursor = await _settled(self.client.admin.aggregate(stages))
            left = [{"id": found["lsid"]["id"]} for found in await cursor.to_list(None)]
            if left:
                await self.client.admin.command("killSessions", left)
        except OperationFailure as refused:
            _log.warning("sessions of an earlier process not ended", code=refused.code)
            return 0
        return len(left)

    async def now(self) -> datetime:
        """The present instant by the primary's clock, in milliseconds: the same for all processes, jumping for none."""
        told: dict[str, Any] = await self.client.admin.command("hello")
        instant: datetime = told["localTime"]
        return instant

    async def ping(self) -> None:
        """Raise a pymongo error unless a primary answers."""
        await self.client.admin.command("ping")

    async def close(self) -> None:
        """Close all connections."""
        await _settled(self.client.close())


def outgrew_cache(error: PyMongoError) -> bool:
    """Whether MongoDB gave a transaction up because its cache cannot hold the changes.

    While it writes that is said plainly, at the commit it is called a conflict; conflicts with others end up here only
    if they outlast all tries of `Mongo.transaction`.
    """
    if isinstance(error, BulkWriteError):
        return any(one.get("code") in _OUTGROWN for one in error.details.get("writeErrors", ()))
    return isinstance(error, OperationFailure) and error.code in _OUTGROWN


async def ensure_collection(database: Any, name: str) -> None:
    """Create a collection if it is missing; several processes may do so at once."""
    try:
        await database.create_collection(name)
    except CollectionInvalid:
        return
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:
            raise


def connect(url: str, driver: Driver = "motor", *, name: str = "", **options: Any) -> Mongo:
    """A client of the deployment at `url` (naming its replicaSet). Connects lazily; gives up on a primary after 5 s.

    `name` is that of the one process which is this client, kept over its restarts; empty if it has none.
    """
    settings: dict[str, Any] = {
        **({"appname": name} if name else {}),
        "w": "majority",
        "journal": True,
        "tz_aware": True,
        "serverSelectionTimeoutMS": _SERVER_SELECTION_MS,
        "connectTimeoutMS": _SERVER_SELECTION_MS,
        "socketTimeoutMS": _SOCKET_MS,
        "retryWrites": True,
        **options,
    }
    if driver == "pymongo":
        return Mongo(AsyncMongoClient(url, **settings), driver, name)
    # Imported here because the set-up without motor has to start once motor no longer imports.
    from motor.motor_asyncio import AsyncIOMotorClient  # noqa: PLC0415

    return Mongo(AsyncIOMotorClient(url, **settings), driver, name)
