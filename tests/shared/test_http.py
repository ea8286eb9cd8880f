"""The shell of a service, driven through its ASGI interface as a client would."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import aiokafka.errors
import eventsourcing.persistence
import httpx
import psycopg
import pymongo.errors
import pytest
import structlog
from fastapi import APIRouter, Depends, FastAPI, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from shared import errors
from shared.access.tokens import Caller, Verifier, issue, make_issuer
from shared.edge import Limit, Observe
from shared.http import Readiness, create_app, expected_version, require
from shared.log import configure, correlation
from shared.settings import Settings

CORRELATION = "0199a1b2-0000-7000-8000-000000000001"
FAILURES: dict[str, Exception] = {
    "missing": errors.NotFound("There is no customer 7."),
    "stale": errors.VersionConflict("The record moved on.", current=4),
    "busy": errors.Unavailable("PostgreSQL does not answer.", retry_after=3),
    "postgres": psycopg.OperationalError("connection to server at secret-host failed"),
    "mongo": pymongo.errors.ServerSelectionTimeoutError("secret-host"),
    "kafka": aiokafka.errors.KafkaConnectionError("secret-host"),
    "log": eventsourcing.persistence.OperationalError("secret-host"),
    "refused": ConnectionRefusedError("secret-host"),
    "defect": RuntimeError("secret detail"),
}


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    given_name: str
    born: date | None = None
    deep: Any = None


def _router() -> APIRouter:
    router = APIRouter()

    @router.post("/customers")
    async def create(body: Body, who: Annotated[Caller, Depends(require("customer.write"))]) -> dict[str, str | None]:
        return {"caller": who.id, "correlation": correlation()}

    @router.get("/customers/{customer}")
    async def read(customer: UUID) -> dict[str, str]:
        return {"customer": str(customer)}

    @router.put("/customers/{customer}")
    async def change(customer: UUID, version: Annotated[int, Depends(expected_version)]) -> dict[str, int]:
        return {"version": version}

    @router.post("/import")
    async def upload(request: Request) -> dict[str, int]:
        return {"bytes": sum([len(chunk) async for chunk in request.stream()])}

    @router.get("/fail/{how}")
    async def fail(how: str) -> None:
        raise FAILURES[how]

    return router


@pytest.fixture(scope="module", autouse=True)
def _logging_of_a_service() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    configure("customer", "ERROR")
    yield
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    root.handlers[:], root.level = before


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("issuer")
    make_issuer(folder)
    return folder


async def _ready() -> Readiness:
    return Readiness(ok=True, checks={"postgres": "ok"}, lag={"customer": 0})


def _app(issuer: Path, ready: Any = _ready) -> FastAPI:
    settings = Settings(service="customer", max_body_bytes=2048)
    return create_app(settings, Verifier.from_file(issuer / "jwks.json", "custlog", "custlog"), [_router()], ready)


def _client(app: FastAPI, token: str | None) -> httpx.AsyncClient:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://custlog", headers=headers)


@pytest.fixture
async def client(issuer: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with _client(_app(issuer), issue(issuer, "u1", ["sales"])) as client:
        yield client


@pytest.fixture
async def stranger(issuer: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with _client(_app(issuer), None) as client:
        yield client


def _is_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["status"], body["type"]) == (status, status, f"urn:custlog:problem:{code}")
    assert response.headers["content-type"] == "application/problem+json"
    assert body["correlation"] == response.headers["x-correlation-id"]
    return body


async def test_an_allowed_caller_reaches_the_operation(client: httpx.AsyncClient) -> None:
    response = await client.post("/customers", json={"given_name": "Ada"}, headers={"X-Correlation-Id": CORRELATION})

    assert response.json() == {"caller": "u1", "correlation": CORRELATION}
    assert response.headers["x-correlation-id"] == CORRELATION


@pytest.mark.parametrize("given", ["", "not-a-uuid", "x" * 36, CORRELATION + "\t1"])
async def test_a_correlation_id_that_is_no_uuid_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    response = await client.post("/customers", json={"given_name": "Ada"}, headers={"X-Correlation-Id": given})

    assert UUID(response.headers["x-correlation-id"]).version == 7


@pytest.mark.parametrize("path", ["/customers/1", "/nowhere", "/docs", "/health/ready/"])
async def test_without_a_token_nothing_is_told(stranger: httpx.AsyncClient, path: str) -> None:
    response = await stranger.get(path)

    _is_problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Basic dTE6", "Bearer", "Bearer a.b.c", "Bearer \xff\xfe"])
async def test_a_bad_authorization_header_is_refused(stranger: httpx.AsyncClient, header: str) -> None:
    response = await stranger.get("/customers/1", headers={b"Authorization": header.encode("latin-1")})

    _is_problem(response, 401, "unauthenticated")


async def test_a_caller_without_the_role_is_refused(issuer: Path) -> None:
    async with _client(_app(issuer), issue(issuer, "u2", ["viewer"])) as viewer:
        response = await viewer.post("/customers", json={"given_name": "Ada"})

    assert "customer.write" in _is_problem(response, 403, "forbidden")["detail"]


async def test_a_token_out_of_its_time_is_refused(issuer: Path) -> None:
    async with _client(_app(issuer), issue(issuer, "u1", ["sales"], timedelta(minutes=-5))) as late:
        _is_problem(await late.get("/customers/1"), 401, "unauthenticated")


async def test_wrong_fields_are_named_and_their_values_are_not(client: httpx.AsyncClient) -> None:
    response = await client.post("/customers", json={"born": "SECRET", "colour": "SECRET"})

    problem = _is_problem(response, 422, "invalid")
    assert {error["field"] for error in problem["errors"]} == {"given_name", "born", "colour"}
    assert "SECRET" not in response.text


@pytest.mark.parametrize("name", ["Ada Lovelace", "ada@example.org", "+49 30 1234567", "阿达", "Ada\n"])
async def test_a_field_that_does_not_look_like_one_is_not_named(client: httpx.AsyncClient, name: str) -> None:
    response = await client.post("/customers", json={"given_name": "Ada", name: 1})

    errors = _is_problem(response, 422, "invalid")["errors"]
    assert errors == [{"field": "*", "message": "There is no such field."}]


async def test_a_wrong_path_parameter_is_named(client: httpx.AsyncClient) -> None:
    response = await client.get("/customers/SECRET")

    assert _is_problem(response, 422, "invalid")["errors"][0]["field"] == "path.customer"
    assert "SECRET" not in response.text


@pytest.mark.parametrize(
    "body",
    [
        b'{"given_name": ',
        b'{"given_name": "\xff"}',
        b'{"given_name": "a\x00b"}',
        b'{"given_name": "a\\u0000b"}',
        b'{"given_name": "\\ud800"}',
        b'{"given_name": "a", "given_name": "b"}',
        b'{"deep": NaN}',
        b'{"deep": ' + b"[" * 33 + b"]" * 33 + b"}",
        b"[" * 1024,
        b'{"deep": ' + b"[" * 1000 + b"]" * 1000 + b"}",
    ],
    ids=["cut", "not utf-8", "nul", "escaped nul", "surrogate", "twice", "nan", "33 deep", "open", "1000 deep"],
)
async def test_unreadable_json_is_malformed(client: httpx.AsyncClient, body: bytes) -> None:
    response = await client.post("/customers", content=body, headers={"Content-Type": "application/json"})

    _is_problem(response, 400, "malformed")


@pytest.mark.parametrize("path", ["/customers/%00", "/customers/%ff", "/nowhere?q=%00", "/nowhere?q=%ff"])
async def test_an_unreadable_address_is_malformed(client: httpx.AsyncClient, path: str) -> None:
    _is_problem(await client.get(path), 400, "malformed")


async def _chunks() -> AsyncIterator[bytes]:
    for _ in range(5):
        yield b"x" * 1000


@pytest.mark.parametrize("path", ["/customers", "/import"])
@pytest.mark.parametrize("media", ["application/json", "text/csv"])
@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_over_the_limit_is_refused(
    client: httpx.AsyncClient, path: str, media: str, chunked: bool
) -> None:
    content = _chunks() if chunked else b"x" * 5000
    response = await client.post(path, content=content, headers={"Content-Type": media})

    _is_problem(response, 413, "too-large")


async def test_a_body_in_chunks_under_the_limit_arrives(client: httpx.AsyncClient) -> None:
    async def rows() -> AsyncIterator[bytes]:
        yield b"a,b\n"
        yield b"1,2\n"

    response = await client.post("/import", content=rows(), headers={"Content-Type": "text/csv"})

    assert response.json() == {"bytes": 8}


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
        {"Content-Type": "text/csv"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_a_media_type_nobody_reads_is_refused(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    _is_problem(await client.post("/customers", content=b"a", headers=headers), 415, "unsupported-media-type")


async def test_two_media_types_are_refused_so_that_no_body_escapes_the_checks(client: httpx.AsyncClient) -> None:
    both = [("Content-Type", "application/json"), ("Content-Type", "text/csv")]

    _is_problem(await client.post("/customers", content=b'{"name":"\\u0000"}', headers=both), 400, "malformed")


async def test_an_unknown_address_and_a_wrong_method_are_told(client: httpx.AsyncClient) -> None:
    _is_problem(await client.get("/nowhere"), 404, "not-found")
    response = await client.delete("/customers")
    _is_problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "POST"


async def test_a_change_needs_the_version_it_is_based_on(client: httpx.AsyncClient) -> None:
    address = f"/customers/{CORRELATION}"

    _is_problem(await client.put(address), 428, "version-required")
    _is_problem(await client.put(address, headers={"If-Match": "*"}), 400, "malformed")
    assert (await client.put(address, headers={"If-Match": '"3"'})).json() == {"version": 3}


async def test_a_version_conflict_tells_the_current_version(client: httpx.AsyncClient) -> None:
    response = await client.get("/fail/stale")

    assert _is_problem(response, 412, "version-conflict")["detail"] == "The record moved on."
    assert response.headers["etag"] == '"4"'


@pytest.mark.parametrize("how", ["postgres", "mongo", "kafka", "log", "refused"])
async def test_a_server_that_does_not_answer_means_retry(client: httpx.AsyncClient, how: str) -> None:
    response = await client.get(f"/fail/{how}")

    _is_problem(response, 503, "unavailable")
    assert response.headers["retry-after"] == "1"
    assert "secret" not in response.text


async def test_an_expected_failure_keeps_its_own_words_and_wait(client: httpx.AsyncClient) -> None:
    assert _is_problem(await client.get("/fail/missing"), 404, "not-found")["detail"] == "There is no customer 7."
    assert (await client.get("/fail/busy")).headers["retry-after"] == "3"


async def test_a_defect_tells_only_its_correlation_id(client: httpx.AsyncClient) -> None:
    response = await client.get("/fail/defect")

    assert set(_is_problem(response, 500, "internal")) == {"type", "title", "status", "correlation"}


async def test_health_is_open_and_says_what_is_wrong(issuer: Path) -> None:
    async def behind() -> Readiness:
        return Readiness(ok=False, checks={"kafka": "no answer"}, lag={"customer": 7}, parked=2)

    async with _client(_app(issuer, behind), None) as probe:
        assert (await probe.get("/health/live")).json() == {"status": "alive"}
        response = await probe.get("/health/ready")

    assert response.status_code == 503
    assert response.json() == {"ok": False, "checks": {"kafka": "no answer"}, "lag": {"customer": 7}, "parked": 2}


async def test_metrics_name_routes_and_never_addresses(client: httpx.AsyncClient) -> None:
    await client.get(f"/customers/{CORRELATION}")
    await client.get("/nowhere/else")
    text = (await client.get("/metrics")).text

    assert 'custlog_http_requests_total{method="GET",route="/customers/{customer}",status="200"}' in text
    assert 'route="unmatched",status="404"' in text
    assert CORRELATION not in text
    assert "/nowhere" not in text
    assert "process_resident_memory_bytes" in text


async def test_the_description_has_the_bearer_scheme_and_the_problems(stranger: httpx.AsyncClient) -> None:
    document = (await stranger.get("/openapi.json")).json()

    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    operation = document["paths"]["/customers"]["post"]
    assert operation["security"] == [{"HTTPBearer": []}]
    assert set(operation["responses"]) == {"200", "4XX", "5XX"}
    assert "Problem" in document["components"]["schemas"]
    assert "security" not in document["paths"]["/health/live"]["get"]


async def test_concurrent_requests_keep_their_own_correlation(client: httpx.AsyncClient) -> None:
    ids = [f"0199a1b2-0000-7000-8000-{number:012d}" for number in range(20)]
    responses = await asyncio.gather(
        *(client.post("/customers", json={"given_name": "Ada"}, headers={"X-Correlation-Id": id_}) for id_ in ids)
    )

    assert [response.json()["correlation"] for response in responses] == ids


async def test_more_requests_than_a_process_takes_are_turned_away_at_once_and_health_is_answered() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            entered.set()
            await release.wait()
        await PlainTextResponse("done")(scope, receive, send)

    app = Observe(Limit(slow, most=1))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        first = asyncio.create_task(client.get("/slow"))
        await entered.wait()

        refused = await client.get("/customers")
        health = await client.get("/health/live")
        release.set()
        done = await first
        again = await client.get("/customers")

    assert (refused.status_code, refused.json()["type"]) == (503, "urn:custlog:problem:busy")
    assert (refused.headers["Retry-After"], refused.headers["Connection"]) == ("1", "close")
    assert (health.status_code, done.status_code, again.status_code) == (200, 200, 200)
