"""No text, number or list that somebody sends is too much for the identity service, and none of it comes back.

Every operation of its OpenAPI document is tried, with each field of its body, each parameter and each header in turn.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from services.identity.main import Service
from services.identity.numbering.rulebook import DEFAULT_RULE
from shared.access.tokens import issue, make_issuer
from shared.ids import uuid7
from shared.problem import MEDIA_TYPE
from shared.settings import Settings
from tests.identity.numbering_rules import REGION
from tests.identity.people import person
from tests.identity.world import World, customers, running_world

pytestmark = pytest.mark.server

CANARY = "Zanzibarra"
ROLES = ["manager", "operator"]
SIMPLE: Mapping[str, Any] = {"string": "DE", "integer": 1, "boolean": False, "object": {"region": "DE"}}
OPEN = ("/health", "/metrics")
TEXTS: Mapping[str, Any] = {
    "a NUL": f"{CANARY}\0",
    "a NUL alone": "\0",
    "half a pair": f"{CANARY}\ud800",
    "the other half": "\udc00",
    "empty": "",
    "blank": " ",
    "a name": CANARY,
    "a line break": f"{CANARY}\n",
    "a megabyte": CANARY * 100_000,
}
VALUES: Mapping[str, Any] = {
    **TEXTS,
    "10,000 texts": [CANARY] * 10_000,
    "400 digits": 10**400,
    "400 digits below": -(10**400),
    "20 digits": 10**20,
    "a fraction": 0.5,
    "-1": -1,
    "true": True,
    "null": None,
    "a list": [CANARY],
    "an object": {"nickname": CANARY},
    "a key that is no name": {f"{CANARY} Quokka": f"{CANARY} Quokka"},
}
ADDRESSES: Mapping[str, str] = {
    **{name: quote(text, errors="surrogatepass") for name, text in TEXTS.items() if len(text) < 1_000},
    "a kilobyte": CANARY * 100,
    "bytes": f"{CANARY}%FF",
    "400 digits": "9" * 400,
    "20 digits": "9" * 20,
    "-1": "-1",
}


@dataclass(frozen=True)
class Operation:
    """One operation of the document: its parameters by place, and a body that it understands."""

    method: str
    path: str
    parameters: Mapping[str, Mapping[str, str]]
    body: Any


NO_PARAMETERS: Mapping[str, Mapping[str, str]] = {"path": {}, "query": {}, "header": {}}
BULK = Operation("POST", "/assertions/bulk", NO_PARAMETERS, None)


class Prober:
    """Sends what is wrong to a service, and keeps what it should not have answered."""

    def __init__(self, client: httpx.AsyncClient, token: str, ids: Mapping[str, Any]) -> None:
        self._client = client
        self._token = token
        self.ids = ids
        self.faults: list[str] = []

    async def operations(self) -> list[Operation]:
        document = (await self._client.get("/openapi.json")).json()
        schemas = document["components"]["schemas"]
        return [
            self._operation(method.upper(), path, described, schemas)
            for path, methods in document["paths"].items()
            for method, described in methods.items()
            if not path.startswith(OPEN)
        ]

    def _operation(self, method: str, path: str, described: Any, schemas: Any) -> Operation:
        parameters: dict[str, dict[str, str]] = {"path": {}, "query": {}, "header": {}}
        for each in described.get("parameters", ()):
            parameters[each["in"]][each["name"]] = str(sample(each["schema"], schemas, self.ids, each["name"]))
        content = described.get("requestBody", {}).get("content", {})
        body = sample(content["application/json"]["schema"], schemas, self.ids) if content else None
        return Operation(method, path, parameters, body)

    async def send_csv(self, what: str, text: bytes) -> list[dict[str, Any]]:
        """The rows of the answer to a file of assertions; none if all of it is refused."""
        answer = await self.send(what, BULK, headers={"content-type": "text/csv"}, body=text)
        told: list[dict[str, Any]] = answer.json()["rows"] if answer.is_success else []
        for row in told:
            if row["status"] >= 500 or CANARY in json.dumps(row):
                self.faults.append(f"{what}: {row}")
        return told

    async def send(
        self,
        what: str,
        operation: Operation,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> httpx.Response:
        """Sends a request whose other parts are sound, and takes note of an answer as nobody should get it."""
        given = operation.parameters
        address = operation.path.format(**{**given["path"], **(path or {})})
        asked = {**given["query"], **(query or {})}
        whole = address + "?" * bool(asked) + "&".join(f"{name}={value}" for name, value in asked.items())
        # Each is a command of its own, or the answer to the first would be given to all.
        own = {"idempotency-key": uuid7(), "authorization": f"Bearer {self._token}", "content-type": "application/json"}
        sent = {**given["header"], **own, **(headers or {})}
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        raw = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
        answer = await self._client.request(operation.method, whole, content=content, headers=raw)
        self._judge(f"{operation.method} {operation.path}: {what}", answer)
        return answer

    def _judge(self, what: str, answer: httpx.Response) -> None:
        problem = answer.status_code >= 400
        if answer.status_code >= 500:
            self.faults.append(f"{what}: answered {answer.status_code}")
        if problem and answer.headers.get("Content-Type") != MEDIA_TYPE:
            self.faults.append(f"{what}: {answer.status_code} is no problem but {answer.headers.get('Content-Type')}")
        if problem and CANARY.lower() in answer.text.lower():
            self.faults.append(f"{what}: repeats the value: {answer.text[:300]}")


@pytest.fixture
async def prober(postgres_url: Callable[[str], str], keyring_url: str, tmp_path: Path) -> AsyncIterator[Prober]:
    url = postgres_url("identity")
    with running_world(url, keyring_url, tmp_path) as world:
        ids = await given_sound(world)
    service = Service(
        settings_of(tmp_path, postgres_url=url, keyring_url=keyring_url, access_url=postgres_url("access"))
    )
    async with service.running():
        transport = httpx.ASGITransport(service.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://identity") as client:
            yield Prober(client, issue(tmp_path / "issuer", "u1", ROLES), ids)


def settings_of(folder: Path, **urls: str) -> Settings:
    """Those of a service on these databases; nothing of it goes to Kafka here."""
    (kek_file,) = folder.glob("kek-*.json")
    issuer = make_issuer(folder / "issuer")
    return Settings.model_validate(
        {"service": "identity", "kafka": "127.0.0.1:9", "kek_file": kek_file, "jwks_file": issuer, **urls}
    )


async def given_sound(world: World) -> dict[str, Any]:
    """Two customers, and for fields of these names what leads to them or is taken as it stands."""
    ann, bob = customers(2)
    await world.take((ann, person("Ann", "Lee")), (bob, person("Bob", "Ray")))
    return {
        "a": ann,
        "b": bob,
        "customer": ann,
        "request_id": uuid7(),
        "lease": uuid7(),
        "rules": [REGION.model_dump(mode="json"), DEFAULT_RULE.model_dump(mode="json")],
        "rule": REGION.id,
        "expires": "2999-01-01T00:00:00Z",
        "effective_from": "2999-01-01T00:00:00Z",
        "as_of": "2020-01-01T00:00:00Z",
        "overrule": True,
        "review_id": 1,
        "after": 0,
    }


def sample(schema: Any, schemas: Any, ids: Mapping[str, Any], name: str = "") -> Any:
    """Something that fits: all fields of an object, one item of a list, and what is given for fields of a name."""
    if name in ids:
        return ids[name]
    while "$ref" in schema or "anyOf" in schema:
        schema = schema["anyOf"][0] if "anyOf" in schema else schemas[schema["$ref"].rpartition("/")[2]]
    if "properties" in schema:
        return {field: sample(inner, schemas, ids, field) for field, inner in schema["properties"].items()}
    if schema["type"] == "array":
        return [sample(schema["items"], schemas, ids)]
    return schema.get("const") or schema.get("enum", [SIMPLE[schema["type"]]])[0]


def places(body: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The body itself, and every field and item within it."""
    yield at
    inner = body.items() if isinstance(body, dict) else enumerate(body[:2]) if isinstance(body, list) else ()
    for name, part in inner:
        yield from places(part, (*at, name))


