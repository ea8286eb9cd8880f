"""The HTTP address of the identity service: requests in, commands out, answers as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Header, Path
from pydantic import BaseModel, ConfigDict

from services.identity.application import AddAlias, IdentityApplication, Link, Separate
from services.identity.lookups import Lookups
from services.identity.matching.lookup import Field
from shared import log
from shared.access.journal import Access, Journal
from shared.access.levels import Level
from shared.access.policy import sees
from shared.access.tokens import Caller
from shared.errors import Forbidden
from shared.eventlog.commit import digest
from shared.events.envelope import Actor, Cause, Code, Id, Word
from shared.http import asking, require
from shared.ids import derive, uuid7

CustomerId = Annotated[str, Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Membership(_Answer):
    """Where customer `a` belongs after the command; `changed` is false if it was so before.

    `recorded` is false for what was said already, and for what a second person has to decide first.
    `request` is there if nothing was done yet, because a second person has to decide first: POST /approvals/{request}.
    """

    identity: Id
    members: list[Id]
    changed: bool
    recorded: bool | None = None
    request: Id | None = None


class AliasAnswer(_Answer):
    customer: Id
    alias: str
    changed: bool


class Member(_Answer):
    customer: Id
    number: str | None
    aliases: list[str]


class LinkView(_Answer):
    """A live link and the position of the event that made it."""

    a: Id
    b: Id
    position: int


class IdentityView(_Answer):
    """The customers believed to be one; the id is that of the oldest."""

    identity: Id
    members: list[Member]
    links: list[LinkView]


class LookUp(BaseModel):
    """One value; of an identifier also its type. Phone numbers need their country code."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    field: Field
    value: Word
    type: Code | Literal[""] = ""


class HitView(_Answer):
    customer: Id
    identity: Id


class HitsView(_Answer):
    """Everybody who has exactly this value."""

    customers: list[HitView]


def cause(
    who: Annotated[Caller, Depends(require("identity.link"))],
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
    custlog_channel: Annotated[Code, Header()] = "api",
    custlog_purpose: Annotated[Code, Header()] = "service",
) -> Cause:
    """Dependency: who decides, why, and under which id the decision is remembered."""
    command = uuid7() if idempotency_key is None else derive("command", who.id, idempotency_key)
    return Cause(
        actor=Actor(id=who.id, kind=who.kind),
        channel=custlog_channel,
        purpose=custlog_purpose,
        command=command,
        correlation=log.correlation() or command,
        causation=command,
    )


Decided = Annotated[Cause, Depends(cause)]


def identities(application: IdentityApplication) -> APIRouter:
    """Linking, separating and looking up."""
    router = APIRouter(tags=["identities"])

    @router.post("/links", response_model_exclude_unset=True, summary="Two customers are one")
    async def link(command: Link, decided: Decided) -> Membership:
        return Membership(**await application.link(command, decided, _digest("link", command)))

    @router.post("/separations", response_model_exclude_unset=True, summary="One customer is not who the other is")
    async def separate(command: Separate, decided: Decided) -> Membership:
        return Membership(**await application.separate(command, decided, _digest("separate", command)))

    @router.post("/customers/{customer}/aliases", summary="Another number that leads to a customer")
    async def add_alias(customer: CustomerId, command: AddAlias, decided: Decided) -> AliasAnswer:
        found = await application.add_alias(customer, command, decided, _digest(f"alias {customer}", command))
        return AliasAnswer(**found)

    reader = Depends(require("customer.read"))

    @router.get("/identities/{customer}", dependencies=[reader], summary="Who else a customer is")
    async def identity(customer: CustomerId) -> IdentityView:
        return IdentityView(**await application.identity(customer))

    return router


def lookups(found: Lookups, journal: Journal) -> APIRouter:
    """Looking up by what a person gave. The value is in the body, because addresses are written to logs."""
    router = APIRouter(tags=["lookups"])

    @router.post("/lookups", summary="Who has this phone number, e-mail address or identifier")
    async def look_up(
        asked: LookUp,
        who: Annotated[Caller, Depends(require("customer.read"))],
        access: Annotated[Access, Depends(asking)],
    ) -> HitsView:
        level = Level.CORE if asked.field == "identifier" else Level.SENSITIVE
        if sees(who.roles, level) != "allow":
            raise Forbidden(f"None of your roles may search by {asked.field}.")
        hits = await found.find(asked.field, asked.value, asked.type)
        # Whoever is told that somebody has this value has seen it.
        shown = "identifiers" if asked.field == "identifier" else "contacts"
        await journal.read(access, {hit.customer: {shown} for hit in hits})
        return HitsView(customers=[HitView(customer=hit.customer, identity=hit.identity) for hit in hits])

    return router


def _digest(command: str, body: BaseModel) -> bytes:
    content: Any = [command, body.model_dump(mode="json")]
    return digest(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))
