"""What a search of the directory costs: a name that nobody has reads nothing, however many people there are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.projections.views.directory import DIRECTORY, new_member
from services.projections.views.directory_keys import search
from services.projections.views.view import Document
from shared.privacy.keyring import Keyring
from tests.projections.stage import views_in

pytestmark = pytest.mark.server

PEOPLE = 3_000
LIMIT = 20


@pytest.fixture(scope="module")
async def people(mongo_url: str, keyring: Keyring) -> AsyncIterator[Any]:
    """Everybody has a family name of its own, and one of three given names."""
    async with views_in(mongo_url, keyring) as application:
        store: Any = application.store
        created = await store.create([DIRECTORY], "people")
        collection = store.database[created["directory"]]
        await collection.insert_many([_document(number) for number in range(PEOPLE)])
        yield collection


@pytest.mark.parametrize("name", ["nobody", "obod", "f02999x", "ada nobody"])
@pytest.mark.parametrize("inside", [False, True])
async def test_a_name_that_nobody_has_costs_nothing(people: Any, name: str, *, inside: bool) -> None:
    assert await _read(people, name, inside=inside) <= LIMIT


@pytest.mark.parametrize(("name", "found"), [("02999", 1), ("da", LIMIT), ("da 0299", 3)])
async def test_a_part_of_a_word_is_found_by_reading_a_page(people: Any, name: str, found: int) -> None:
    rows = await people.find(search(name=name, inside_words=True)).sort("_id", 1).limit(LIMIT).to_list(None)

    assert len(rows) == found
    assert await _read(people, name, inside=True) <= 4 * LIMIT


async def _read(people: Any, name: str, *, inside: bool) -> int:
    """How many documents were read for a page."""
    cursor = people.find(search(name=name, inside_words=inside)).sort("_id", 1).limit(LIMIT)
    explained = await cursor.explain()
    return int(explained["executionStats"]["totalDocsExamined"])


def _document(number: int) -> Document:
    customer = f"{number:05}"
    member = {**new_member(customer), "words": [("ada", "ben", "eve")[number % 3], f"f{customer}"]}
    document: Document = {"_id": customer, "members": [member]}
    DIRECTORY.finish(document)
    return document
