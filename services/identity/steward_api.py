"""The HTTP address of those who look after identities: assertions, questions, requests, explanations, possible matches.

Reads that show personal data are in the access log before their answer leaves.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import orjson
from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.identity.api import CustomerId, Decided, Membership
from services.identity.comparing import Compared, Comparing, Resembling, disclosed, said_of, shown_by
from services.identity.matching.explain import without_identifiers
from services.identity.matching.explain_svg import to_svg
from services.identity.matching.features import Features, Place
from services.identity.stewardship import Assert, Decision, Respond, Stewardship, Withdraw
from shared.access.journal import Access, Journal
from shared.access.levels import Level
from shared.access.policy import sees
from shared.access.tokens import Caller
from shared.errors import CustlogError, Forbidden, Invalid
from shared.eventlog.commit import digest
from shared.events.envelope import Id, Word
from shared.http import asking, require
from shared.ids import derive
from shared.problem import field_errors

MOST_ROWS = 1_000
"""Decisions in one bulk request; a longer file is sent in parts."""
_HIDDEN = "***"


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Asserted(Membership):
    """As `Membership`; `answered` is the number of questions that one answer was given to."""

    answered: int | None = None


class AssertionView(_Answer):
    a: Id
    b: Id
    says: Literal["same", "never"]
    author: str
    reason: str
    expires: datetime | None
    position: int


class AssertionsView(_Answer):
    """Assertions in the order in which they were said; ask again with `after` for more."""

    assertions: list[AssertionView]
    after: int | None


class QuestionView(_Answer):
    """A question: are a and b one? `alike` open questions look the same to the model, this one included."""

    id: int
    a: Id
    b: Id
    why: str
    weight: int
    model: str
    evidence: list[str]
    worth: float
    alike: int


class QuestionsView(_Answer):
    """The questions to answer next, the most worthwhile first."""

    questions: list[QuestionView]


class RequestView(_Answer):
    """What somebody wants to assert, and waits for a second person."""

    request: Id
    a: Id
    b: Id
    says: Literal["same", "never"]
    reason: str
    size: int
    expires: datetime | None
    overrule: bool
    alone: bool
    author: str


class RequestsView(_Answer):
    requests: list[RequestView]


class RowView(_Answer):
    """What became of one row of a bulk request; `status` as a request of its own would have had.

    `recorded` says that it was not said before, `changed` that somebody belongs elsewhere for it.
    """

    row: int
    status: int
    recorded: bool = False
    changed: bool = False
    request: Id | None = None
    detail: str | None = None


class RowsView(_Answer):
    rows: list[RowView]


class GivenName(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    full: Word | None = None
    given: Word | None = None
    family: Word | None = None


class GivenAddress(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    line: Word | None = None
    city: Word | None = None
    postcode: Word | None = None
    country: Word | None = None


class GivenIdentifier(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    type: Word
    value: Word


class Candidate(BaseModel):
    """Somebody who is about to be created, as far as is known."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: Literal["person", "organisation"] = "person"
    name: GivenName = GivenName()
    birth_date: Word | None = None
    phones: tuple[Word, ...] = Field(default=(), max_length=10)
    emails: tuple[Word, ...] = Field(default=(), max_length=10)
    addresses: tuple[GivenAddress, ...] = Field(default=(), max_length=10)
    identifiers: tuple[GivenIdentifier, ...] = Field(default=(), max_length=10)


class MatchView(_Answer):
    """A customer that the new one may be: `decision` is what the model would do, `reasons` the levels that it found."""

    customer: Id
    identity: Id
    number: str | None
    weight: int
    decision: Literal["merge", "review"]
    reasons: list[str]


class MatchesView(_Answer):
    """Possible duplicates, the likeliest first; empty if the new one resembles nobody."""

    matches: list[MatchView]


Numbers = Callable[[str], Awaitable[str | None]]
"""The customer number of a customer, None if it has none."""


