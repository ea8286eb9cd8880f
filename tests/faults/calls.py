"""Calls to the services of a system that may be anywhere, or nowhere: every call ends in a moment, in an answer or not.

A call never raises but CancelledError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httptools
import orjson

from deploy.embedded.home import Home, Running
from shared.access.tokens import issue
from shared.ids import uuid7
from tests.faults.exchange import exchange
from tests.faults.operation import USERS, Body, Operation
from tests.faults.queries import shown

SECONDS = 8.0
"""So long a call may take altogether."""
TOKEN_LIFE = timedelta(days=30)


@dataclass(slots=True)
class Told:
    """What a call came to. `status` is None without an answer, `why` says what is unknown and why, or is empty."""

    status: int | None = None
    why: str = ""
    code: str = ""
    answer: Any = None
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def unknown(self) -> bool:
        return bool(self.why)

    @property
    def ok(self) -> bool:
        return not self.why and self.status is not None and self.status < 400


class Addresses:
    """Where the services are now, read again whenever the supervisor wrote it anew."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._file = home.data / "state.json"
        self._written = 0
        self._services: Mapping[str, Running] = {}

    def url(self, service: str) -> str | None:
        """None if the service is not there."""
        try:
            written = self._file.stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if written != self._written:
            state = self._home.read_state()
            self._services, self._written = (state.services if state else {}), written
        there = self._services.get(service)
        return there.url if there else None


class Calls:
    """What the users of the load send, each call on a connection of its own: a fault breaks no call but its own."""

    def __init__(self, home: Home) -> None:
        self._addresses = Addresses(home)
        self._keys = home.keys
        self._tokens: dict[str, str] = {}

    async def send(self, operation: Operation, body: Body, key: str) -> Told:
        """One attempt."""
        told = Told()
        try:
            async with asyncio.timeout(SECONDS):
                await self._exchange(operation, body, key, told)
        except (OSError, EOFError, httptools.HttpParserError, orjson.JSONDecodeError) as error:
            # What was answered so far does not tell the end.
            told.status, told.why = None, type(error).__name__
        return told

    async def _exchange(self, operation: Operation, body: Body, key: str, told: Told) -> None:
        url = self._addresses.url(operation.service)
        if url is None:
            told.why = "no such service now"
            return
        is_file = operation.op == "import"
        content = b"\n".join(map(orjson.dumps, body["rows"])) if is_file else orjson.dumps(body)
        said = bytearray()
        rows = _Rows(told, said) if is_file else None
        headers = self._headers(operation, key)
        told.status = await exchange(
            operation.method, f"{url}{operation.path}", headers, content, rows.feed if rows else said.extend
        )
        if rows and told.status < 400:
            _judge_rows(told, len(body["rows"]))
            return
        told.answer = orjson.loads(said) if said else None
        if operation.method == "GET" and told.status < 400:
            # What it says of people stays out of the history.
            told.answer = {"correlation": headers["X-Correlation-Id"], "shown": shown(told.answer)}
        if told.status >= 500:
            told.why = _code(told.answer)
        elif told.status >= 400:
            told.code = _code(told.answer)

    def _headers(self, operation: Operation, key: str) -> dict[str, str]:
        headers = {
            "X-Correlation-Id": uuid7(),
            "Authorization": f"Bearer {self._token(operation.user)}",
            "Idempotency-Key": key,
            "Content-Type": "application/x-ndjson" if operation.op == "import" else "application/json",
        }
        if operation.expect is not None:
            headers["If-Match"] = f'"{operation.expect}"'
        return headers

    def _token(self, user: str) -> str:
        if user not in self._tokens:
            self._tokens[user] = issue(self._keys, user, USERS[user].roles, ttl=TOKEN_LIFE, kind=USERS[user].kind)
        return self._tokens[user]


class _Rows:
    """Takes the answer to a file as it comes: what was answered before a fault is known."""

    def __init__(self, told: Told, rest: bytearray) -> None:
        self._told = told
        self._rest = rest

    def feed(self, part: bytes) -> None:
        *lines, self._rest[:] = (self._rest + part).split(b"\n")
        for line in lines:
            row = orjson.loads(line)
            if "status" in row and "row" in row:
                taken = {name: row[name] for name in ("row", "status", "id", "version") if name in row}
                self._told.rows.append(taken)


def _judge_rows(told: Told, sent: int) -> None:
    told.answer = {"rows": len(told.rows)}
    if len(told.rows) != sent:
        told.why = f"{len(told.rows)} of {sent} rows were answered"
    elif any(row["status"] >= 500 for row in told.rows):
        told.why = "some rows are to be sent again"


def _code(problem: Any) -> str:
    return str(problem.get("type", "")).rpartition(":")[2] if isinstance(problem, dict) else "no problem said"
