"""When an erased customer was taken out of the views, and how long MongoDB's operations log still has what was there.

purged    {_id: customer, at}: ids only, written in the transaction of the purge

Deleting a document does not take it out of the operations log at once: MongoDB drops the oldest operations when the log
is full. Nobody but its operator may make it do so earlier (`custlog erase --approve` does).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pymongo.errors import OperationFailure

from services.projections.store import PURGED, QUERY_MS, Store
from shared.errors import NotFound
from shared.events.envelope import instant, moment

LATEST = timedelta(seconds=60)
"""A transaction that began before the purge and is committed after it lives no longer, by MongoDB's own limit."""


@dataclass(frozen=True, slots=True)
class Reach:
    """From when to when the operations log has operations."""

    oldest: datetime
    newest: datetime


@dataclass(frozen=True, slots=True)
class Left:
    """What the operations log has of a customer who was purged.

    held: operations from before; `until` is when they will be gone if as much is written from now on as was lately, an
    estimate. clear: none. unknown: this account may not look.
    """

    state: Literal["held", "clear", "unknown"]
    until: str | None = None


def left_in(reach: Reach | None, purged: datetime) -> Left:
    """Pure. `reach` is None where nobody may look."""
    if reach is None:
        return Left("unknown")
    if reach.oldest > purged + LATEST:
        return Left("clear")
    return Left("held", instant(purged + LATEST + (reach.newest - reach.oldest)))


async def purged_at(store: Store, customer: str) -> datetime:
    """When the views let go of a customer. NotFound if they did not, or not yet."""
    row: Any = await store.database[PURGED].find_one({"_id": customer}, max_time_ms=QUERY_MS)
    if row is None:
        raise NotFound(f"No erasure of customer {customer} has reached the views (yet).")
    return moment(row["at"])


async def reach(store: Store) -> Reach | None:
    """What the operations log has now; None where the service's account may not read it."""
    operations = store.mongo.client.get_database("local")["oplog.rs"]
    try:
        ends = [await operations.find({}, {"ts": 1}).sort("$natural", way).limit(1).to_list(None) for way in (1, -1)]
    except OperationFailure:
        return None
    if not all(ends):
        return None
    oldest, newest = (datetime.fromtimestamp(rows[0]["ts"].time, UTC) for rows in ends)
    return Reach(oldest, newest)
