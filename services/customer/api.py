"""The HTTP face of the customer service: every command one address, and files as streams."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from services.customer.application import Aggregate, Answer, Application, Context
from services.customer.domain import customer_commands as commands
from services.customer.domain import erasure_commands as erasure
from services.customer.domain import pin_commands as pins
from services.customer.domain import rights_commands as rights
from services.customer.domain.command import Code, Command, Id
from services.customer.domain.command_names import CUSTOMER_COMMANDS, TOLD
from services.customer.domain.interaction import RecordInteraction
from services.customer.domain.order import DeliverOrder, PayOrder, PlaceOrder, ReturnOrder
from services.customer.domain.survivorship import SetSurvivorshipPolicy
from services.customer.domain.ticket import AnswerTicket, OpenTicket, ReopenTicket, ResolveTicket
from services.customer.intake import columns
from services.customer.intake.answers import Delivery, Format
from services.customer.intake.importing import Intake
from services.customer.intake.outbox import Outbox
from shared import log
from shared.access.policy import Action
from shared.access.tokens import Caller
from shared.errors import UnsupportedMedia
from shared.events.envelope import Actor
from shared.http import expected_version, require
from shared.ids import derive, uuid7

STARTS: Mapping[str, tuple[Aggregate, type[Command]]] = {
    "orders": ("order", PlaceOrder),
    "tickets": ("ticket", OpenTicket),
    "interactions": ("interaction", RecordInteraction),
}
"""POST /customers/{id}/<name> -> what begins, and its body."""
CHANGES: Mapping[str, tuple[Aggregate, Mapping[str, type[Command]]]] = {
    "customers": ("customer", CUSTOMER_COMMANDS),
    "orders": ("order", {"pay": PayOrder, "deliver": DeliverOrder, "return": ReturnOrder}),
    "tickets": ("ticket", {"answer": AnswerTicket, "resolve": ResolveTicket, "reopen": ReopenTicket}),
}
"""POST /<collection>/{id}/<name> -> its body."""
ACTIONS: Mapping[type[Command], Action] = {
    erasure.RequestErasure: "erasure.request",
    erasure.RefuseErasure: "erasure.decide",
    erasure.ApproveErasure: "erasure.decide",
    erasure.PlaceHold: "erasure.decide",
    erasure.LiftHold: "erasure.decide",
    rights.LiftRestriction: "erasure.decide",
    pins.PinValue: "golden.decide",
    pins.UnpinValue: "golden.decide",
}
"""Command -> the action that a role has to allow; those that are not listed: customer.write."""
FORMATS: Mapping[str, Format] = {"text/csv": "csv", "application/x-ndjson": "ndjson"}
INTAKE_PATH = "/intake"
NDJSON = "application/x-ndjson"

Key = Annotated[str | None, Header(min_length=1, max_length=200, description="repeats of a key get its first answer")]
Channel = Annotated[Code, Header(description="through what the caller works")]
Purpose = Annotated[Code, Header(description="what the caller needs it for")]
Given = Annotated[Id, Path(alias="id")]
IfMatch = Annotated[str | None, Header(description="ETag of the version that the change rests on")]


def context(action: Action) -> Callable[..., Awaitable[Context]]:
    """Dependency factory: who sends the command, and under which id it is remembered. Forbidden without the action."""

    async def sent_by(
        caller: Annotated[Caller, Depends(require(action))],
        idempotency_key: Key = None,
        custlog_channel: Channel = "api",
        custlog_purpose: Purpose = "service",
    ) -> Context:
        command = uuid7() if idempotency_key is None else derive("command", caller.id, idempotency_key)
        correlation = log.correlation() or uuid7()
        return Context(
            Actor(id=caller.id, kind=caller.kind), custlog_channel, custlog_purpose, correlation, command, command
        )

    return sent_by


async def optional_version(if_match: IfMatch = None) -> int | None:
    """Dependency: the version in If-Match, None without. Malformed if it is unreadable."""
    return None if if_match is None else await expected_version(if_match)


Sent = Annotated[Context, Depends(context("customer.write"))]


def routes(application: Application) -> APIRouter:
    """Every command of the service."""
    router = APIRouter()
    _add_customers(router, application)
    _add_policies(router, application)
    for name, (aggregate, command) in STARTS.items():
        router.add_api_route(
            f"/customers/{{id}}/{name}",
            _start(application, aggregate, name, command),
            methods=["POST"],
            status_code=201,
            response_model=Answer,
            **_described(command, name),
        )
    for collection, (aggregate, changes) in CHANGES.items():
        for name, command in changes.items():
            router.add_api_route(
                f"/{collection}/{{id}}/{name}",
                _change(application, aggregate, command),
                methods=["POST"],
                response_model=Answer,
                **_described(command, collection),
            )
    return router


def _described(command: type[Command], tag: str) -> dict[str, Any]:
    name = command.__name__
    words = "".join(f" {char.lower()}" if char.isupper() else char for char in name).strip()
    return {
        "operation_id": name[0].lower() + name[1:],
        "summary": words.capitalize(),
        "description": command.__doc__,
        "tags": [tag],
    }


def _add_customers(router: APIRouter, application: Application) -> None:
    @router.post("/customers", status_code=201, **_described(commands.Register, "customers"))
    async def register(command: commands.Register, sent: Sent, response: Response) -> Answer:
        answer = await application.register(command, sent)
        _tell(response, answer, "customers")
        return answer

    @router.patch("/customers/{id}", **_described(commands.Edit, "customers"))
    async def edit(
        customer_id: Given,
        command: commands.Edit,
        sent: Sent,
        expected: Annotated[int, Depends(expected_version)],
        response: Response,
    ) -> Answer:
        answer = await application.execute("customer", customer_id, command, sent, expected)
        _tell(response, answer)
        return answer


def _add_policies(router: APIRouter, application: Application) -> None:
    @router.post("/survivorship/policies", status_code=201, **_described(SetSurvivorshipPolicy, "survivorship"))
    async def set_policy(
        command: SetSurvivorshipPolicy, sent: Annotated[Context, Depends(context("golden.decide"))], response: Response
    ) -> Answer:
        answer = await application.set_policy(command, sent)
        _tell(response, answer)
        return answer


def _start(
    application: Application, aggregate: Aggregate, collection: str, command_class: type[Command]
) -> Callable[..., Any]:
    async def start(
        customer_id: Given,
        command: command_class,  # type: ignore[valid-type]  # FastAPI reads the body's class here
        sent: Sent,
        response: Response,
    ) -> Answer:
        answer = await application.start(aggregate, customer_id, command, sent)
        _tell(response, answer, collection)
        return answer

    return start


def _change(application: Application, aggregate: Aggregate, command_class: type[Command]) -> Callable[..., Any]:
    allowed = Depends(context(ACTIONS.get(command_class, "customer.write")))

    async def change(
        aggregate_id: Given,
        command: command_class,  # type: ignore[valid-type]  # FastAPI reads the body's class here
        sent: Annotated[Context, allowed],
        expected: Annotated[int | None, Depends(optional_version)],
        response: Response,
    ) -> Answer:
        answer = await application.execute(aggregate, aggregate_id, command, sent, expected)
        _tell(response, answer)
        return answer

    return change


def _tell(response: Response, answer: Answer, created_in: str | None = None) -> None:
    response.headers["ETag"] = f'"{answer.version}"'
    if created_in is not None:
        response.headers["Location"] = f"/{created_in}/{answer.id}"


def intake_routes(application: Application) -> APIRouter:
    """The import of files."""
    router = APIRouter(tags=["intake"])

    @router.post(
        INTAKE_PATH,
        operation_id="importFile",
        summary="Import a file of customers",
        description=_INTAKE_DESCRIPTION,
        response_class=Response,
        responses={200: {"description": "One JSON object per row, then the summary", "content": {NDJSON: {}}}},
        openapi_extra={"requestBody": {"required": True, "content": {media: {} for media in FORMATS}}},
    )
    async def import_file(
        request: Request,
        caller: Annotated[Caller, Depends(require("customer.import"))],
        source: Annotated[Code, Query(description="where the records come from")],
        *,
        dry_run: Annotated[bool, Query(description="check every row, store nothing")] = False,
        idempotency_key: Key = None,
        custlog_channel: Channel = "import",
        custlog_purpose: Purpose = "service",
    ) -> Response:
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media not in FORMATS:
            raise UnsupportedMedia(f"Send the file as {' or '.join(FORMATS)}.")
        delivery = Delivery(
            source=source,
            format=FORMATS[media],
            actor=Actor(id=caller.id, kind=caller.kind),
            channel=custlog_channel,
            purpose=custlog_purpose,
            correlation=log.correlation() or uuid7(),
            key=idempotency_key,
            dry_run=dry_run,
        )
        return _Import(Intake(application, delivery), request)

    return router


class _Import(Response):
    media_type = NDJSON

    def __init__(self, intake: Intake, request: Request) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._intake = intake
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's shape
        head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        try:
            async with Outbox(send, head) as outbox:
                async for part in self._intake.run(self._request.stream()):
                    outbox.put(part)
        except ClientDisconnect:
            log.get_logger(__name__).info("the sender of a file went away")


_INTAKE_DESCRIPTION = f"""\
A CSV file with a header, or one Register command per line (NDJSON) without its source. Every row is taken or refused
by itself and answered in order: 201 created, 200 known already with this content, 409 known with other content (`id`
names the customer to change), 400 or 422 wrong, 503 send again. The last line counts them. The same file can be sent
again: rows are recognised by their external id, or by row number under an Idempotency-Key.

A line of NDJSON may tell in `since` what happened after the registration: a list of commands as their addresses take
them, each with its name in `command` ({", ".join(TOLD)}). A contact point is named by `contact`, its number
in the row from 1. The row is taken with all of it or not at all.

{columns.documentation()}
"""