def assertions(stewardship: Stewardship) -> APIRouter:
    """What people say of customers, singly and in bulk, and the second person."""
    router = APIRouter(tags=["assertions"])

    @router.post("/assertions", summary="Two customers are the same, or never one")
    async def say(command: Assert, decided: Decided) -> Asserted:
        return Asserted(**await stewardship.say(command, decided, _digest("assert", command)))

    @router.post("/assertions/withdraw", summary="What was asserted holds no longer")
    async def withdraw(command: Withdraw, decided: Decided) -> Asserted:
        return Asserted(**await stewardship.withdraw(command, decided, _digest("withdraw", command)))

    @router.get("/assertions", summary="What is asserted: decisions that every model keeps, and labels for calibration")
    async def list_assertions(
        _: Annotated[Caller, Depends(require("identity.link"))],
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100,
    ) -> AssertionsView:
        found = await stewardship.assertions(after, limit)
        told = [AssertionView(a=a, b=b, **msgspec.structs.asdict(said)) for (a, b), said in found.items()]
        return AssertionsView(assertions=told, after=told[-1].position if len(told) == limit else None)

    @router.post("/assertions/bulk", summary="Many assertions as CSV: says,a,b,reason[,expires,overrule,alone]")
    async def bulk(request: Request, decided: Decided) -> RowsView:
        rows = _rows(await request.body())
        answers = []
        for number, row in enumerate(rows, start=1):
            each = msgspec.structs.replace(decided, command=derive("row", decided.command, str(number)))
            answers.append(await _row(stewardship, number, row, each))
        return RowsView(rows=answers)

    @router.get("/approvals", summary="What waits for a second person")
    async def requests(
        _: Annotated[Caller, Depends(require("identity.link"))],
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100,
    ) -> RequestsView:
        found = await stewardship.requests(limit)
        return RequestsView(requests=[RequestView(**msgspec.structs.asdict(asked)) for asked in found])

    @router.post("/approvals/{request_id}", summary="Approve or refuse what somebody else requested")
    async def approve(request_id: CustomerId, decision: Decision, decided: Decided) -> Asserted:
        answer = await stewardship.approve(request_id, decision, decided, _digest(f"approve {request_id}", decision))
        return Asserted(**answer)

    return router


def reviews(stewardship: Stewardship) -> APIRouter:
    """The questions that the matcher has for people."""
    router = APIRouter(tags=["reviews"])

    @router.get("/reviews", summary="The questions to answer next, by uncertainty and impact, some by chance")
    async def queue(
        _: Annotated[Caller, Depends(require("identity.link"))],
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 20,
    ) -> QuestionsView:
        found = await stewardship.queue(limit)
        return QuestionsView(
            questions=[
                QuestionView(
                    id=ranked.question.id,
                    a=ranked.question.ends[0],
                    b=ranked.question.ends[1],
                    why=review.why,
                    weight=review.weight,
                    model=review.model,
                    evidence=list(review.evidence),
                    worth=round(ranked.worth, 4),
                    alike=len(ranked.alike),
                )
                for ranked, review in found
            ]
        )

    @router.post("/reviews/{review_id}", summary="Answer a question: same, never or unsure")
    async def respond(review_id: Annotated[int, Path(ge=1)], response: Respond, decided: Decided) -> Asserted:
        return Asserted(
            **await stewardship.respond(review_id, response, decided, _digest(f"respond {review_id}", response))
        )

    return router


def comparisons(comparing: Comparing, numbers: Numbers, journal: Journal) -> APIRouter:
    """Why two customers are one or not, and whom a new one may be."""
    router = APIRouter(tags=["comparisons"])

    @router.get(
        "/explanations",
        summary="Why two customers are one, or not: prior and bars add up to the weight",
        responses={200: {"content": {"application/json": {}, _SVG: {}}}},
    )
    async def explain(
        a: Annotated[str, Query(pattern=_ID)],
        b: Annotated[str, Query(pattern=_ID)],
        who: Annotated[Caller, Depends(require("customer.read"))],
        access: Annotated[Access, Depends(asking)],
        accept: Annotated[str, Header(include_in_schema=False)] = "",
    ) -> Response:
        _check_sight(who)
        found = await comparing.explain(a, b)
        hidden: set[str] = set()
        if sees(who.roles, Level.CORE) != "allow":
            hidden = {"identifiers"}
            found = replace(found, explanation=without_identifiers(found.explanation, _HIDDEN))
        drawn = _wants_picture(accept)
        shown = shown_by(found.explanation, steps=not drawn)
        await journal.read(access, {a: shown[0] - hidden, b: shown[1] - hidden})
        if drawn:
            picture = to_svg(found.explanation, (a, b), said_of(found))
            return Response(picture, media_type=_SVG, headers={"Vary": "Accept"})
        return Response(
            orjson.dumps(_explained(a, b, found)), media_type="application/json", headers={"Vary": "Accept"}
        )

    @router.post("/matches", summary="Possible duplicates of somebody who is about to be created; nothing is written")
    async def matches(
        candidate: Candidate,
        who: Annotated[Caller, Depends(require("customer.read"))],
        access: Annotated[Access, Depends(asking)],
        limit: Annotated[int, Query(ge=1, le=50)] = 10,
    ) -> MatchesView:
        _check_sight(who)
        found = await comparing.resembling(_features(candidate), limit)
        # Whoever is told that a value agrees has seen it.
        await journal.read(access, {each.scored.b: disclosed(each.scored.evidence) for each in found})
        return MatchesView(matches=[_match(each, await numbers(each.scored.b)) for each in found])

    return router


