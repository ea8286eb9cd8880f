"""The HTTP address of numbering: rules, numbers, leases, and what a number means."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services.identity.issuing.commands import Assign, CheckRules, Lease, RowAnswer, SetRules, TakeOver
from services.identity.issuing.leases import Leases
from services.identity.issuing.numbers import Numbers
from services.identity.issuing.questions import Meaning, Questions
from services.identity.issuing.rules import Rules
from shared import log
from shared.access.tokens import Caller
from shared.eventlog.commit import digest
from shared.events.envelope import Actor, Cause, Code, Id, Instant
from shared.events.numbering import NumberingRule
from shared.http import require
from shared.ids import derive, uuid7

LeaseId = Annotated[str, Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class NumberView(_Answer):
    """What is known of a number as somebody typed it; `reason` says why it leads to nobody.

    `state` is primary, alias (former, foreign, or of a merged customer), leased, held_back, void, free or unknown.
    """

    number: str
    well_formed: bool
    check_ok: bool
    known: bool
    customer: Id | None
    reason: str | None
    state: str
    rule: str | None
    scope: str | None
    serial: int | None
    identity: Id | None
    current: str | None


class Validated(NumberView):
    """The same, with the numbers in use that somebody may have meant: one character away, and their check fits."""

    suggestions: list[str]


class Validate(BaseModel):
    """A number as somebody typed it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: Annotated[str, Field(min_length=1, max_length=200)]


class FindingView(_Answer):
    level: Literal["error", "warning"]
    rule: str
    message: str


class FindingsView(_Answer):
    """What the linter says; `ok` if the rules may be set."""

    ok: bool
    findings: list[FindingView]


class RuleSetView(_Answer):
    version: int
    effective_from: Instant
    rules: list[NumberingRule]


class RulesView(_Answer):
    """Every set of rules, and the version that is in force now."""

    in_force: int
    sets: list[RuleSetView]


class RulesSetView(_Answer):
    version: int
    effective_from: str
    findings: list[FindingView]


class CapacityView(_Answer):
    """How far one scope is; `left` is the most that may be left, `days_left` at its rate so far.

    `period_ends` is when its numbers begin anew, if they show the year: an end after that never comes.
    """

    rule: str
    scope: str
    used: int
    left: int
    days_left: float | None
    exhausted_at: datetime | None
    nearly_used_up: bool
    period_ends: datetime | None


class CapacitiesView(_Answer):
    scopes: list[CapacityView]


class RowsView(_Answer):
    """One answer per row, in order."""

    rows: list[RowAnswer]
    changed: int
    refused: int


class LeaseView(_Answer):
    lease: Id
    scope: str
    expires_at: str
    numbers: list[str]


class ReleaseView(_Answer):
    lease: Id
    voided: int
    changed: bool


class ClearView(_Answer):
    leases: int
    voided: int
    left: bool


def _cause(
    who: Annotated[Caller, Depends(require("identity.link"))],
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
    custlog_channel: Annotated[Code, Header()] = "api",
    custlog_purpose: Annotated[Code, Header()] = "service",
) -> Cause:
    command = uuid7() if idempotency_key is None else derive("command", who.id, idempotency_key)
    actor = Actor(id=who.id, kind=who.kind)
    return Cause(actor, custlog_channel, custlog_purpose, command, log.correlation() or command, command)


Decided = Annotated[Cause, Depends(_cause)]


def numbers(issuing: Numbers, rules: Rules, leases: Leases, questions: Questions) -> APIRouter:
    """Everything about numbers."""
    router = APIRouter(tags=["numbers"])
    _rules(router, rules)
    _issuing(router, issuing, leases)
    reader = Depends(require("customer.read"))

    @router.get("/numbers/{number}", dependencies=[reader], summary="Whom a number leads to, or what is wrong with it")
    async def number(
        number: Annotated[str, Path(min_length=1, max_length=100)], as_of: Annotated[Instant | None, Query()] = None
    ) -> NumberView:
        return NumberView(**asdict(await questions.number(number, as_of)))

    @router.post("/numbers/validate", dependencies=[reader], summary="Check a typed number, and what else it may be")
    async def validate(typed: Validate) -> Validated:
        meaning: Meaning = await questions.number(typed.number, suggest=True)
        return Validated(**asdict(meaning))

    return router


def _rules(router: APIRouter, rules: Rules) -> None:
    reader = Depends(require("customer.read"))
    decider = Depends(require("identity.link"))

    @router.get("/numbering/rules", dependencies=[reader], summary="Every set of numbering rules")
    async def shown() -> RulesView:
        return RulesView(**await rules.shown())

    @router.post("/numbering/rules", summary="Set the rules for customers to come")
    async def set_rules(command: SetRules, decided: Decided) -> RulesSetView:
        return RulesSetView(**await rules.set(command, decided, _digest("rules", command)))

    @router.post("/numbering/lint", dependencies=[decider], summary="What is wrong with numbering rules")
    async def lint(command: CheckRules) -> FindingsView:
        findings = await rules.check(command)
        views = [FindingView(**asdict(finding)) for finding in findings]
        return FindingsView(ok=all(view.level != "error" for view in views), findings=views)

    @router.get("/numbering/capacity", dependencies=[reader], summary="How many numbers every scope has left")
    async def capacity() -> CapacitiesView:
        return CapacitiesView(scopes=[CapacityView(**asdict(found)) for found in await rules.capacities()])


def _issuing(router: APIRouter, issuing: Numbers, leases: Leases) -> None:
    @router.post("/numbers/assignments", summary="Give numbers to customers")
    async def assign(command: Assign, decided: Decided) -> RowsView:
        return _rows(await issuing.assign(command, decided))

    @router.post("/numbers/imports", summary="Take over numbers of an earlier system")
    async def take_over(command: TakeOver, decided: Decided) -> RowsView:
        return _rows(await issuing.take_over(command, decided))

    @router.post("/numbers/leases", summary="Lease a block of numbers")
    async def lease(command: Lease, decided: Decided) -> LeaseView:
        return LeaseView(**await leases.lease(command, decided, _digest("lease", command)))

    @router.post("/numbers/leases/{lease}/release", summary="End a lease; what is left of it is void")
    async def release(lease: LeaseId, decided: Decided) -> ReleaseView:
        return ReleaseView(**await leases.release(lease, decided))

    @router.post("/numbers/leases/clear", summary="End the leases whose time is over")
    async def clear(decided: Decided) -> ClearView:
        return ClearView(**await leases.clear(decided))


def _rows(answers: list[RowAnswer]) -> RowsView:
    refused = sum(answer.error is not None for answer in answers)
    return RowsView(rows=answers, changed=sum(answer.changed for answer in answers), refused=refused)


def _digest(command: str, body: BaseModel) -> bytes:
    content: Any = [command, body.model_dump(mode="json")]
    return digest(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))
