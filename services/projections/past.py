"""One identity as of an earlier instant, folded from what the timeline keeps of its members' events.

No log is asked: the timeline has every event once, found by each customer it concerns. What the topics have not brought
yet, or what is parked, is not in the answer; `Store.reached` says how far the views are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from services.projections.fold import fold_identity
from services.projections.store import QUERY_MS, Store
from services.projections.views.customer import CUSTOMER
from services.projections.views.membership import MOVES, members_at
from services.projections.views.numbers import NUMBERS
from services.projections.views.timeline import place_of, record_of
from services.projections.views.view import Document
from shared.as_of import Asked, AsOf, check_passed
from shared.clock import Clock, SystemClock
from shared.errors import NotFound
from shared.eventlog.mapper import open_record, subjects
from shared.events.envelope import Recorded
from shared.privacy.keyring import Keyring

_OWN = sorted((set(CUSTOMER.folds) | set(NUMBERS.folds)) - set(MOVES))


class Past:
    """The identities of one store as they were."""

    def __init__(self, store: Store, keyring: Keyring, clock: Clock | None = None) -> None:
        self._store = store
        self._keyring = keyring
        self._clock = clock or SystemClock()

    async def as_of(self, asked: Asked) -> AsOf:
        """Which records count. Invalid for an instant that has not passed, NotFound for a position not reached."""
        if asked.instant is not None:
            check_passed(asked.instant, self._clock.now())
        keys = [f"{log}:{position}" for log, position in asked.positions.items()]
        found = await self._find({"_id": {"$in": keys}}, {"recorded_at": 1}) if keys else []
        if missing := sorted(set(keys) - {row["_id"] for row in found}):
            raise NotFound(f"The views have not come to {', '.join(missing)} (yet).")
        return asked.found([row["recorded_at"] for row in found])

    async def identity(self, customer: str, as_of: AsOf, known_as: str | None = None) -> Document:
        """The document that the view `customer` had then for the customer's identity.

        `known_as` is a number or source key by which it must have been known. NotFound if it was not, or if the
        customer was not there. Raises Unavailable if the keyring does not answer.
        """
        moving = await self._moving(customer)
        moved = [event for event in await self._opened(moving) if _counts(event, as_of)]
        members = members_at(moved, customer)
        rows = await self._find({"customers": {"$in": sorted(members)}, "type": {"$in": _OWN}})
        events = await self._opened([row for row in rows if as_of.takes(*place_of(row), row["recorded_at"])])
        folded = await asyncio.to_thread(fold_identity, events, moved, members, (CUSTOMER, NUMBERS))
        if known_as is not None and known_as not in folded["numbers"]:
            raise NotFound("Nobody had this number then.")
        for document in folded["customer"].values():
            if any(member["customer"] == customer for member in document["members"]):
                return document
        raise NotFound("There was no such customer then.")

    async def _moving(self, customer: str) -> list[Document]:
        """All linked and separated events of everybody whom a chain of them connects with the customer.

        An identity is linked together, so whoever was in it at any instant is among these.
        """
        found: dict[str, Document] = {}
        known, asked = {customer}, set[str]()
        while asking := known - asked:
            rows = await self._find({"customers": {"$in": sorted(asking)}, "type": {"$in": list(MOVES)}})
            asked |= asking
            found |= {row["_id"]: row for row in rows}
            known.update(*(row["customers"] for row in rows))
        return list(found.values())

    async def _find(self, wanted: Mapping[str, Any], fields: Mapping[str, Any] | None = None) -> list[Document]:
        collection = await self._store.collection("timeline")
        rows: list[Document] = await collection.find(wanted, fields, max_time_ms=QUERY_MS).to_list(None)
        return rows

    async def _opened(self, rows: Sequence[Document]) -> list[Recorded]:
        return await asyncio.to_thread(self._open, sorted(rows, key=place_of))

    def _open(self, rows: Sequence[Document]) -> list[Recorded]:
        records = [(place_of(row)[1], record_of(row)) for row in rows]
        sealed = subjects(record for _, record in records)
        keys = self._keyring.fetch(sealed) if sealed else {}
        return [open_record(record, keys, position) for position, record in records]


def _counts(event: Recorded, as_of: AsOf) -> bool:
    return as_of.takes(event.log, event.position or 0, event.recorded_at)
