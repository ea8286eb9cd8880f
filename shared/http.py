"""The HTTP shell of every service: one way to build the application, to guard an operation and to run the process."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from shared import log, metrics, problem
from shared.access.journal import Access, Journal
from shared.access.policy import Action, allows
from shared.access.refusals import CHANNEL, PURPOSE, TellRefusals, access_of
from shared.access.tokens import Caller, Verifier
from shared.body import GuardBody
from shared.edge import Authenticate, Correlate, Limit, Observe
from shared.errors import CustlogError, Forbidden, Malformed, VersionRequired
from shared.events.envelope import Code
from shared.interruption import contained
from shared.settings import Settings

Tasks = Mapping[str, Callable[[], Coroutine[Any, Any, None]]]
"""Name -> coroutine function that runs until it is cancelled."""
Running = Callable[[], AbstractAsyncContextManager[Tasks]]
"""Opens what the service needs, yields its background tasks, closes it again."""

_log = log.get_logger(__name__)
_bearer = HTTPBearer(auto_error=False, description="JWT of type at+jwt; `custlog token` prints one.")
_PROBLEM: dict[str, Any] = {
    "description": "Problem (RFC 9457)",
    "content": {problem.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a service can do its work now: each dependency's state, lag per consumer or relay, parked records.

    A lag that is not known is None, never 0.
    """

    ok: bool
    checks: Mapping[str, str] = field(default_factory=dict)
    lag: Mapping[str, int | None] = field(default_factory=dict)
    parked: int = 0


# Dependencies are coroutine functions: FastAPI runs plain functions in a thread, which costs more than they do.
async def caller(request: Request, _: Annotated[object, Depends(_bearer)] = None) -> Caller:
    """Dependency: who calls. The token was verified before the body was read."""
    found: Caller = request.state.caller
    return found


def require(action: Action) -> Callable[[Caller], Awaitable[Caller]]:
    """Dependency factory: the caller, if a role of theirs allows the action; else Forbidden."""

    async def allowed(who: Annotated[Caller, Depends(caller)]) -> Caller:
        if not allows(who.roles, action):
            raise Forbidden(f"None of your roles allows {action}.")
        return who

    return allowed


async def asking(
    request: Request,
    _: Annotated[Caller, Depends(caller)],
    custlog_channel: Annotated[Code, Header(description="through what the caller works")] = CHANNEL,
    custlog_purpose: Annotated[Code, Header(description="what the caller needs it for")] = PURPOSE,
) -> Access:
    """Dependency: what is recorded of a question whose answer shows personal data."""
    return replace(access_of(request.scope), channel=custlog_channel, purpose=custlog_purpose)


async def expected_version(if_match: Annotated[str | None, Header()] = None) -> int:
    """Dependency: the version in If-Match, as an ETag gave it. VersionRequired without, Malformed if unreadable."""
    if if_match is None:
        raise VersionRequired("Read the record and send its ETag as If-Match.")
    version = re.fullmatch(r'"?([0-9]{1,15})"?', if_match.strip())
    if version is None:
        raise Malformed('If-Match must be one ETag of the record, for example "3".')
    return int(version[1])


def create_app(
    settings: Settings,
    verifier: Verifier,
    routers: Sequence[APIRouter],
    readiness: Callable[[], Awaitable[Readiness]],
    running: Running | None = None,
    *,
    larger_bodies: Mapping[str, int] | None = None,
    journal: Journal | None = None,
) -> FastAPI:
    """The application of one service: its routers behind authentication, with health, metrics and problem answers.

    `larger_bodies` names the addresses that stream bodies above max_body_bytes, with their own limit. `journal` is told
    of refusals.
    """
    app = FastAPI(
        title=f"custlog {settings.service}",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(running),
        exception_handlers={
            CustlogError: problem.answer_expected,
            HTTPException: problem.answer_routing,
            RequestValidationError: problem.answer_validation,
        },
        middleware=[
            Middleware(Correlate),
            Middleware(Observe),
            Middleware(TellRefusals, journal=journal or Journal(None), service=settings.service),
            Middleware(Limit, most=settings.max_requests),
            Middleware(Authenticate, verifier=verifier),
            Middleware(GuardBody, max_body_bytes=settings.max_body_bytes, larger=larger_bodies),
        ],
    )
    for router in routers:
        app.include_router(router, dependencies=[Depends(caller)], responses={"4XX": _PROBLEM, "5XX": _PROBLEM})
    app.include_router(_health(readiness))
    _document_problems(app)
    return app


def serve(app: FastAPI, settings: Settings) -> None:
    """Runs the service until SIGTERM or SIGINT; then finishes running requests within stop_seconds and returns.

    Exits the process with status 1 if a background task died, 3 if the start failed; the log says why.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=settings.stop_seconds,
        )
    )

    def stop_server() -> None:
        server.should_exit = True

    app.state.stop = stop_server
    # uvicorn raises the signal again when it is done; with its own handler in place the process ends with status 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    server.run()
    if getattr(app.state, "dead", None):
        sys.exit(1)


def _lifespan(running: Running | None) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if running is None:
            yield
            return
        async with AsyncExitStack() as stack:
            tasks = await _opened(stack, running)
            started = [_start(app, name, task) for name, task in tasks.items()]
            try:
                yield
            finally:
                for task in started:
                    task.cancel()
                await asyncio.gather(*started, return_exceptions=True)

    return lifespan


async def _opened(stack: AsyncExitStack, running: Running) -> Tasks:
    try:
        return await stack.enter_async_context(running())
    except Exception as error:  # noqa: BLE001 - raised again, without the values it may quote
        _log.critical("the service cannot start", exc_info=error)
        # uvicorn prints a traceback as text; the real one, with its values stripped, is the line above.
        raise RuntimeError("The service cannot start; the log line before this one says why.") from None


def _start(app: FastAPI, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
    async def watched() -> None:
        try:
            await contained(work())
        except Exception as error:  # noqa: BLE001 - whatever it is, the process must stop
            _log.critical("background task died, the process stops", task=name, exc_info=error)
        else:
            _log.critical("background task ended by itself, the process stops", task=name)
        app.state.dead = name
        stop: Callable[[], None] | None = getattr(app.state, "stop", None)
        if stop is not None:
            stop()

    return asyncio.create_task(watched(), name=name)


def _health(readiness: Callable[[], Awaitable[Readiness]]) -> APIRouter:
    router = APIRouter(tags=["operation"])

    @router.get("/health/live", summary="The process answers")
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/health/ready", summary="The service can do its work", responses={503: {"description": "Not ready"}})
    async def ready(request: Request) -> JSONResponse:
        dead = getattr(request.app.state, "dead", None)
        state = await readiness() if dead is None else Readiness(ok=False, checks={dead: "dead"})
        return JSONResponse(asdict(state), status_code=200 if state.ok else 503)

    @router.get("/metrics", summary="Prometheus metrics", response_class=Response)
    async def exposition() -> Response:
        content, media_type = metrics.exposition()
        return Response(content, media_type=media_type)

    return router


def _document_problems(app: FastAPI) -> None:
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = problem.SCHEMA
        return document

    app.openapi = openapi  # type: ignore[method-assign]
