"""Whole views as of an earlier instant, page by page, levelled and recorded as the present ones are."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import JSONResponse

from services.projections.api import present
from services.projections.api.agenda import may_list
from services.projections.api.agenda import shown as shown_reminders
from services.projections.api.directory import shown as shown_identity
from services.projections.api.opening import open_parts
from services.projections.api.paging import REACHED, Limit, Page
from services.projections.api.policies import Policies
from services.projections.api.shown import Sight
from services.projections.past import Past
from services.projections.reconstruction import AGAIN_SECONDS, Reconstruction
from services.projections.scratch import Lost
from services.projections.views import timeline
from services.projections.views.survivorship import Edition
from services.projections.views.view import Document
from shared.access.journal import Access, Journal
from shared.access.tokens import Caller
from shared.as_of import LONGEST, parse, positions_text
from shared.errors import NotFound, Unavailable
from shared.http import asking, require
from shared.privacy.keyring import Keyring

Present = Callable[[list[Document], Keyring, Sight, Edition], Awaitable[list[dict[str, Any]]]]


async def _identities(rows: list[Document], keyring: Keyring, sight: Sight, edition: Edition) -> list[dict[str, Any]]:
    opened = await open_parts(keyring, [part for row in rows for member in row["members"] for part in member["sealed"]])
    return [present.identity(row, opened, sight, edition) for row in rows]


async def _directory(rows: list[Document], keyring: Keyring, sight: Sight, edition: Edition) -> list[dict[str, Any]]:  # noqa: ARG001
    return [shown_identity(row, sight, edition) for row in rows]


async def _agenda(rows: list[Document], keyring: Keyring, sight: Sight, edition: Edition) -> list[dict[str, Any]]:  # noqa: ARG001
    may_list(sight)
    return await shown_reminders(rows, keyring, sight)


async def _timeline(rows: list[Document], keyring: Keyring, sight: Sight, edition: Edition) -> list[dict[str, Any]]:  # noqa: ARG001
    return [timeline.shown(row) for row in rows]


async def _open(rows: list[Document], keyring: Keyring, sight: Sight, edition: Edition) -> list[dict[str, Any]]:  # noqa: ARG001
    return [{"id": row["_id"], **{name: value for name, value in row.items() if name != "_id"}} for row in rows]


PRESENT: Mapping[str, Present] = {
    "customer": _identities,
    "timeline": _timeline,
    "directory": _directory,
    "numbers": _open,
    "agenda": _agenda,
    "pulse": _open,
}
"""View -> how its documents are answered; every view is here."""


def views(
    past: Past, reconstruction: Reconstruction, keyring: Keyring, journal: Journal, policies: Policies
) -> APIRouter:
    """The address /views."""
    router = APIRouter(tags=["views"])

    @router.get(
        "/views/{name}",
        summary="A whole view as of an earlier instant",
        response_model=Page,
        responses={202: {"description": "It is being made: ask at Location again, after Retry-After seconds"}},
    )
    async def as_it_was(
        *,
        name: Annotated[str, Path(pattern=r"^[a-z]{1,30}$")],
        as_of: Annotated[str, Query(max_length=LONGEST)],
        who: Annotated[Caller, Depends(require("audit.read"))],
        access: Annotated[Access, Depends(asking)],
        after: Annotated[str | None, Query(max_length=300)] = None,
        limit: Limit = 50,
        response: Response,
    ) -> Response | Page:
        if name not in PRESENT:
            raise NotFound(f"There is no such view; there are {', '.join(PRESENT)}.")
        sight, then = Sight(who.roles), await past.as_of(parse(as_of))
        row = await reconstruction.ensure(name, then)
        if row["state"] != "done":
            content = {"as_of": row["as_of"], "state": row["state"], "applied": row["applied"]}
            headers = {"Location": f"/views/{name}?as_of={then}", "Retry-After": str(AGAIN_SECONDS)}
            return JSONResponse(content, 202, headers)
        try:
            rows = await reconstruction.scratch.page(row, name, after, limit)
        except Lost as lost:
            raise Unavailable(f"What was made of the view is gone: {lost}.", retry_after=1) from None
        response.headers[REACHED] = positions_text(row["reached"])
        items = await PRESENT[name](rows, keyring, sight, await policies.then(then))
        await journal.read(access, sight.disclosed)
        return Page(items=items, after=rows[-1]["_id"] if len(rows) == limit else None)

    return router
