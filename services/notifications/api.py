"""The HTTP address of the notifications service: requests in, commands out, answers as JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Response
from pydantic import BaseModel, ConfigDict

from services.notifications.application import Application, Context, Found
from services.notifications.domain import CancelReminder, PlanFollowUp, Status
from shared import log
from shared.access.journal import Access, Journal
from shared.access.levels import Level
from shared.access.policy import Sight, mask, sees
from shared.access.tokens import Caller
from shared.clock import TestClock
from shared.events.envelope import Actor, Code, Erased, Id, Instant, Value, instant
from shared.events.notifications import ReminderPlanned
from shared.http import asking, require
from shared.ids import derive, uuid7

ERASED_TEXT = "erased"
ReminderId = Annotated[str, Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class Answer(BaseModel):
    """The durable answer to a command: what was changed, and its version after the change."""

    model_config = ConfigDict(frozen=True)

    id: Id
    version: int


class ReminderView(BaseModel):
    """A reminder as the caller may see it: what a role may not see is absent, masked or the word `erased`."""

    id: Id
    customer: Id
    version: int
    status: Status
    kind: Literal["birthday", "follow_up"] | None
    zone: str | None
    due_at: str | None = None
    local_date: str | None = None
    assignee: str | None = None
    note: str | None = None
    reason: str | None = None


class MoveClock(Value):
    now: Instant


@dataclass(frozen=True, slots=True)
class TimeTravel:
    """A clock that tests may move, and what has to happen when they did."""

    clock: TestClock
    run_timers: Callable[[], Awaitable[Mapping[str, int]]]
    clock_moved: Callable[[], None]


def context(
    who: Annotated[Caller, Depends(require("reminder.write"))],
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
    custlog_channel: Annotated[Code, Header()] = "api",
    custlog_purpose: Annotated[Code, Header()] = "service",
) -> Context:
    """Dependency: who commands, why, and under which id the command is remembered."""
    command = uuid7() if idempotency_key is None else derive("command", who.id, idempotency_key)
    actor = Actor(id=who.id, kind=who.kind)
    return Context(actor, custlog_channel, custlog_purpose, log.correlation() or command, command)


Asked = Annotated[Context, Depends(context)]


def reminders(application: Application, journal: Journal) -> APIRouter:
    """Planning, cancelling and reading single reminders."""
    router = APIRouter(prefix="/reminders", tags=["reminders"])

    @router.post("", status_code=201, summary="Plan a follow-up")
    async def plan(command: PlanFollowUp, asked: Asked, response: Response) -> Answer:
        return _answer(await application.plan_follow_up(command, asked), response)

    @router.post("/{reminder_id}/cancel", summary="Cancel a planned reminder")
    async def cancel(
        reminder_id: ReminderId,
        asked: Asked,
        response: Response,
        command: CancelReminder | None = None,
    ) -> Answer:
        return _answer(await application.cancel(reminder_id, command or CancelReminder(), asked), response)

    @router.get("/{reminder_id}", response_model_exclude_none=True, summary="One reminder")
    async def read(
        reminder_id: ReminderId,
        who: Annotated[Caller, Depends(require("customer.read"))],
        access: Annotated[Access, Depends(asking)],
        response: Response,
    ) -> ReminderView:
        found = await application.find(reminder_id)
        await journal.read(access, {found.customer: disclosed(found, who.roles)})
        response.headers["ETag"] = f'"{found.version}"'
        return view(found, who.roles)

    return router


def time_travel(time: TimeTravel) -> APIRouter:
    """What operators do where the set-up has a test clock."""
    router = APIRouter(tags=["operation"], dependencies=[Depends(require("operate"))])

    @router.put("/clock", summary="Move the test clock")
    async def move(command: MoveClock) -> dict[str, str]:
        time.clock.set(command.now)
        time.clock_moved()
        return {"now": instant(time.clock.now())}

    @router.post("/timers/run", summary="Fire what is due now")
    async def run() -> dict[str, int]:
        return dict(await time.run_timers())

    return router


def view(found: Found, roles: frozenset[str]) -> ReminderView:
    """The reminder with each field as the caller's roles see its level."""
    reminder = found.reminder
    sights = {name: sees(roles, level) for name, level in ReminderPlanned.LEVELS.items()}
    return ReminderView(
        id=found.id,
        customer=found.customer,
        version=found.version,
        status=reminder.status,
        kind=reminder.kind,
        zone=reminder.zone,
        due_at=_shown(sights["due_at"], _text(reminder.due_at), "date"),
        local_date=_shown(sights["local_date"], _text(reminder.local_date), "date"),
        assignee=_shown(sights["assignee"], reminder.assignee),
        note=_shown(sights["note"], _text(reminder.note)),
        reason=_shown(sees(roles, Level.GENERAL), reminder.reason),
    )


def disclosed(found: Found, roles: frozenset[str]) -> frozenset[str]:
    """The personal fields of the reminder that `view` shows in the clear."""
    return frozenset(
        name
        for name in ReminderPlanned.SEALED
        if sees(roles, ReminderPlanned.LEVELS[name]) == "allow"
        and not isinstance(getattr(found.reminder, name), Erased | None)
    )


def _text(value: datetime | date | str | Erased | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Erased):
        return ERASED_TEXT
    return instant(value) if isinstance(value, datetime) else value.isoformat()


def _shown(sight: Sight, value: str | None, kind: Literal["date", "default"] = "default") -> str | None:
    if value is None or sight == "deny":
        return None
    return value if sight == "allow" or value == ERASED_TEXT else mask(kind, value)


def _answer(result: Mapping[str, Any], response: Response) -> Answer:
    response.headers["ETag"] = f'"{result["version"]}"'
    return Answer.model_validate(dict(result))
