"""What stewards send over HTTP, and what they are told, on tables in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.identity.steward_api import assertions
from shared.access.tokens import Verifier, issue, make_issuer
from shared.http import Readiness, create_app
from shared.settings import Settings
from tests.identity.test_stewardship import Desk
from tests.support.memory import in_memory


@pytest.fixture(autouse=True, scope="module")
def _stand_ins() -> Iterator[None]:
    with in_memory():
        yield


class Office:
    """A desk with an address."""

    def __init__(self, client: httpx.AsyncClient, issuer: Path, desk: Desk) -> None:
        self.desk = desk
        self._client = client
        self._issuer = issuer

    async def send(self, *lines: str) -> httpx.Response:
        """Lines of CSV, where customers stand by their places."""
        token = issue(self._issuer, "ann", ["manager"])
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/csv"}
        text = "\n".join(lines).format(*self.desk.ids)
        return await self._client.post("/assertions/bulk", content=text.encode(), headers=headers)

    async def rows(self, *lines: str) -> list[dict[str, Any]]:
        answer = await self.send("says,a,b,reason,expires", *lines)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["rows"]
        return found


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async def ready() -> Readiness:
        return Readiness(ok=True)

    desk = Desk(4)
    verifier = Verifier.from_file(make_issuer(tmp_path / "issuer"), "custlog", "custlog")
    app = create_app(Settings(service="identity"), verifier, [assertions(desk.stewardship)], ready)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://identity") as client:
        yield Office(client, tmp_path / "issuer", desk)


async def test_a_row_with_a_cell_too_many_is_refused_and_those_beside_it_are_answered(office: Office) -> None:
    rows = await office.rows("same,{0},{1},seen", "same,{1},{2},seen,,too many", "never,{0},{3},seen")

    assert [row["status"] for row in rows] == [200, 422, 200]
    assert rows[1]["detail"] == "it has more cells than the first line names columns"
    assert office.desk.groups() == {frozenset({0, 1})}


async def test_a_row_with_a_nul_is_refused_and_those_beside_it_are_answered(office: Office) -> None:
    rows = await office.rows("same,{0},{1},seen", "same,{1},{2},se\0en", "never,{0},{3},seen")

    assert [row["status"] for row in rows] == [200, 422, 200]
    assert rows[1]["detail"] == "it holds a NUL character; remove it"


async def test_a_row_that_is_wrong_names_its_columns_and_none_that_looks_like_no_name(office: Office) -> None:
    answer = await office.send("says,a,b,reason,Ann Lee", "same,{0},x,seen,7")

    (row,) = answer.json()["rows"]
    assert (row["status"], row["detail"]) == (422, "these are missing or wrong: *, b")


async def test_a_row_says_whether_it_was_recorded_and_whether_it_changed_anything(office: Office) -> None:
    rows = await office.rows("same,{0},{1},seen", "never,{0},{3},seen", "same,{1},{0},seen")

    assert [(row["recorded"], row["changed"]) for row in rows] == [(True, True), (True, False), (False, False)]


async def test_a_row_that_is_over_already_is_refused_with_a_sentence(office: Office) -> None:
    (row,) = await office.rows("same,{0},{1},seen,2020-01-01T00:00:00Z")

    assert (row["status"], "over already" in row["detail"]) == (422, True)
    assert office.desk.groups() == set()


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("says,a,b,reason", "there are no rows below the line that names the columns"),
        ("says,a,b", "the first line must name the columns; reason is missing"),
        ("", "the first line must name the columns; a, b, reason, says is missing"),
    ],
)
async def test_a_file_without_rows_or_columns_is_refused_with_what_is_missing(
    office: Office, header: str, detail: str
) -> None:
    answer = await office.send(header)

    assert (answer.status_code, answer.json()["detail"]) == (422, detail)
