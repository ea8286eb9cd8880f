"""The MongoDB side of a consumer: the same contract as `shared.inbox`, in the session of the caller's transaction.

inbox_position  {_id: "<consumer>/<source>", consumer, source, position, next_offset, epoch, event, purges}
inbox_parked    {_id: "<consumer>/<source>/<position>@<offset>", consumer, order, source, position, offset, key, reason,
                 value, parked_at}
inbox_order     {_id: <consumer>, last}: numbers the parked records, so that they keep the order of their parking
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pymongo import ASCENDING, ReturnDocument, UpdateOne

from shared.epoch import Mark
from shared.inbox import Fenced, ParkedRecord, Stored
from shared.mongo import Mongo, ensure_collection
from shared.streaming import Advance, Parked

POSITIONS = "inbox_position"
PARKED = "inbox_parked"
ORDER = "inbox_order"


async def create_inbox(database: Any) -> None:
    """Create collections and indexes; they have to exist before the first transaction. May be called again."""
    for name in (POSITIONS, PARKED, ORDER):
        await ensure_collection(database, name)
    await database[PARKED].create_index([("consumer", ASCENDING), ("key", ASCENDING), ("order", ASCENDING)])


class MongoInbox:
    """Positions and parked records of one consumer in MongoDB. Create the collections with create_inbox.

    A stale owner is fenced twice: `advance` raises Fenced if the position had moved before the snapshot of this
    transaction, and the server aborts the transaction (Mongo.transaction then runs it again) if it moves afterwards.
    """

    def __init__(self, mongo: Mongo, database: Any, consumer: str) -> None:
        self._mongo = mongo
        self._positions = database[POSITIONS]
        self._parked = database[PARKED]
        self._order = database[ORDER]
        self._consumer = consumer

    async def positions(self, session: Any, sources: Collection[str]) -> dict[str, Stored]:
        """The stored place of each source that has one."""
        ids = [self._id(source) for source in sources]
        rows = await self._positions.find({"_id": {"$in": ids}}, session=session).to_list(None)
        return {
            row["source"]: Stored(
                row["position"],
                row["next_offset"],
                Mark(row.get("epoch", ""), row.get("event", "")),
                row.get("purges", 0),
            )
            for row in rows
        }

    async def blocked(self, session: Any, keys: Collection[str]) -> set[str]:
        """Those of the keys that have parked records."""
        found = {"consumer": self._consumer, "key": {"$in": list(keys)}}
        return set(await self._parked.distinct("key", found, session=session))

    async def advance(self, session: Any, moves: Mapping[str, Advance]) -> None:
        """Move the sources of a plan. Raises Fenced if one of them no longer stands where the plan expected it."""
        if not moves:
            return
        stored = await self.positions(session, moves)
        stale = [name for name, move in moves.items() if _position(stored.get(name)) != move.expected]
        if stale:
            raise Fenced(
                f"Consumer {self._consumer} lost {len(stale)} of {len(moves)} partitions to another instance; "
                "read their positions again."
            )
        await self._positions.bulk_write(
            [
                UpdateOne(
                    {"_id": self._id(name)},
                    {
                        "$set": {
                            "position": move.position,
                            "next_offset": move.next_offset,
                            "epoch": move.mark.epoch,
                            "event": move.mark.event,
                        },
                        "$setOnInsert": {"consumer": self._consumer, "source": name},
                    },
                    upsert=True,
                )
                for name, move in moves.items()
            ],
            ordered=False,
            session=session,
        )

    async def park(self, session: Any, records: Sequence[Parked]) -> None:
        """Put records aside, in this order. One that is parked already stays as it is."""
        if not records:
            return
        counter = await self._order.find_one_and_update(
            {"_id": self._consumer},
            {"$inc": {"last": len(records)}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        first = counter["last"] - len(records) + 1
        now = datetime.now(UTC)
        await self._parked.bulk_write(
            [self._insert(record, order, now) for order, record in enumerate(records, first)],
            ordered=False,
            session=session,
        )

    async def parked_count(self, session: Any = None) -> int:
        """How many records are put aside."""
        return int(await self._parked.count_documents({"consumer": self._consumer}, session=session))

    async def parked_keys(self, session: Any = None, limit: int = 1000) -> list[str]:
        """The keys that have parked records, the longest waiting first."""
        stages: list[Mapping[str, Any]] = [
            {"$match": {"consumer": self._consumer}},
            {"$group": {"_id": "$key", "first": {"$min": "$order"}}},
            {"$sort": {"first": 1}},
            {"$limit": limit},
        ]
        cursor = await self._mongo.aggregate(self._parked, stages, session=session)
        return [row["_id"] for row in await cursor.to_list(None)]

    async def take_parked(self, session: Any, key: str) -> list[ParkedRecord]:
        """Remove and return the parked records of a key, in the order in which they have to be applied again."""
        of_key = {"consumer": self._consumer, "key": key}
        rows = await self._parked.find(of_key, session=session).sort("order", ASCENDING).to_list(None)
        await self._parked.delete_many({"_id": {"$in": [row["_id"] for row in rows]}}, session=session)
        return [
            ParkedRecord(row["source"], row["position"], row["offset"], row["key"], row["reason"], row["value"])
            for row in rows
        ]

    def _id(self, source: str) -> str:
        return f"{self._consumer}/{source}"

    def _insert(self, record: Parked, order: int, now: datetime) -> UpdateOne:
        source = record.source
        document = {
            "consumer": self._consumer,
            "order": order,
            "source": source.name,
            "position": source.position,
            "offset": source.offset,
            "key": source.key,
            "reason": record.reason,
            "value": source.value,
            "parked_at": now,
        }
        name = f"{self._id(source.name)}/{source.position}@{source.offset}"
        # An upsert, because an insert of a known id would abort the whole transaction.
        return UpdateOne({"_id": name}, {"$setOnInsert": document}, upsert=True)


def _position(stored: Stored | None) -> int:
    return 0 if stored is None else stored.position
