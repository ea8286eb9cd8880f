"""Searching identities."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from services.projections.api.paging import Limit, Page, cursor
from services.projections.api.policies import Policies
from services.projections.api.shown import Shown, Sight
from services.projections.store import QUERY_MS, Store
from services.projections.views.directory import bears, name_of
from services.projections.views.directory_keys import PHONE_DIGITS, member_classes, member_numbers, search
from services.projections.views.survivorship import Edition
from services.projections.views.view import Document
from shared.access.journal import Access, Journal
from shared.access.levels import Level
from shared.access.tokens import Caller
from shared.errors import Forbidden
from shared.events.envelope import Code, Id
from shared.http import asking, require

Name = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=200,
        pattern=r"\w",
        description="beginnings of words; where nothing begins so, parts of words of two letters or more",
    ),
]
Phone = Annotated[
    str | None, Query(max_length=30, pattern=r"[0-9]", description=f"last digits; {PHONE_DIGITS} of them are compared")
]
Classified = Annotated[str | None, Query(alias="class", max_length=130, description="<scheme>:<code>, or a tag")]


def directory(store: Store, journal: Journal, policies: Policies) -> APIRouter:
    """The address /directory."""
    router = APIRouter(tags=["directory"])

    @router.get("/directory", summary="Identities by number, name, end of a phone number, or class")
    async def find(
        *,
        who: Annotated[Caller, Depends(require("customer.read"))],
        access: Annotated[Access, Depends(asking)],
        number: Code | None = None,
        name: Name = None,
        phone: Phone = None,
        classified: Classified = None,
        after: Id | None = None,
        limit: Limit = 50,
    ) -> Page:
        sight = Sight(who.roles)
        if (name is not None or phone is not None) and not sight.whole(Level.SENSITIVE):
            raise Forbidden("None of your roles may search by name or phone.")
        collection = await store.collection("directory")

        async def page(*, inside_words: bool) -> list[Document]:
            found = search(number=number, name=name, phone=phone, classified=classified, inside_words=inside_words)
            if after is not None:
                found["_id"] = {"$gt": after}
            rows = collection.find(found, max_time_ms=QUERY_MS).sort("_id", 1).limit(limit)
            documents: list[Document] = await rows.to_list(None)
            return documents

        async def begins_nowhere() -> bool:
            beginning = search(number=number, name=name, phone=phone, classified=classified)
            return await collection.find_one(beginning, {"_id": 1}, max_time_ms=QUERY_MS) is None

        rows = await page(inside_words=False)
        # On every page of a search the same way: nothing begins like this, so it is looked for inside words.
        if not rows and name is not None and await begins_nowhere():
            rows = await page(inside_words=True)
        edition = await policies.now()
        items = [shown(row, sight, edition) for row in rows]
        await journal.read(access, sight.disclosed)
        return Page(items=items, after=cursor(items, limit, "identity"))

    return router


def shown(row: Document, sight: Sight, edition: Edition) -> dict[str, Any]:
    """One identity as an answer."""
    members, name = row["members"], name_of(row, edition.policy)
    return {
        "identity": row["_id"],
        "name": None if name is None else _name(name, members, sight),
        "customers": [member["customer"] for member in members],
        "numbers": sorted({number for member in members for number in member_numbers(member)}),
        "classes": sorted({classified for member in members for classified in member_classes(member)}),
        "kinds": sorted({member["kind"] for member in members if member["kind"] is not None}),
        "sources": sorted({member["source"] for member in members if member["source"] is not None}),
        "archived": row["archived"],
        "restricted": row["restricted"],
    }


def _name(name: str, members: list[Document], sight: Sight) -> Shown:
    """The name of an identity is that of one of its members. Whoever bears the same is shown too."""
    first, *others = [member["customer"] for member in members if bears(member, name)]
    for other in others:
        sight.show(Level.SENSITIVE, "name", name, of=(other, "name"))
    return sight.show(Level.SENSITIVE, "name", name, of=(first, "name"))
