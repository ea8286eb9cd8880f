"""The customer service on real databases, spoken to over HTTP with real tokens, without Kafka."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import psycopg
from psycopg import sql

from services.customer import api
from services.customer.application import Application
from shared.access.tokens import Verifier, issue, make_issuer
from shared.clock import SystemClock
from shared.eventlog.log import Log
from shared.events.envelope import Recorded
from shared.http import Readiness, create_app
from shared.ids import uuid7
from shared.settings import Settings
from tests.customer.examples import MARKERS, registration_body
from tests.support.logs import running_keyring, running_log

MAX_BODY = 64 * 1024


@dataclass
class Desk:
    """A running service and one client of it."""

    app: Any
    log: Log
    client: httpx.AsyncClient
    issuer: Path

    def token(self, *roles: str, user: str = "u1") -> dict[str, str]:
        return {"Authorization": f"Bearer {issue(self.issuer, user, roles)}"}

    async def post(self, path: str, body: Any, *, method: str = "POST", **headers: str) -> httpx.Response:
        """Sends JSON; header names are written with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(method, path, json=body, headers=sent)

    async def patch(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self.post(path, body, method="PATCH", **headers)

    async def register(self, **changes: Any) -> str:
        """The id of a new customer."""
        answer = await self.post("/customers", registration_body(**changes))
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def history(self, stream: str) -> list[Recorded]:
        return await self.log.load(stream)

    def head(self) -> int:
        return self.log.head()

    async def intake(
        self, content: bytes | AsyncIterator[bytes], *, source: str | None = None, media: str = "text/csv", **more: Any
    ) -> "File":
        """Sends a file and reads all answers."""
        headers = {"Content-Type": media, **more.pop("headers", {})}
        params = {"source": source or f"s{uuid7()[-8:]}", **more}
        answer = await self.client.post("/intake", params=params, content=content, headers=headers)
        if answer.is_error:
            return File(answer, [], answer.json())
        *rows, summary = [orjson.loads(line) for line in answer.content.splitlines()]
        return File(answer, rows, summary)

    @contextmanager
    def database_down(self, url: str, name: str) -> Iterator[None]:
        """Nobody gets into the log's database, and who is in is thrown out."""
        _let_in(url, name, open_to_all=False)
        try:
            yield
        finally:
            _let_in(url, name, open_to_all=True)


@dataclass
class File:
    """What came back for a file: the answer per row and the summary, or the problem that refused it."""

    answer: httpx.Response
    rows: list[dict[str, Any]]
    summary: dict[str, Any]

    @property
    def statuses(self) -> list[int]:
        return [row["status"] for row in self.rows]


def _let_in(url: str, name: str, *, open_to_all: bool) -> None:
    allow = sql.SQL("true" if open_to_all else "false")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(sql.Identifier(name), allow))
        if not open_to_all:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


def leaks(text: str | bytes) -> list[str]:
    """The personal values of our examples that stand in a text."""
    plain = text.decode(errors="replace") if isinstance(text, bytes) else text
    return [marker for marker in MARKERS if marker.lower() in plain.lower()]


def csv_file(rows: Iterable[Iterable[str]], header: str = "external_id,name") -> bytes:
    return "\n".join((header, *(",".join(row) for row in rows), "")).encode()


def ndjson_file(*rows: Any) -> bytes:
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


@asynccontextmanager
async def running_desk(postgres_url: str, keyring_url: str, folder: Path) -> AsyncIterator[Desk]:
    jwks = make_issuer(folder / "issuer")
    settings = Settings(service="customer", jwks_file=jwks, max_body_bytes=MAX_BODY)

    async def ready() -> Readiness:
        return Readiness(ok=True)

    with running_keyring(keyring_url, folder) as keyring, running_log("customer", postgres_url, keyring) as log:
        application = Application(log, SystemClock(), region="AU")
        app = create_app(
            settings,
            Verifier.from_file(jwks, "custlog", "custlog"),
            [api.routes(application), api.intake_routes(application)],
            ready,
            larger_bodies={api.INTAKE_PATH: 64 * 1024 * 1024},
        )
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://customer", timeout=60) as client:
            desk = Desk(app, log, client, folder / "issuer")
            client.headers.update(desk.token("admin"))
            yield desk
