"""The views and the inbox of the projections in MongoDB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared.mongo import connect
from tests.faults.checker.evidence import Json, Parked

CONSUMER = "projections"


@dataclass(frozen=True, slots=True)
class Views:
    """What MongoDB holds."""

    documents: dict[str, list[Json]]
    positions: dict[str, int]
    parked: list[Parked]


async def read(url: str, database: str = "custlog") -> Views:
    """View -> the documents of its active build; how far every source was read; what was put aside."""
    mongo = connect(url)
    try:
        found: Any = mongo.database(database)
        aliases = await found["aliases"].find({}).to_list(None)
        documents = {row["_id"]: await found[row["active"]].find({}).to_list(None) for row in aliases}
        positions = await found["inbox_position"].find({"consumer": CONSUMER}).to_list(None)
        parked = await found["inbox_parked"].find({"consumer": CONSUMER}).to_list(None)
    finally:
        await mongo.close()
    return Views(
        documents,
        {row["source"]: row["position"] for row in positions},
        [Parked(row["source"], row["position"], row["offset"], row["key"]) for row in parked],
    )
