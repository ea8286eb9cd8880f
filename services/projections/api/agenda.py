"""Reminders by date, and how much happened on which day."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from services.projections.api.opening import open_parts
from services.projections.api.paging import Limit, Page, cursor, parse_cursor
from services.projections.api.shown import Sight
from services.projections.store import QUERY_MS, Store
from services.projections.views.agenda import listed
from services.projections.views.pulse import between
from services.projections.views.view import Document
from shared.access.levels import Level
from shared.access.tokens import Caller
from shared.errors import Forbidden
from shared.events.envelope import Code
from shared.http import require
from shared.privacy.keyring import Keyring

Reader = Annotated[Caller, Depends(require("customer.read"))]
From = Annotated[date | None, Query(alias="from")]
To = Annotated[date | None, Query(alias="to")]
State = Literal["planned", "fired", "cancelled"]
_MOST_DAYS = 1_000
_OPEN = ("customer", "kind", "due_at", "local_date", "zone", "assignee", "state", "state_at", "message")


def agenda(store: Store, keyring: Keyring) -> APIRouter:
    """The addresses /agenda and /pulse."""
    router = APIRouter(tags=["agenda"])

    @router.get("/agenda", summary="Reminders by the local date on which they are due")
    async def reminders(
        *,
        who: Reader,
        first: From = None,
        last: To = None,
        state: State | None = None,
        assignee: Code | None = None,
        after: Annotated[str | None, Query(max_length=200)] = None,
        limit: Limit = 50,
    ) -> Page:
        # Whoever may sort by a date learns it.
        if not Sight(who.roles).whole(Level.SENSITIVE):
            raise Forbidden("None of your roles may list reminders by date.")
        found = listed(_text(first), _text(last), state=state, assignee=assignee, after=parse_cursor(after))
        collection = await store.collection("agenda")
        rows = (
            await collection.find(found, max_time_ms=QUERY_MS)
            .sort([("local_date", 1), ("_id", 1)])
            .limit(limit)
            .to_list(None)
        )
        opened = await open_parts(keyring, [part for row in rows for part in row["sealed"]])
        items = [_shown(row, opened) for row in rows]
        return Page(items=items, after=cursor(items, limit, "local_date", "id"))

    @router.get("/pulse", summary="Events per day, log and type")
    async def pulse(_: Reader, first: From = None, last: To = None) -> list[dict[str, Any]]:
        collection = await store.collection("pulse")
        rows = collection.find(between(_text(first), _text(last)), {"_id": 0}, max_time_ms=QUERY_MS)
        days: list[dict[str, Any]] = await rows.sort([("day", -1), ("log", 1)]).limit(_MOST_DAYS).to_list(None)
        return days

    return router


def _shown(row: Document, opened: Any) -> dict[str, Any]:
    shown = {"id": row["_id"], **{field: row[field] for field in _OPEN}}
    for part in row["sealed"]:
        fields = opened.get(part["event"])
        shown["note"] = {"erased": True} if fields is None else {"value": fields.get("note")}
    return shown


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
