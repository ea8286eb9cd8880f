"""The views in MongoDB: which build of each is active, what a batch loads and writes, and starting from nothing.

<view>__v<version>_<build>  the documents of one build of a view
aliases                     {_id: view, version, active, previous, retired, epoch}: the build that is read and folded
                            into, the one before it, and builds that are to be dropped
inbox_position              one row for every partition of every topic; they hold for all active builds together
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import structlog
from pymongo import ASCENDING, DeleteOne, InsertOne, ReplaceOne, UpdateOne
from pymongo.errors import CollectionInvalid, DocumentTooLarge, OperationFailure

from services.projections.fold import MAX_DOCUMENT, size_of
from services.projections.views.view import View, WorkingSet
from shared.errors import Unavailable
from shared.events.envelope import Recorded, instant
from shared.ids import uuid7
from shared.inbox_mongo import PARKED, POSITIONS, MongoInbox, create_inbox
from shared.mongo import Mongo
from shared.streaming import source_name
from shared.topics import partition_of

ALIASES = "aliases"
BUILDS = "builds"
SCRATCH = "scratch"
PURGED = "purged"
QUERY_MS = 5_000

_NAMESPACE_EXISTS = 48

logger = structlog.get_logger(__name__)

Collections = Mapping[str, str]
"""View -> name of the collection that holds a build of it."""
Mark = tuple[str, int, int]
"""(source, position, offset) of a record; the offset counts only where there is no position."""


class Incomplete(Exception):
    """Positions or aliases are missing. Fate: start from the topics' beginning with empty builds."""


class TooLarge(Exception):
    """Documents of a view would be larger than MongoDB takes. Fate: the transaction ends, its events are looked at."""

    def __init__(self, view: str, ids: set[str]) -> None:
        super().__init__(f"{len(ids)} documents of the view {view} are too large")
        self.view = view
        self.ids = ids


class OtherEpoch(Exception):
    """A topic was published again from its beginning. Fate: forget the views, start from the topics' beginning.

    The log may have gone back before, and then the views hold what it does not. Only a new start is sure not to.
    """


