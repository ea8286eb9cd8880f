"""What a list of reminders costs: about as much as the page that it answers, however many there are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest

from services.projections.views.agenda import AGENDA, STATES, listed
from services.projections.views.view import Document
from shared.privacy.keyring import Keyring
from tests.projections.stage import views_in

pytestmark = pytest.mark.server

REMINDERS = 3_650
FIRST = date(2026, 1, 1)
LIMIT = 20


@pytest.fixture(scope="module")
async def year(mongo_url: str, keyring: Keyring) -> AsyncIterator[Any]:
    """Ten reminders on every day of a year: birthdays, of which few are over, and a few tasks of somebody's."""
    async with views_in(mongo_url, keyring) as application:
        store: Any = application.store
        created = await store.create([AGENDA], "year")
        collection = store.database[created["agenda"]]
        await collection.insert_many([_reminder(number) for number in range(REMINDERS)])
        yield collection


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"state": "planned"},
        {"state": "fired"},
        {"state": "cancelled"},
        {"assignee": "u7"},
        {"assignee": "u7", "state": "planned"},
        {"assignee": "nobody"},
        {"first": "2026-06-01", "last": "2026-06-01", "state": "planned"},
        {"after": ("2026-09-01", "00500")},
        {"after": ("2026-09-01", "00500"), "first": "2026-02-01", "state": "planned"},
    ],
    ids=str,
)
async def test_a_page_reads_hardly_more_than_it_answers(year: Any, asked: dict[str, Any]) -> None:
    filters = {"first": None, "last": None, **asked}
    cursor = year.find(listed(filters.pop("first"), filters.pop("last"), **filters))

    explained = await cursor.sort([("local_date", 1), ("_id", 1)]).limit(LIMIT).explain()

    read = explained["executionStats"]["totalDocsExamined"]
    assert read <= 3 * LIMIT, explained["queryPlanner"]["winningPlan"]


async def test_every_reminder_stands_on_one_page(year: Any) -> None:
    seen, after = [], None
    while rows := await _page(year, after):
        seen += [row["_id"] for row in rows]
        after = (rows[-1]["local_date"], rows[-1]["_id"])

    assert seen == [f"{number:05}" for number in range(REMINDERS)]


async def _page(year: Any, after: tuple[str, str] | None) -> list[Document]:
    cursor = year.find(listed(None, None, after=after)).sort([("local_date", 1), ("_id", 1)]).limit(500)
    rows: list[Document] = await cursor.to_list(None)
    return rows


def _reminder(number: int) -> Document:
    state = STATES[1] if number % 400 == 0 else STATES[0]
    return {
        "_id": f"{number:05}",
        "customer": f"c{number}",
        "local_date": (FIRST + timedelta(days=number // 10)).isoformat(),
        "assignee": "u7" if number % 100 == 1 else None,
        "state": state,
    }