_ID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


def _check_sight(who: Caller) -> None:
    if sees(who.roles, Level.SENSITIVE) != "allow":
        raise Forbidden("None of your roles may see the values that customers are compared by.")


def _match(found: Resembling, number: str | None) -> MatchView:
    one = found.scored
    return MatchView(
        customer=one.b,
        identity=found.identity,
        number=number,
        weight=one.weight,
        decision="merge" if one.band == "merge" else "review",
        reasons=list(one.evidence),
    )


def _explained(a: str, b: str, found: Compared) -> dict[str, Any]:
    # `review` is the threshold in every explanation, so the question between the two has a name of its own.
    stored = {"link": found.link, "assertion": found.assertion, "question": found.review}
    told = {name: row and msgspec.to_builtins(row) for name, row in stored.items()}
    return {"a": a, "b": b, "together": found.together, **told, **msgspec.to_builtins(found.explanation)}


_SVG = "image/svg+xml"


def _wants_picture(accept: str) -> bool:
    """Whether a picture is asked for by name, and JSON not before it."""
    ranks: dict[str, float] = {}
    for each in accept.lower().split(","):
        media, *parameters = (part.strip() for part in each.split(";"))
        ranks[media] = next((_rank(text[2:]) for text in parameters if text.startswith("q=")), 1.0)
    return ranks.get(_SVG, 0.0) > 0.0 and ranks[_SVG] >= ranks.get("application/json", 0.0)


def _rank(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _features(candidate: Candidate) -> Features:
    name = candidate.name
    contacts = [*(("phone", value) for value in candidate.phones), *(("email", value) for value in candidate.emails)]
    return Features(
        kind=candidate.kind,
        full=name.full or " ".join(filter(None, (name.given, name.family))) or None,
        given=name.given,
        family=name.family,
        birth_date=candidate.birth_date,
        contacts={str(number): contact for number, contact in enumerate(contacts)},
        addresses={
            str(n): Place(line=at.line, locality=at.city, postcode=at.postcode, country=at.country)
            for n, at in enumerate(candidate.addresses)
        },
        identifiers=tuple((identifier.type, identifier.value) for identifier in candidate.identifiers),
    )


_Row: TypeAlias = Mapping[str | None, Any]
"""The cells of a line by their columns; under None those that no column is named for."""


def _rows(body: bytes) -> list[_Row]:
    try:
        table = csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        rows: list[_Row] = list(table)
    except (UnicodeDecodeError, csv.Error) as error:
        raise Invalid(f"this is no CSV in UTF-8: {error}") from None
    missing = {"says", "a", "b", "reason"} - set(table.fieldnames or ())
    if missing:
        raise Invalid(f"the first line must name the columns; {', '.join(sorted(missing))} is missing")
    if not rows:
        raise Invalid("there are no rows below the line that names the columns")
    if len(rows) > MOST_ROWS:
        raise Invalid(f"{len(rows)} rows are too many for one request; send at most {MOST_ROWS}")
    return rows


async def _row(stewardship: Stewardship, number: int, row: _Row, decided: Decided) -> RowView:
    if None in row:
        return RowView(row=number, status=422, detail="it has more cells than the first line names columns")
    given = {name: value for name, value in row.items() if value}
    if any("\0" in value for value in given.values()):
        return RowView(row=number, status=422, detail="it holds a NUL character; remove it")
    try:
        command = Assert.model_validate(given)
        answer = await stewardship.say(command, decided, _digest("assert", command))
    except ValidationError as error:
        fields = ", ".join(sorted({each["field"] for each in field_errors(error.errors())}))
        return RowView(row=number, status=422, detail=f"these are missing or wrong: {fields}")
    except CustlogError as error:
        return RowView(row=number, status=error.status, detail=error.detail)
    return RowView(
        row=number,
        status=200,
        recorded=answer.get("recorded", answer["changed"]),
        changed=answer["changed"],
        request=answer.get("request"),
    )


def _digest(command: str, body: BaseModel) -> bytes:
    content: Any = [command, body.model_dump(mode="json")]
    return digest(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))
