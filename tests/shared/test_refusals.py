"""What the edge of a service takes note of: failed logins, refused commands, forbidden questions, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends
from pydantic import BaseModel

from shared import errors
from shared.access.journal import Journal
from shared.access.recording import Recording
from shared.access.tokens import Caller, Verifier, issue, make_issuer
from shared.eventlog.mapper import Record, parse
from shared.events.access import ANONYMOUS, about_actor
from shared.http import Readiness, create_app, require
from shared.ids import uuid7
from shared.settings import Settings
from tests.support.memory_log import MemoryKeyring, MemoryLog


class Body(BaseModel):
    age: int


def _router() -> APIRouter:
    router = APIRouter()

    @router.post("/customers/{ref}/age")
    async def change(ref: str, body: Body, who: Annotated[Caller, Depends(require("customer.write"))]) -> None:
        raise {"taken": errors.Conflict("It is taken."), "away": errors.Unavailable("It is away.")}[ref]

    @router.get("/customers/{ref}")
    async def read(ref: str, who: Annotated[Caller, Depends(require("customer.read"))]) -> None:
        raise errors.NotFound("There is none.")

    return router


class Edge:
    """An application with a journal in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = MemoryLog("access")
        self.journal = Journal(self.log)
        verifier = Verifier.from_file(make_issuer(folder), "custlog", "custlog")
        app = create_app(Settings(service="customer"), verifier, [_router()], _ready, journal=self.journal)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://custlog")

    async def send(self, method: str, path: str, body: Any = None, *, token: str | None = "", **headers: str) -> int:
        """The status; without a token the caller is somebody who may sell."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token or issue(self.folder, 'u1', ['sales'])}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await self.client.request(method, path, json=body, headers=named)).status_code

    async def noted(self) -> list[Record]:
        await self.journal.flush()
        return [parse(stored.state) for stored in self.log.read(0, 1000)]


async def _ready() -> Readiness:
    return Readiness(ok=True)


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    made = Edge(tmp_path)
    async with made.client:
        yield made


async def test_a_refused_command_is_noted_with_its_operation_and_problem(edge: Edge) -> None:
    correlation = uuid7()

    assert await edge.send(
        "POST", "/customers/taken/age", {"age": 1}, X_Correlation_Id=correlation, Custlog_Purpose="sale"
    ) == 409  # fmt: skip

    (event,) = await edge.noted()
    assert event.data == {
        "service": "customer",
        "operation": "POST /customers/{ref}/age",
        "status": 409,
        "problem": "conflict",
        "count": 1,
    }
    assert (event.actor.id, event.customer, event.correlation) == ("u1", about_actor("u1"), correlation)
    assert (event.channel, event.purpose) == ("api", "sale")


async def test_a_body_that_breaks_its_model_and_an_unknown_address_are_refusals_too(edge: Edge) -> None:
    await edge.send("POST", "/customers/taken/age", {"age": "Canary"})
    await edge.send("POST", "/nothing/Canary", {})
    await edge.send("DELETE", "/customers/Canary")

    events = await edge.noted()

    assert {(event.data["operation"], event.data["problem"]) for event in events} == {
        ("POST /customers/{ref}/age", "invalid"),
        ("POST unmatched", "not-found"),
        ("DELETE /customers/{ref}", "method-not-allowed"),
    }
    assert all(b"Canary" not in stored.state for stored in edge.log.read(0, 10))


async def test_a_forbidden_question_is_noted(edge: Edge) -> None:
    assert await edge.send("GET", "/customers/1", token=issue(edge.folder, "op", ["operator"])) == 403

    (event,) = await edge.noted()
    assert (event.type, event.data["status"], event.data["problem"]) == ("access.command_refused", 403, "forbidden")


async def test_what_is_not_found_or_fails_by_a_server_is_no_refusal(edge: Edge) -> None:
    assert await edge.send("GET", "/customers/1") == 404
    assert await edge.send("POST", "/customers/away/age", {"age": 1}) == 503
    assert await edge.send("GET", "/health/live", token=None) == 200

    assert await edge.noted() == []


async def test_failed_logins_are_added_up_by_their_reason_and_tell_nothing_that_the_caller_wrote(edge: Edge) -> None:
    forged = issue(edge.folder, "u1", ["admin"])[:-4] + "AAAA"
    for _ in range(3):
        await edge.send("POST", "/customers/1/age", {"age": 1}, token=None, Custlog_Purpose="Canary")
    await edge.send("GET", "/customers/1", token="Canary")
    await edge.send("GET", "/customers/1", token=forged)

    events = await edge.noted()

    assert {(event.data["reason"], event.data["count"]) for event in events} == {
        ("no-token", 3),
        ("not-a-token", 1),
        ("BadSignatureError", 1),
    }
    assert {(event.actor.id, event.customer) for event in events} == {(ANONYMOUS, about_actor(ANONYMOUS))}
    assert all(b"Canary" not in stored.state for stored in edge.log.read(0, 10))


async def test_an_alarm_of_a_sequencer_is_noted(edge: Edge) -> None:
    recording = Recording(Settings(service="customer"), MemoryKeyring())
    recording.journal = edge.journal

    recording.alarm("customer")("hole", "Position 7 is missing.")

    (event,) = await edge.noted()
    assert event.data == {"log": "customer", "kind": "hole", "sentence": "Position 7 is missing."}


async def test_without_an_access_log_nothing_is_recorded_and_nothing_runs() -> None:
    recording = Recording(Settings(service="customer"), MemoryKeyring())

    recording.open()
    await recording.close()

    assert not recording.tasks()
    assert not recording.questions()
