"""Views as of an instant, beside the live ones: which there are, who still makes them, and when they go.

scratch                            {_id, views: {view: collection}, as_of, state, applied, reached: {log: position},
                                    error, made_at, updated_at, until}
scratch_<id>_<view>_v<version>     the documents of one view of one of them

`state` is running, done, failed or stale. An erasure makes all of them stale in the transaction that purges the live
views: nobody reads them from then on, and they are dropped. Times are the database's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING

from services.projections.store import SCRATCH, Store
from services.projections.views.view import Document
from shared.as_of import AsOf
from shared.events.envelope import instant
from shared.ids import uuid7

KEPT = timedelta(hours=1)
"""How long one is kept that nobody asked to keep."""
MOST = 4
"""How many of these there are at most; the oldest go first."""
ABANDONED_AFTER = timedelta(seconds=60)


class Lost(Exception):
    """A scratch build was dropped, or a customer was erased. Fate: what was made of it is dropped; begin again."""

    def __init__(self) -> None:
        super().__init__("it was dropped, or a customer was erased meanwhile; ask again")


class Scratch:
    """The scratch builds of one store, whoever makes them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows = store.database[SCRATCH]

    async def begin(self, views: Sequence[str], as_of: AsOf, *, keep: bool = False) -> Document:
        """A new build with empty collections. It has to be told about (`note`) at least every minute until it ends.

        Without `keep` it goes by itself after an hour, or when others are asked for.
        """
        build, now = uuid7(), await self._store.mongo.now()
        row: Document = {
            "_id": build,
            "views": {view: self._name(build, view) for view in views},
            "as_of": str(as_of),
            "state": "running",
            "applied": 0,
            "reached": {},
            "error": None,
            "made_at": instant(now),
            "updated_at": instant(now),
            "until": None if keep else instant(now + KEPT),
        }
        # The row first: a collection without one is swept away.
        await self._rows.insert_one(row)
        await self._store.create_named(row["views"])
        return row

    async def note(self, build: str, applied: int) -> None:
        """Says that so many events are in it and that it is being made. Raises Lost."""
        await self._update(build, "running", {"applied": applied})

    async def finish(self, build: str, reached: Mapping[str, int]) -> None:
        """It is complete, and may be read. `reached` are the newest positions that were looked at. Raises Lost."""
        await self._update(build, "running", {"state": "done", "reached": dict(reached)})

    async def fail(self, build: str, error: str) -> None:
        """It cannot be made; what there is of it is dropped."""
        fields = {"state": "failed", "error": error, "updated_at": instant(await self._store.mongo.now())}
        await self._rows.update_one({"_id": build, "state": "running"}, {"$set": fields})
        await self._drop_collections(build)

    async def find(self, view: str, as_of: AsOf) -> Document | None:
        """The newest that has this view in this code's version as of then, in whatever state but stale."""
        rows = await self._rows.find({"as_of": str(as_of), "state": {"$ne": "stale"}}).sort("_id", -1).to_list(None)
        return next((row for row in rows if row["views"].get(view) == self._name(row["_id"], view)), None)

    async def page(self, row: Document, view: str, after: str | None, limit: int) -> list[Document]:
        """Documents of one that is done, by id behind `after`. Raises Lost: then nothing may be shown."""
        found = {} if after is None else {"_id": {"$gt": after}}
        collection = self._store.database[row["views"][view]]
        documents: list[Document] = await collection.find(found).sort("_id", ASCENDING).limit(limit).to_list(None)
        await self.still_there(row["_id"])
        return documents

    async def still_there(self, build: str) -> None:
        """Raises Lost if what was read of it may not be whole, or must not be told."""
        if await self._rows.find_one({"_id": build, "state": "done"}) is None:
            raise Lost

    async def builds(self) -> list[Document]:
        """All of them, the newest first."""
        rows: list[Document] = await self._rows.find({}).sort("_id", -1).to_list(None)
        return rows

    async def drop(self, builds: Collection[str]) -> None:
        """Removes these, done or not."""
        for build in builds:
            # The row first, so that nobody takes collections that are gone for empty ones.
            await self._rows.delete_one({"_id": build})
            await self._drop_collections(build)

    async def sweep(self) -> list[str]:
        """Drops what is stale, too old, abandoned or nobody's; answers which builds."""
        now = await self._store.mongo.now()
        # The names first: whoever begins meanwhile has a row by then.
        names = await self._store.database.list_collection_names()
        rows = await self.builds()
        gone = [row["_id"] for row in rows if _is_over(row, now)]
        passing = [row for row in rows if row["until"] is not None and row["_id"] not in gone]
        gone += [row["_id"] for row in passing[MOST:] if row["state"] != "running"]
        known = {row["_id"] for row in rows}
        orphans = {build for name in names if (build := build_in(name)) is not None} - known
        await self.drop([*gone, *sorted(orphans)])
        return gone

    async def _drop_collections(self, build: str) -> None:
        names = await self._store.database.list_collection_names()
        await self._store.drop(name for name in names if build_in(name) == build)

    def _name(self, build: str, view: str) -> str:
        return f"{SCRATCH}_{build}_{view}_v{self._store.views[view].version}"

    async def _update(self, build: str, state: str, fields: Document) -> None:
        fields = {**fields, "updated_at": instant(await self._store.mongo.now())}
        done: Any = await self._rows.update_one({"_id": build, "state": state}, {"$set": fields})
        if done.matched_count == 0:
            raise Lost


def build_in(collection: str) -> str | None:
    """The build that a collection belongs to, None for one of another kind."""
    kind, _, rest = collection.partition("_")
    return rest.partition("_")[0] or None if kind == SCRATCH else None


def _is_over(row: Document, now: datetime) -> bool:
    if row["state"] == "stale":
        return True
    if row["state"] == "running":
        return bool(row["updated_at"] < instant(now - ABANDONED_AFTER))
    return row["until"] is not None and row["until"] < instant(now)
