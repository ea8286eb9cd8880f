"""The views without MongoDB: documents, and as much of a query as the views' own filters use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from services.projections.store import Collections, Store
from services.projections.views.view import Document, View, WorkingSet
from shared.events.envelope import Recorded
from shared.inbox import Stored
from tests.support.memory_inbox import Awaited, MemoryInbox
from tests.support.memory_tables import At, Tables, nothing

T = TypeVar("T")


def matches(document: Document, wanted: Mapping[str, Any]) -> bool:
    """Whether a filter of `$or`s and of `field: {"$in": [...]}` finds the document."""
    for path, condition in wanted.items():
        if path == "$or":
            if not any(matches(document, one) for one in condition):
                return False
        elif condition.keys() != {"$in"}:
            raise NotImplementedError(f"a stand-in does not know the condition {condition}")
        elif not set(_values(document, path.split("."))).intersection(condition["$in"]):
            return False
    return True


def _values(value: Any, path: Sequence[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _values(item, path)
    elif not path:
        yield value
    elif path[0] in value:
        yield from _values(value[path[0]], path[1:])


def _copy(document: Document) -> Document:
    # Documents are JSON, and this is many times faster than deepcopy.
    copied: Document = orjson.loads(orjson.dumps(document))
    return copied


class Documents:
    """The documents of one view in a table."""

    def __init__(self, table: dict[str, Document]) -> None:
        self._table = table

    def all(self) -> dict[str, Document]:
        """Every document by id."""
        return dict(self._table)

    def find(self, wanted: Mapping[str, Any] | None) -> list[Document]:
        if wanted is None:
            return []
        return [_copy(document) for document in self._table.values() if matches(document, wanted)]

    def write(self, working: WorkingSet) -> None:
        changes = working.changes()
        for document in changes.inserts:
            assert document["_id"] not in self._table
            self._table[document["_id"]] = _copy(document)
        for document in changes.replacements:
            assert document["_id"] in self._table
            self._table[document["_id"]] = _copy(document)
        for key in changes.deletions:
            del self._table[key]


class MemoryViews(Store):
    """What the application of the projections asks of its store, with one build of every view."""

    def __init__(self, views: Mapping[str, View], sources: Collection[str], *, at: At = nothing) -> None:
        self.tables = Tables(at)
        self.views = views
        self.sources = list(sources)
        self.consumer = "projections"
        self.inbox = Awaited(MemoryInbox(self.consumer), self.tables)  # type: ignore[assignment]
        self.mongo = self  # type: ignore[assignment]

    async def transaction(self, work: Callable[[Tables], Awaitable[T]]) -> T:
        with self.tables.transaction() as session:
            return await work(session)

    async def complete(self) -> bool:
        return len(self.tables["positions"]) == len(self.sources)

    async def prepare(self) -> bool:
        if await self.complete():
            return False
        self.wipe()
        positions = self.tables["positions"]
        positions.update(((self.consumer, source), Stored(0, 0)) for source in self.sources)
        return True

    def wipe(self) -> None:
        """All that the database held is gone."""
        for name in ("positions", "parked", *self.views):
            self.tables[name].clear()

    async def drop_retired(self) -> None:
        """There is one build only."""

    async def active(self, session: Any = None) -> dict[str, str]:
        return {name: name for name in self.views}

    async def load(self, session: Any, collections: Collections, events: Sequence[Recorded]) -> dict[str, WorkingSet]:
        sets = {}
        for view, name in collections.items():
            working = sets[view] = WorkingSet()
            working.load(Documents(session[name]).find(self.views[view].wanted(events)))
        return sets

    async def write(self, session: Any, collections: Collections, sets: Mapping[str, WorkingSet]) -> None:
        for view, name in collections.items():
            Documents(session[name]).write(sets[view])

    async def parked_by_topic(self) -> dict[str, int]:
        return MemoryInbox(self.consumer).parked_by_topic(self.tables)

    async def hold_positions(self, session: Any) -> None:
        """There is no other instance."""

    async def hold_customers(self, session: Any, customers: Iterable[str]) -> None:
        """There is no other instance."""

    def documents(self) -> dict[str, dict[str, Document]]:
        """View -> id -> document."""
        return {name: Documents(self.tables[name]).all() for name in self.views}
