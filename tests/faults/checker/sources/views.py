"""The views and the inbox of the projections in MongoDB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared.mongo import connect
from tests.faults.checker.evidence import Json, Parked
from tests.faults.checker.sources import leaks

CONSUMER = "projections"


@dataclass(frozen=True, slots=True)
class Views:
    """What MongoDB holds."""

    documents: dict[str, list[Json]]
    positions: dict[str, int]
    parked: list[Parked]
    marks: dict[str, frozenset[str]]


async def read(url: str, database: str = "custlog") -> Views:
    """View -> the documents of its active build; how far every source was read; what was put aside; all marks."""
    mongo = connect(url)
    try:
        found: Any = mongo.database(database)
        aliases = await found["aliases"].find({}).to_list(None)
        documents = {row["_id"]: await found[row["active"]].find({}).to_list(None) for row in aliases}
        positions = await found["inbox_position"].find({"consumer": CONSUMER}).to_list(None)
        parked = await found["inbox_parked"].find({"consumer": CONSUMER}).to_list(None)
        names = await found.list_collection_names()
        marks = {name: await _marks(found[name]) for name in sorted(names)}
    finally:
        await mongo.close()
    return Views(
        documents,
        {row["source"]: row["position"] for row in positions},
        [Parked(row["source"], row["position"], row["offset"], row["key"]) for row in parked],
        marks,
    )


async def _marks(collection: Any) -> frozenset[str]:
    """Of every document of a collection, also of builds that nobody reads."""
    marks: set[str] = set()
    async for document in collection.find({}):
        marks |= leaks.marks_in(str(document).encode())
    return frozenset(marks)
