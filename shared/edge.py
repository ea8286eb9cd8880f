"""The outer layers of every service as plain ASGI middleware: correlation, observation, authentication."""

import asyncio
import time
import uuid
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import log, metrics, problem
from shared.access.tokens import Verifier
from shared.errors import Busy, CustlogError, Stopping, Unauthenticated, Unavailable
from shared.ids import uuid7

OPEN_PATHS = frozenset({"/health/live", "/health/ready", "/metrics", "/openapi.json"})
"""Everything else needs a token, addresses that do not exist included."""
CORRELATION_HEADER = "X-Correlation-Id"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNFINISHED = (
    "This process stops before the request is through; it may still be carried out. Send it again with the same "
    "Idempotency-Key to learn what became of it."
)
_CANCELLED = (
    "What this request waited for was given up within the service; it may still be carried out. Send it again with the "
    "same Idempotency-Key to learn what became of it."
)
_log = log.get_logger(__name__)


class Correlate:
    """Gives each request a correlation id, the caller's if it is a UUID. Logs, problems and answers carry it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlation = _uuid(dict(scope["headers"]).get(b"x-correlation-id", b"")) or uuid7()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[CORRELATION_HEADER] = correlation
            await send(message)

        with log.bound_correlation(correlation):
            await self._app(scope, receive, send_with_id)


class StatusNoted:
    """A `send` that remembers the status of the answer; 0 before it begins."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


class Observe:
    """Counts and logs each request by its route template, and turns every exception that reaches it into a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        noted = StatusNoted(send)
        try:
            await self._app(scope, receive, noted)
        except asyncio.CancelledError:
            if noted.status:
                raise
            # Without this uvicorn would answer 500, in plain text.
            failure: CustlogError = Stopping(_UNFINISHED)
            if not _is_asked_to_end():
                _log.warning("what a request waited for was cancelled from within")
                failure = Unavailable(_CANCELLED)
            await problem.answer(failure, headers={"Connection": "close"})(scope, receive, noted)
        except Exception as error:
            _log_failure(error)
            if noted.status:
                raise
            failure = problem.known(error) or CustlogError()
            # What is left of the body was not read, so the connection cannot serve another request.
            response = problem.answer(
                failure,
                headers={"Connection": "close"} if failure.status in (401, 413) or isinstance(failure, Busy) else None,
            )
            await response(scope, receive, noted)
        finally:
            _record(scope, noted.status, time.perf_counter() - started)


class Limit:
    """Takes so many requests at once and answers the others Busy, so that a slow server costs no more than that.

    Health and metrics are always answered.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        if self._running >= self._most:
            raise Busy(f"This process is working on {self._most} requests already; send it again in a moment.")
        self._running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running -= 1


class Authenticate:
    """Lets in only requests with a valid token, before their body is read; sets request.state.caller."""

    def __init__(self, app: ASGIApp, verifier: Verifier) -> None:
        self._app = app
        self._verifier = verifier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            scope.setdefault("state", {})["caller"] = self._verifier.verify(_bearer(scope))
        await self._app(scope, receive, send)


def _is_asked_to_end() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _bearer(scope: Scope) -> str:
    credentials = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(credentials) != 1:
        raise Unauthenticated("Send one header: Authorization: Bearer <token>.")
    kind, _, token = credentials[0].partition(b" ")
    if kind.lower() != b"bearer":
        raise Unauthenticated("The Authorization header must be: Bearer <token>.")
    return str(token.strip().decode("latin-1"))


def _uuid(value: bytes) -> str | None:
    try:
        return str(uuid.UUID(value.decode())) if len(value) == 36 else None
    except ValueError:
        return None


def _log_failure(error: Exception) -> None:
    failure = problem.known(error)
    if failure is None:
        _log.error("request failed by a defect", exc_info=error)
    elif failure.status >= 500 and not isinstance(failure, Busy):
        _log.warning("request failed, a server does not answer", exc_info=error)


def operation_of(scope: Scope) -> str:
    """Method and route template of a request, once it has found its route."""
    return f"{_method(scope)} {_template(scope)}"


def _record(scope: Scope, status: int, seconds: float) -> None:
    method = _method(scope)
    route = _template(scope)
    metrics.HTTP_REQUESTS.labels(method, route, str(status)).inc()
    metrics.HTTP_SECONDS.labels(method, route).observe(seconds)
    if scope["path"] in OPEN_PATHS:
        return
    caller = scope.get("state", {}).get("caller")
    _log.info(
        "request answered",
        method=method,
        route=route,
        status=status,
        ms=round(seconds * 1000, 1),
        caller=caller.id if caller else None,
    )


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _template(scope: Scope) -> str:
    route: Any = scope.get("route")
    return str(getattr(route, "path", "unmatched"))