def put(body: Any, at: tuple[Any, ...], value: Any) -> Any:
    """The body with another value at a place."""
    if not at:
        return value
    changed = deepcopy(body)
    inner = changed
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = value
    return changed


def part(body: Any, at: tuple[Any, ...]) -> Any:
    for name in at:
        body = body[name]
    return body


@pytest.mark.slow
async def test_no_value_in_a_body_is_too_much_and_none_is_repeated(prober: Prober) -> None:
    operations = [each for each in await prober.operations() if each.body is not None]
    for operation in operations:
        understood = await prober.send("as it should be", operation, body=operation.body)
        assert understood.status_code not in (400, 415, 422), (operation, understood.text)
        for at in places(operation.body):
            for name, value in VALUES.items():
                if value == CANARY and at[-1:] in (("id",), ("rule",)):
                    continue  # whoever writes rules is told which of them is meant, by its id
                await prober.send(f"{name} in {at}", operation, body=put(operation.body, at, value))
            found = part(operation.body, at)
            await prober.send(f"{at} 10,000 times", operation, body=put(operation.body, at, [found] * 10_000))
            if isinstance(found, dict):
                for name, value in VALUES.items():
                    more = found | {"nickname": value}
                    await prober.send(f"{name} in {at} more", operation, body=put(operation.body, at, more))
            if isinstance(found, list) and found:
                await prober.send(f"10,000 in {at}", operation, body=put(operation.body, at, found[:1] * 10_000))

    assert not prober.faults, "\n".join(prober.faults)