class Store:
    """Access to the views of one database. `partitions` is the number that every topic has."""

    def __init__(
        self, mongo: Mongo, database: str, views: Mapping[str, View], topics: Iterable[str], partitions: int
    ) -> None:
        self.mongo = mongo
        self.database = mongo.database(database)
        self.views = views
        self.consumer = "projections"
        self.inbox = MongoInbox(mongo, self.database, self.consumer)
        self._partitions = partitions
        self.sources = [source_name(topic, number) for topic in topics for number in range(partitions)]

    async def prepare(self) -> bool:
        """Creates what is missing; True if the views begin anew. Called at start and whenever Incomplete was raised."""
        await self._create_missing()
        if await self._complete(None):
            return False
        build = uuid7()
        fresh = await self.create(self.views.values(), build)
        begun: bool = await self.mongo.transaction(lambda session: self._begin(session, fresh))
        if not begun:
            await self.drop(fresh.values())
        logger.info("views begin anew", build=build, done=begun)
        return begun

    async def forget(self) -> None:
        """Lets every position go: the views begin anew with the next prepare()."""
        await self.database[POSITIONS].delete_many({"consumer": self.consumer})

    async def complete(self) -> bool:
        """Whether every position that there has to be is there."""
        return await self._complete(None)

    async def active(self, session: Any = None) -> dict[str, str]:
        """View -> collection to read and to fold into. A view of another version than ours is left out."""
        rows = await self.database[ALIASES].find({}, session=session).to_list(None)
        return {row["_id"]: row["active"] for row in rows if self._is_ours(row)}

    async def outdated(self) -> list[str]:
        """Views of which there is no build in the version of this code."""
        active = await self.active()
        return [name for name in self.views if name not in active]

    async def collection(self, view: str) -> Any:
        """The active collection of a view. Unavailable while its first build is being made."""
        row = await self.database[ALIASES].find_one({"_id": view}, max_time_ms=QUERY_MS)
        if row is None or not self._is_ours(row):
            raise Unavailable(f"The view {view} is being built; try again later.", retry_after=10)
        return self.database[row["active"]]

    async def create(self, views: Iterable[View], build: str) -> dict[str, str]:
        """Empty collections with their indexes: a transaction cannot make them in passing."""
        names = {view.name: f"{view.prefix}{build}" for view in views}
        await self.create_named(names)
        return names

    async def create_named(self, names: Collections) -> None:
        """The same under given names."""
        for view, name in names.items():
            collection = await self.database.create_collection(name)
            for index in self.views[view].indexes:
                await collection.create_index(list(index))
            for index, documents in self.views[view].partial.items():
                await collection.create_index(list(index), partialFilterExpression=documents)

    async def drop(self, collections: Iterable[str]) -> None:
        """Removes builds."""
        for name in collections:
            await self.database.drop_collection(name)

    async def drop_build(self, build: str) -> None:
        """Removes what belongs to a build that no alias names."""
        rows = await self.database[ALIASES].find({}).to_list(None)
        kept = {row[name] for row in rows for name in ("active", "previous")}
        names = await self.database.list_collection_names()
        await self.drop(name for name in names if f"_{build}" in name and name not in kept)

    async def load(self, session: Any, collections: Collections, events: Sequence[Recorded]) -> dict[str, WorkingSet]:
        """The documents that the events touch: one find per view."""
        sets: dict[str, WorkingSet] = {}
        for view, name in collections.items():
            working = sets[view] = WorkingSet()
            wanted = self.views[view].wanted(events)
            if wanted is not None:
                cursor = self.database[name].find(wanted, session=session)
                working.load(await cursor.to_list(None))
        return sets

    async def write(self, session: Any, collections: Collections, sets: Mapping[str, WorkingSet]) -> None:
        """All changes of the working sets: one bulk write per view."""
        for view, name in collections.items():
            changes = sets[view].changes()
            writes: list[Any] = [InsertOne(document) for document in changes.inserts]
            writes += [ReplaceOne({"_id": document["_id"]}, document) for document in changes.replacements]
            writes += [DeleteOne({"_id": key}) for key in changes.deletions]
            if not writes:
                continue
            try:
                await self.database[name].bulk_write(writes, ordered=False, session=session)
            except (DocumentTooLarge, OperationFailure):
                large = {doc["_id"] for doc in (*changes.inserts, *changes.replacements) if size_of(doc) > MAX_DOCUMENT}
                if large:
                    raise TooLarge(view, large) from None
                raise

    async def positions(self, session: Any = None) -> dict[str, int]:
        """Source -> position up to which every active view is folded. Raises Incomplete if one is missing."""
        stored = await self.inbox.positions(session, self.sources)
        if len(stored) < len(self.sources):
            raise Incomplete
        return {name: place.position for name, place in stored.items()}

    async def reached(self) -> dict[str, int]:
        """Log -> position of the newest of its events that the active views have taken, parked ones included."""
        newest: dict[str, int] = {}
        for source, position in (await self.positions()).items():
            log = source.partition(".")[0]
            newest[log] = max(position, newest.get(log, 0))
        return newest

    async def next_offsets(self, session: Any = None) -> dict[str, int]:
        """Source -> offset at which the live consumer goes on; everything before is applied or parked."""
        stored = await self.inbox.positions(session, self.sources)
        return {name: place.next_offset for name, place in stored.items()}

    async def parked_by_topic(self) -> dict[str, int]:
        """Topic -> number of parked records, 0 included."""
        counts = dict.fromkeys((source.rpartition("/")[0] for source in self.sources), 0)
        for source, _, _ in await self.parked_marks():
            counts[source.rpartition("/")[0]] += 1
        return counts

    async def parked_marks(self, session: Any = None) -> set[Mark]:
        """The records that are parked now."""
        fields = {"source": 1, "position": 1, "offset": 1}
        rows = await self.database[PARKED].find({"consumer": self.consumer}, fields, session=session).to_list(None)
        return {mark(row["source"], row["position"], row["offset"]) for row in rows}

    async def hold_positions(self, session: Any) -> None:
        """Makes every concurrent batch conflict with this transaction, whichever partitions it comes from."""
        await self._hold(session, self.sources, "switches")

    async def hold_customers(self, session: Any, customers: Iterable[str]) -> None:
        """The same for the batches from the partitions of these customers only."""
        numbers = {str(partition_of(customer, self._partitions)) for customer in customers}
        sources = [source for source in self.sources if source.rpartition("/")[2] in numbers]
        await self._hold(session, sources, "switches")

    async def _hold(self, session: Any, sources: Iterable[str], counted: Literal["switches", "purges"]) -> None:
        rows = [UpdateOne({"_id": f"{self.consumer}/{source}"}, {"$inc": {counted: 1}}) for source in sources]
        await self.database[POSITIONS].bulk_write(rows, ordered=False, session=session)

    async def switch(self, session: Any, collections: Collections) -> None:
        """Lets the aliases name these builds; the ones they named before are kept as `previous`."""
        await self.retire(collections, session)
        for view, name in collections.items():
            row = await self.database[ALIASES].find_one({"_id": view}, session=session)
            fields = {
                "version": self.views[view].version,
                "active": name,
                "previous": row["active"] if row else None,
            }
            await self.database[ALIASES].update_one(
                {"_id": view}, {"$set": fields, "$inc": {"epoch": 1}}, upsert=True, session=session
            )

    async def purge(self, session: Any, subject: str) -> int:
        """Leaves in no active view what only the subject's key could open; a build under way begins again, and scratch
        builds are not read any more.

        Every batch that is taken afterwards sees that its events were opened before: see `Stored.purges`. The builds
        that were kept are retired: `drop_retired` has to follow, and does after a crash.
        """
        await self._hold(session, self.sources, "purges")
        await self.database[BUILDS].update_many({"running": True}, {"$set": {"purged": True}}, session=session)
        await self.retire(self.views, session)
        await self._outdate_scratch(session)
        at = {"$set": {"at": instant(await self.mongo.now())}}
        await self.database[PURGED].update_one({"_id": subject}, at, upsert=True, session=session)
        purged = 0
        for view, name in (await self.active(session)).items():
            documents = (
                await self.database[name].find(self.views[view].of_subject(subject), session=session).to_list(None)
            )
            for document in documents:
                self.views[view].purge(document, subject)
            if documents:
                writes = [ReplaceOne({"_id": document["_id"]}, document) for document in documents]
                await self.database[name].bulk_write(writes, ordered=False, session=session)
            purged += len(documents)
        return purged

    async def retire(self, views: Iterable[str], session: Any = None) -> None:
        """Lets go of the builds that were kept when the aliases were last switched; `drop_retired` removes them."""
        kept = {"_id": {"$in": list(views)}, "previous": {"$type": "string"}}
        retired = {"$concatArrays": [{"$ifNull": ["$retired", []]}, ["$previous"]]}
        await self.database[ALIASES].update_many(
            kept, [{"$set": {"retired": retired, "previous": None}}], session=session
        )

    async def drop_retired(self) -> None:
        """Removes the builds that were let go of, whoever did and died then. No transaction can remove a collection."""
        for row in await self.database[ALIASES].find({"retired.0": {"$exists": True}}).to_list(None):
            await self.drop(row["retired"])
            await self.database[ALIASES].update_one({"_id": row["_id"]}, {"$pullAll": {"retired": row["retired"]}})

    async def _outdate_scratch(self, session: Any) -> None:
        await self.database[SCRATCH].update_many({}, {"$set": {"state": "stale"}}, session=session)

    def _is_ours(self, row: Mapping[str, Any]) -> bool:
        return row["_id"] in self.views and row["version"] == self.views[row["_id"]].version

    async def _create_missing(self) -> None:
        while True:
            try:
                await create_inbox(self.database)
                existing = set(await self.database.list_collection_names())
                for name in {ALIASES, BUILDS, SCRATCH, PURGED} - existing:
                    await self.database.create_collection(name)
                await self.database[BUILDS].create_index([("running", ASCENDING)], unique=True, sparse=True)
            except (CollectionInvalid, OperationFailure) as error:
                # Another instance creates the same at the same moment.
                if isinstance(error, OperationFailure) and error.code != _NAMESPACE_EXISTS:
                    raise
            else:
                return

    async def _complete(self, session: Any) -> bool:
        stored = await self.inbox.positions(session, self.sources)
        named = await self.database[ALIASES].find_one({}, session=session)
        return len(stored) == len(self.sources) and named is not None

    async def _begin(self, session: Any, fresh: Collections) -> bool:
        if await self._complete(session):
            return False
        of_ours = {"consumer": self.consumer}
        await self.database[PARKED].delete_many(of_ours, session=session)
        # The logs may have gone back: what was made of them as of an instant need not be their past any more.
        await self._outdate_scratch(session)
        rows = [
            UpdateOne(
                {"_id": f"{self.consumer}/{source}"},
                {
                    "$set": {**of_ours, "source": source, "position": 0, "next_offset": 0, "epoch": "", "event": ""},
                    "$inc": {"switches": 1},
                },
                upsert=True,
            )
            for source in self.sources
        ]
        await self.database[POSITIONS].bulk_write(rows, ordered=False, session=session)
        await self.switch(session, fresh)
        return True


def mark(source: str, position: int, offset: int) -> Mark:
    """What identifies a record over its re-publication: its position, or its offset if it has none."""
    return (source, position, 0) if position else (source, 0, offset)
