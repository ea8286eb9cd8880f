"""Another system that a person is taken over into: the customer service over HTTP, its log in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson

from deploy import subject
from deploy.client import Client
from deploy.embedded.home import Home
from deploy.following import At
from deploy.taking_over import LeftOut, Row, Sender
from services.customer import api
from services.customer.application import Application
from shared.access.tokens import Verifier, make_issuer
from shared.clock import SystemClock
from shared.events.envelope import Recorded
from shared.http import Readiness, create_app
from shared.settings import Settings
from tests.support.memory_log import MemoryLog


class Inside(Client):
    """A client of services that have no address."""

    def url(self, service: str, path: str) -> str:
        return f"http://{service}{path}"


@dataclass
class Other:
    """The system, and clients of it as `custlog import` has them."""

    log: MemoryLog
    client: Client
    looking: Client

    async def take(self, packed: bytes) -> list[LeftOut]:
        """Imports an export: its rows, and what follows them. What was left out."""
        rows: dict[At, Row] = {}
        watermark = subject.watermark_of(packed)
        for source, content in subject.intake_files(packed).items():
            headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": watermark}
            answer = await self.client.http.post(
                self.client.url("customer", "/intake"),
                params={"source": source},
                content=content,
                headers=self.client.headers(headers),
            )
            *told, _ = [orjson.loads(line) for line in answer.content.splitlines()]
            assert all(row["status"] in (200, 201) for row in told), told
            rows |= {(source, row["row"]): Row(row["id"], row["version"]) for row in told}
        sender = Sender(self.client, self.looking, watermark, rows)
        return await sender.send(enumerate(subject.following(packed), 1))

    async def streams(self) -> dict[str, list[Recorded]]:
        """All streams by name, in the order in which they began."""
        names = dict.fromkeys(note.originator_id for note in self.log.read(0, self.log.head()))
        return {str(name): await self.log.load(str(name)) for name in names}


@asynccontextmanager
async def other_system(folder: Path) -> AsyncIterator[Other]:
    """An empty one; `folder` keeps its token issuer."""
    home = Home.at(folder / "other")
    jwks = make_issuer(home.keys)

    async def ready() -> Readiness:
        return Readiness(ok=True)

    log = MemoryLog("customer")
    application = Application(log, SystemClock())
    app = create_app(
        Settings(service="customer", jwks_file=jwks),
        Verifier.from_file(jwks, "custlog", "custlog"),
        [api.routes(application), api.intake_routes(application)],
        ready,
        larger_bodies={api.INTAKE_PATH: 64 * 1024 * 1024},
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, timeout=60) as http:
        client = Inside(home, "importer", ("import", "manager"), http)
        yield Other(log, client, Inside(home, "importer", ("viewer",), http))
