"""Requests that are refused, taken note of at the edge of a service, and who asked according to a request."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from shared import log
from shared.access.journal import Access, Journal
from shared.access.tokens import Caller
from shared.edge import StatusNoted, operation_of
from shared.errors import CustlogError, Unauthenticated
from shared.events.access import ANONYMOUS, CommandRefused, LoginFailed
from shared.events.envelope import Actor
from shared.ids import uuid7

CHANNEL = "api"
PURPOSE = "service"
"""What a request that names no channel or purpose is recorded with."""
_CODE = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.:\-]{0,63}")
_QUESTIONS = frozenset({"GET", "HEAD", "OPTIONS"})


def access_of(scope: Scope) -> Access:
    """Who asks by this request, what for, and which operation. Of a caller who proved to be nobody nothing is taken."""
    caller: Caller | None = scope.get("state", {}).get("caller")
    correlation = log.correlation() or uuid7()
    if caller is None:
        return Access(Actor(id=ANONYMOUS, kind="user"), CHANNEL, PURPOSE, correlation, operation_of(scope))
    headers = dict(scope["headers"])
    return Access(
        Actor(id=caller.id, kind=caller.kind),
        _code(headers.get(b"custlog-channel", b"")) or CHANNEL,
        _code(headers.get(b"custlog-purpose", b"")) or PURPOSE,
        correlation,
        operation_of(scope),
    )


class TellRefusals:
    """ASGI middleware: the journal gets requests without a valid token, commands refused for good (a status of 4xx),
    and questions that were forbidden."""

    def __init__(self, app: ASGIApp, journal: Journal, service: str) -> None:
        self._app = app
        self._journal = journal
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        noted = StatusNoted(send)
        try:
            await self._app(scope, receive, noted)
        except CustlogError as error:
            self._tell(scope, error.status, error)
            raise
        self._tell(scope, noted.status, scope.get("state", {}).get("refused"))

    def _tell(self, scope: Scope, status: int, error: CustlogError | None) -> None:
        if isinstance(error, Unauthenticated):
            self._journal.refused(access_of(scope), LoginFailed(reason=error.reason, count=1))
        elif status == 403 or (400 <= status < 500 and scope["method"] not in _QUESTIONS):
            access = access_of(scope)
            refusal = CommandRefused(
                service=self._service,
                operation=access.operation,
                status=status,
                problem="unknown" if error is None else error.code,
                count=1,
            )
            self._journal.refused(access, refusal)


def _code(header: bytes) -> str | None:
    return header.decode() if _CODE.fullmatch(header) else None
