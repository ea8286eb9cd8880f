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
from shared.access.journal import Access, Journal
from shared.access.levels import Level
from shared.access.tokens import Caller
from shared.errors import Forbidden
from shared.events.envelope import Code
from shared.http import asking, require
from shared.privacy.keyring import Keyring

Reader = Annotated[Caller, Depends(require("customer.read"))]
From = Annotated[date | None, Query(alias="from")]
To = Annotated[date | None, Query(alias="to")]
State = Literal["planned", "fired", "cancelled"]
_MOST_DAYS = 1_000
_DATES = ("due_at", "local_date")
_OPEN = ("customer", "kind", "due_at", "local_date", "zone", "assignee", "state", "state_at", "message")


def agenda(store: Store, keyring: Keyring, journal: Journal) -> APIRouter:
    """The addresses /agenda and /pulse."""
    router = APIRouter(tags=["agenda"])

    @router.get("/agenda", summary="Reminders by the local date on which they are due")
    async def reminders(
        *,
        who: Reader,
        access: Annotated[Access, Depends(asking)],
        first: From = None,
        last: To = None,
        state: State | None = None,
        assignee: Code | None = None,
        after: Annotated[str | None, Query(max_length=200)] = None,
        limit: Limit = 50,
    ) -> Page:
        sight = Sight(who.roles)
        may_list(sight)
        found = listed(_text(first), _text(last), state=state, assignee=assignee, after=parse_cursor(after))
        collection = await store.collection("agenda")
        rows = (
            await collection.find(found, max_time_ms=QUERY_MS)
            .sort([("local_date", 1), ("_id", 1)])
            .limit(limit)
            .to_list(None)
        )
        items = await shown(rows, keyring, sight)
        await journal.read(access, sight.disclosed)
        return Page(items=items, after=cursor(items, limit, "local_date", "id"))

    @router.get("/pulse", summary="Events per day, log and type")
    async def pulse(_: Reader, first: From = None, last: To = None) -> list[dict[str, Any]]:
        collection = await store.collection("pulse")
        rows = collection.find(between(_text(first), _text(last)), {"_id": 0}, max_time_ms=QUERY_MS)
        days: list[dict[str, Any]] = await rows.sort([("day", -1), ("log", 1)]).limit(_MOST_DAYS).to_list(None)
        return days

    return router


def may_list(sight: Sight) -> None:
    """Raises Forbidden: whoever may sort by a date learns it."""
    if not sight.whole(Level.SENSITIVE):
        raise Forbidden("None of your roles may list reminders by date.")


async def shown(rows: list[Document], keyring: Keyring, sight: Sight) -> list[dict[str, Any]]:
    """Reminders as an answer."""
    opened = await open_parts(keyring, [part for row in rows for part in row["sealed"]])
    return [_shown(row, opened, sight) for row in rows]


def _shown(row: Document, opened: Any, sight: Sight) -> dict[str, Any]:
    shown = {"id": row["_id"], **{field: row[field] for field in _OPEN}}
    for field in _DATES:
        sight.disclose((row["customer"], field), row[field])
    for part in row["sealed"]:
        fields = opened.get(part["event"])
        erased = fields is None
        note = None if fields is None else fields.get("note")
        shown["note"] = sight.show(Level.SENSITIVE, "default", note, of=(row["customer"], "note"), erased=erased)
    return shown


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
