"""The addresses under which operators see parked records and apply them again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from shared.access.tokens import Verifier, issue, make_issuer
from shared.http import Readiness, create_app
from shared.parking import parking
from shared.settings import Settings

asked: list[str | None] = []


async def parked() -> tuple[int, list[str]]:
    return 2, ["a"]


async def redrive(key: str | None) -> dict[str, int]:
    asked.append(key)
    return {"applied": 1, "parked": 1}


async def ready() -> Readiness:
    return Readiness(ok=True)


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., httpx.AsyncClient]:
    verifier = Verifier.from_file(make_issuer(tmp_path), "custlog", "custlog")
    app = create_app(Settings(service="identity"), verifier, [parking(parked, redrive)], ready)

    def client(role: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {issue(tmp_path, 'u1', [role])}"}
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service", headers=headers)

    return client


async def test_operators_see_what_is_parked_and_redrive_all_or_one_key(ask: Callable[..., httpx.AsyncClient]) -> None:
    asked.clear()
    async with ask("operator") as http:
        shown = await http.get("/ops/parked")
        answers = [await http.post("/ops/redrive", json=body) for body in (None, {}, {"key": "a"})]

    assert shown.json() == {"parked": 2, "keys": ["a"]}
    assert [answer.json() for answer in answers] == [{"applied": 1, "parked": 1}] * 3
    assert asked == [None, None, "a"]


async def test_nobody_else_may_and_unknown_fields_are_refused(ask: Callable[..., httpx.AsyncClient]) -> None:
    async with ask("sales") as http:
        assert (await http.get("/ops/parked")).status_code == 403
        assert (await http.post("/ops/redrive")).status_code == 403
    async with ask("operator") as http:
        assert (await http.post("/ops/redrive", json={"keys": ["a"]})).status_code == 422