async def test_no_value_in_an_address_is_too_much_and_none_is_repeated(prober: Prober) -> None:
    for operation in await prober.operations():
        for name, text in ADDRESSES.items():
            for parameter in operation.parameters["path"]:
                await prober.send(f"{name} as {parameter}", operation, path={parameter: text}, body=operation.body)
            for parameter in (*operation.parameters["query"], "nickname"):
                await prober.send(f"{name} as {parameter}", operation, query={parameter: text}, body=operation.body)

    assert not prober.faults, "\n".join(prober.faults)


async def test_no_value_in_a_header_is_too_much_and_none_is_repeated(prober: Prober) -> None:
    for operation in await prober.operations():
        for header in (*operation.parameters["header"], "content-type", "x-correlation-id", "accept", "authorization"):
            for value in ("text/csv", CANARY, "", " ", CANARY * 1_000, f"{CANARY}\xff\xe9", "\xc3(", "9" * 400):
                what = f"{value[:20]!r} as {header}"
                await prober.send(what, operation, headers={header: value}, body=operation.body)

    assert not prober.faults, "\n".join(prober.faults)


async def test_no_cell_of_a_file_is_too_much_and_none_is_repeated(prober: Prober) -> None:
    sound = {"says": "same", "a": prober.ids["a"], "b": prober.ids["b"], "reason": "seen", "expires": "", "alone": ""}
    columns = ",".join(sound).encode()
    cells = {name: text.encode(errors="surrogatepass") for name, text in TEXTS.items()}
    for name, cell in {**cells, "bytes": b"\xff\xfe"}.items():
        for column in sound:
            row = {each: text.encode() for each, text in sound.items()} | {column: b'"' + cell + b'"'}
            await prober.send_csv(f"{name} as {column}", columns + b"\n" + b",".join(row.values()))
        await prober.send_csv(f"{name} as a column", columns + b',"' + cell + b' of"\nsame,,,,,,x')
        await prober.send_csv(f"{name} alone", cell)
    (told,) = await prober.send_csv("as it should be", columns + b"\n" + ",".join(sound.values()).encode())

    assert told["status"] == 200
    assert not prober.faults, "\n".join(prober.faults)
