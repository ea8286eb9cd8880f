"""Each bad input gets its clear error, stores nothing, and nobody's data stands in the answer."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from shared.access.tokens import issue, make_issuer
from shared.ids import uuid7
from tests.customer.desk import MAX_BODY, Desk, leaks, running_desk
from tests.customer.examples import registration_body

pytestmark = pytest.mark.server

PERSON = registration_body(
    name={"full": "Mia Zanzibarra"},
    phones=["0412987654"],
    emails=["zanzi@example.org"],
    address={"lines": ["Quokkastrasse 1"]},
    identifiers=[{"type": "tax", "value": "TFN99887766"}],
)


def person(**changes: Any) -> bytes:
    return orjson.dumps({**PERSON, **changes})


WRONG_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"kind": 7}, "kind"),
    ({"kind": "Zanzibarra"}, "kind"),
    ({"name": 7}, "name"),
    ({"name": {"full": "Zanzibarra\u202e"}}, "name"),
    ({"name": "Zanzibarra" * 30}, "name.full"),
    ({"nickname": "Zanzibarra"}, "nickname"),
    ({"address": {"planet": "Quokkastrasse"}}, "address.planet"),
    ({"birth_date": "Zanzibarra"}, "birth_date"),
    ({"birth_date": 315532800}, "birth_date"),
    ({"phones": ["Zanzibarra"]}, "phones.0"),
    ({"emails": ["zanzi@example.org", "Zanzibarra"]}, "emails.1"),
    ({"tags": ["Zanzi barra"]}, "tags.0"),
    ({"tags": ["t"] * 51}, "tags"),
    ({"source": "Zanzi barra"}, "source"),
    ({"identifiers": [{"type": "tax"}]}, "identifiers.0.value"),
    ({"occurred_at": "2999-01-01T00:00:00Z"}, "occurred_at"),
    ({"classification": {"Zanzi barra": "x"}}, "classification"),
]


@pytest.mark.parametrize(
    ("change", "field"), WRONG_FIELDS, ids=[f"{at}-{field}" for at, (_, field) in enumerate(WRONG_FIELDS)]
)
async def test_a_wrong_field_is_named(desk: Desk, change: dict[str, Any], field: str) -> None:
    answer = await refused(desk, 422, "/customers", person(**change))

    assert any(error["field"].startswith(field) for error in answer["errors"]), answer


UNREADABLE = {
    "invalid UTF-8": person().replace(b"Mia", b"\xff\xfe"),
    "NUL": person().replace(b"Mia", b"\\u0000"),
    "a raw NUL": person().replace(b"Mia", b"\0"),
    "a lone surrogate": person().replace(b"Mia", b"\\ud800"),
    "deep JSON": b'{"name":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "JSON of 33 levels": b'{"name":' + b"[" * 33 + b"]" * 33 + b"}",
    "a field twice": person().replace(b'"kind"', b'"name":"Zanzibarra","kind"'),
    "NaN": person().replace(b'"person"', b"NaN"),
    "no JSON": b"Zanzibarra",
    "half a JSON": person()[:-9],
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_an_unreadable_body_is_refused(desk: Desk, body: bytes) -> None:
    await refused(desk, 400, "/customers", body)


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"Zanzibarra"', b""])
async def test_a_body_that_is_no_object_is_refused(desk: Desk, body: bytes) -> None:
    await refused(desk, 422, "/customers", body)


async def test_an_oversize_body_is_refused(desk: Desk) -> None:
    await refused(desk, 413, "/customers", person(name="Zanzibarra" * MAX_BODY))
    await refused(desk, 413, "/customers", chunked(person(name="Zanzibarra" * MAX_BODY)))


async def test_another_media_type_is_refused(desk: Desk) -> None:
    await refused(desk, 415, "/customers", person(), Content_Type="text/csv")
    await refused(desk, 415, "/customers", person(), Content_Type="text/html")
    await refused(desk, 415, "/intake?source=crm", person())


async def test_a_bad_token_is_refused(desk: Desk, tmp_path: Path) -> None:
    make_issuer(tmp_path)
    forged = issue(tmp_path, "u1", ["admin"])
    for token in (forged, "", "Zanzibarra", "a.b.c", forged[:-4] + "AAAA"):
        await refused(desk, 401, "/customers", person(), Authorization=f"Bearer {token}")
        await refused(desk, 401, "/intake?source=crm", b"name\nZanzibarra\n", Authorization=f"Bearer {token}")


async def test_a_role_that_may_not_write_is_refused(desk: Desk) -> None:
    for role in ("viewer", "auditor", "operator"):
        await refused(desk, 403, "/customers", person(), **desk.token(role))
        await refused(desk, 403, "/intake?source=crm", b"name\nZanzibarra\n", **desk.token(role))
    await refused(desk, 403, "/intake?source=crm", b"name\nZanzibarra\n", **desk.token("sales"))


@pytest.mark.parametrize(
    "path",
    ["/customers/{}/tag", "/customers/{}/orders", "/customers/{}/archive", "/orders/{}/pay", "/tickets/{}/reopen"],
)
async def test_an_unknown_customer_order_or_ticket_is_not_found(desk: Desk, path: str) -> None:
    bodies = {
        "tag": {"add": ["a"]},
        "orders": {"reference": "A", "currency": "EUR", "total": "1"},
        "pay": {"amount": "1", "method": "card"},
    }
    body = bodies.get(path.rpartition("/")[2], {"reason": "x"})
    await refused(desk, 404, path.format(uuid7()), orjson.dumps(body))


async def test_a_relationship_to_an_unknown_customer_names_its_field(desk: Desk) -> None:
    customer = await desk.register()
    body = orjson.dumps({"other": uuid7(), "role": "spouse"})
    answer = await refused(desk, 422, f"/customers/{customer}/add-relationship", body)

    assert answer["errors"][0]["field"] == "other"


async def test_an_id_is_a_uuid(desk: Desk) -> None:
    await refused(desk, 422, "/customers/Zanzibarra/tag", b'{"add":["a"]}')


@pytest.mark.parametrize(
    "headers",
    [{"Idempotency_Key": "k" * 201}, {"Custlog_Channel": "Zanzi barra"}, {"Custlog_Purpose": "x" * 65}],
)
async def test_a_wrong_header_is_named(desk: Desk, headers: dict[str, str]) -> None:
    answer = await refused(desk, 422, "/customers", person(), **headers)

    assert answer["errors"][0]["field"].startswith("header.")


async def test_an_absent_database_is_told_at_once_and_nothing_is_half_done(
    postgres_url: Callable[[str], str], keyring_url: str, servers: Any, tmp_path: Path
) -> None:
    url = postgres_url("customer")
    name = url.partition("?")[0].rpartition("/")[2]
    async with running_desk(url, keyring_url, tmp_path) as desk:
        customer = await desk.register()
        head = desk.head()
        with desk.database_down(servers.postgres, name):
            for path, body in (
                ("/customers", PERSON),
                (f"/customers/{customer}/tag", {"add": ["a"]}),
                ("/intake?source=crm", None),
            ):
                started = time.monotonic()
                content = b"external_id,name\n1,Zanzibarra\n" if body is None else orjson.dumps(body)
                media = "text/csv" if body is None else "application/json"
                answer = await desk.client.post(path, content=content, headers={"Content-Type": media})
                assert answer.status_code == 503, answer.text
                assert int(answer.headers["Retry-After"]) >= 1
                assert not leaks(answer.content)
                assert time.monotonic() - started < 30
        assert (await desk.register()) != customer
        assert desk.head() == head + 1


async def chunked(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), 9999):
        yield body[at : at + 9999]


async def refused(
    desk: Desk, status: int, path: str, body: bytes | AsyncIterator[bytes], **headers: str
) -> dict[str, Any]:
    head = desk.head()
    media = "text/csv" if path.startswith("/intake") and body[:4] == b"name" else "application/json"  # type: ignore[index]
    sent = {"Content-Type": media, **{name.replace("_", "-"): value for name, value in headers.items()}}
    answer: httpx.Response = await desk.client.post(path, content=body, headers=sent)

    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert not leaks(answer.content)
    assert not leaks(str(answer.headers))
    assert desk.head() == head
    problem: dict[str, Any] = answer.json()
    assert problem["correlation"] == answer.headers["X-Correlation-Id"]
    return problem
