"""The survivorship policies that the views have heard of, and which of them was in force when."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict

from services.projections.api.paging import REACHED, AsOfText
from services.projections.past import Past
from services.projections.store import QUERY_MS, Store
from services.projections.views.survivorship import DEFAULT, Edition, edition_of, in_force
from services.projections.views.timeline import place_of, record_of
from shared.as_of import AsOf, parse, positions_text
from shared.clock import Clock, SystemClock
from shared.eventlog.mapper import open_record
from shared.events.envelope import instant
from shared.events.survivorship import POLICY, Policy
from shared.http import require

FRESH_SECONDS = 1.0
"""How long what was read is good for, so that not every question asks for the policies anew."""


class PolicyView(BaseModel):
    """A policy; `since` is when it comes into force, `event` set it. Both are null for the one custlog comes with."""

    model_config = ConfigDict(frozen=True)

    policy: str
    since: str | None
    event: str | None
    content: Policy


class PoliciesView(BaseModel):
    """The policy in force, and all that there are, the first first."""

    model_config = ConfigDict(frozen=True)

    in_force: str
    policies: list[PolicyView]


class Policies:
    """Reads the policies off the timeline, which has the events that set them."""

    def __init__(
        self, store: Store, clock: Clock | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._clock = clock or SystemClock()
        self._monotonic = monotonic
        self._known: Sequence[Edition] = ()
        self._until = -1.0

    async def now(self) -> Edition:
        """The policy in force; one that was set a moment ago may not be heard of yet."""
        if self._monotonic() >= self._until:
            self._known = await self.known()
            self._until = self._monotonic() + FRESH_SECONDS
        return self.holding(self._known)

    def holding(self, known: Sequence[Edition]) -> Edition:
        """Which of these is in force now."""
        return in_force(known, instant(self._clock.now()))

    async def then(self, as_of: AsOf) -> Edition:
        """The policy that was in force then, of those that had been set then."""
        return in_force(await self.known(as_of), as_of.instant)

    async def known(self, as_of: AsOf | None = None) -> list[Edition]:
        """Every policy that was set, or had been set then, the first first."""
        collection = await self._store.collection("timeline")
        rows: list[dict[str, Any]] = await collection.find({"customers": POLICY}, max_time_ms=QUERY_MS).to_list(None)
        counting = [row for row in rows if as_of is None or as_of.takes(*place_of(row), row["recorded_at"])]
        events = [open_record(record_of(row), {}, place_of(row)[1]) for row in sorted(counting, key=place_of)]
        return [edition_of(event) for event in events]

    async def reached(self) -> dict[str, int]:
        """How far the views are; see `Store.reached`."""
        return await self._store.reached()


def policies(found: Policies, past: Past) -> APIRouter:
    """The address /survivorship/policies."""
    router = APIRouter(tags=["survivorship"])

    @router.get(
        "/survivorship/policies",
        dependencies=[Depends(require("customer.read"))],
        summary="By which policies the golden record chooses, now or then",
    )
    async def listed(response: Response, as_of: AsOfText = None) -> PoliciesView:
        if as_of is None:
            known = await found.known()
            holds = found.holding(known)
        else:
            then = await past.as_of(parse(as_of))
            known, holds = await found.known(then), await found.then(then)
            response.headers[REACHED] = positions_text(await found.reached())
        return PoliciesView(in_force=holds.label, policies=[_shown(edition) for edition in (DEFAULT, *known)])

    return router


def _shown(edition: Edition) -> PolicyView:
    return PolicyView(policy=edition.label, since=edition.since or None, event=edition.event, content=edition.policy)
