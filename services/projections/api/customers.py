"""One customer's identity: everything known, the golden record, the timeline, and what a number means."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response

from services.projections.api import present
from services.projections.api.opening import open_parts
from services.projections.api.paging import REACHED, AsOfText, Limit, Page, cursor, parse_cursor
from services.projections.api.policies import Policies
from services.projections.api.shown import Sight
from services.projections.past import Past
from services.projections.store import QUERY_MS, Store
from services.projections.views import numbers, timeline
from services.projections.views.survivorship import Edition
from services.projections.views.values import Opened
from services.projections.views.view import Document
from shared.access.journal import Access, Journal
from shared.access.tokens import Caller
from shared.as_of import parse, positions_text
from shared.errors import NotFound
from shared.events.envelope import Code
from shared.http import asking, require
from shared.ids import is_uuid
from shared.privacy.keyring import Keyring

Ref = Annotated[Code, Path(description="customer id, identity id, customer number or alias")]
External = Annotated[str, Path(min_length=1, max_length=200)]
Reader = Annotated[Caller, Depends(require("customer.read"))]
Asking = Annotated[Access, Depends(asking)]


class Identities:
    """Finds the identity that a reference means, now or then."""

    def __init__(self, store: Store, keyring: Keyring, policies: Policies) -> None:
        self._store = store
        self._keyring = keyring
        self._past = Past(store, keyring)
        self._policies = policies

    async def wanted(self, ref: str, as_of: str | None, response: Response) -> tuple[Document, Edition]:
        """The identity's document and the policy, as of then if an instant is given.

        NotFound if nobody has or had that id or number.

        Raises Invalid if it is no instant that has passed.
        """
        if as_of is None:
            return await self.by_reference(ref), await self._policies.now()
        then = await self._past.as_of(parse(as_of))
        known_as = None if is_uuid(ref) else ref
        customer = ref if known_as is None else (await self.number(known_as))["customer"]
        document = await self._past.identity(customer, then, known_as)
        response.headers[REACHED] = positions_text(await self._store.reached())
        return document, await self._policies.then(then)

    async def by_reference(self, ref: str) -> Document:
        """The identity's document. NotFound if nobody has that id or number."""
        if is_uuid(ref):
            # Membership first: an identity keeps its id although its oldest customer may have been moved away.
            return await self._of_customer(ref, {"_id": ref})
        return await self._of_customer((await self.number(ref))["customer"])

    async def number(self, key: str) -> Document:
        """Whom a number, alias or source key means."""
        found = await (await self._store.collection("numbers")).find_one({"_id": key}, max_time_ms=QUERY_MS)
        if found is None:
            raise NotFound("Nobody has this number.")
        document: Document = found
        return document

    async def opened(self, document: Document) -> Opened:
        """The document's sealed fields. They are compared to choose between them, whatever the caller may see."""
        return await open_parts(self._keyring, [part for member in document["members"] for part in member["sealed"]])

    async def timeline(self, customers: list[str], event_type: str | None, after: str | None, limit: int) -> Page:
        """What happened to these customers, in the order in which it happened."""
        found = timeline.of_customers(customers, event_type=event_type, after=parse_cursor(after))
        collection = await self._store.collection("timeline")
        rows = collection.find(found, {"record": 0}, max_time_ms=QUERY_MS).sort([("at", 1), ("_id", 1)]).limit(limit)
        items = [timeline.shown(row) for row in await rows.to_list(None)]
        return Page(items=items, after=cursor(items, limit, "at", "id"))

    async def _of_customer(self, customer: str, *alternatives: Document) -> Document:
        collection = await self._store.collection("customer")
        for found in ({"members.customer": customer}, *alternatives):
            document: Document | None = await collection.find_one(found, max_time_ms=QUERY_MS)
            if document is not None:
                return document
        raise NotFound("There is no such customer.")


def customers(store: Store, keyring: Keyring, journal: Journal, policies: Policies) -> APIRouter:
    """Addresses under /customers, and /numbers."""
    router = APIRouter(tags=["customers"])
    found = Identities(store, keyring, policies)

    @router.get("/customers/by-source/{source}/{external_id:path}", summary="By the id another system gave")
    async def by_source(
        *,
        source: Code,
        external_id: External,
        who: Reader,
        access: Asking,
        response: Response,
        as_of: AsOfText = None,
    ) -> dict[str, Any]:
        key = numbers.source_key(source, external_id)
        sight, (document, edition) = Sight(who.roles), await found.wanted(key, as_of, response)
        known = present.identity(document, await found.opened(document), sight, edition)
        await journal.read(access, sight.disclosed)
        return known

    @router.get("/customers/{ref}", summary="Everything known about an identity")
    async def whole(
        ref: Ref, who: Reader, access: Asking, response: Response, as_of: AsOfText = None
    ) -> dict[str, Any]:
        sight, (document, edition) = Sight(who.roles), await found.wanted(ref, as_of, response)
        for member in document["members"]:
            # No change can rest on what was seen of the past.
            if member["customer"] == ref and as_of is None:
                response.headers["ETag"] = f'"{member["version"]}"'
        known = present.identity(document, await found.opened(document), sight, edition)
        await journal.read(access, sight.disclosed)
        return known

    @router.get("/customers/{ref}/golden", summary="The value that holds for every field, and why")
    async def golden(
        ref: Ref, who: Reader, access: Asking, response: Response, as_of: AsOfText = None
    ) -> dict[str, Any]:
        sight, (document, edition) = Sight(who.roles), await found.wanted(ref, as_of, response)
        record = present.golden(document, await found.opened(document), sight, edition)
        await journal.read(access, sight.disclosed)
        return {"identity": document["_id"], **record}

    @router.get("/customers/{ref}/timeline", summary="What happened, the earliest first")
    async def events(
        ref: Ref,
        _: Reader,
        event_type: Annotated[Code | None, Query(alias="type")] = None,
        after: Annotated[str | None, Query(max_length=200)] = None,
        limit: Limit = 50,
    ) -> Page:
        document = await found.by_reference(ref)
        return await found.timeline([member["customer"] for member in document["members"]], event_type, after, limit)

    @router.get("/numbers/{number}", summary="Whom a number means")
    async def number(number: Code, _: Reader) -> dict[str, Any]:
        named = await found.number(number)
        document = await found.by_reference(named["customer"])
        return {"number": number, "kind": named["kind"], "customer": named["customer"], "identity": document["_id"]}

    return router
