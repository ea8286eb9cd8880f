"""Files of customers over HTTP, on a real PostgreSQL."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from services.customer.intake.importing import GROUP_ROWS
from shared.events import customer as events
from shared.ids import uuid7
from tests.customer.desk import Desk, csv_file, leaks, ndjson_file, running_desk

pytestmark = pytest.mark.server

NDJSON = "application/x-ndjson"


def people(count: int) -> bytes:
    return csv_file((str(n), f"Person {n}") for n in range(count))


async def test_every_row_is_answered_in_order_and_counted(desk: Desk) -> None:
    count = 2 * GROUP_ROWS + 7
    file = await desk.intake(people(count))

    assert [row["row"] for row in file.rows] == list(range(1, count + 1))
    assert set(file.statuses) == {201}
    assert file.summary == {
        "rows": count,
        "created": count,
        "repeated": 0,
        "refused": 0,
        "unavailable": 0,
        "dry_run": False,
    }
    assert len({row["id"] for row in file.rows}) == count


async def test_a_row_becomes_the_customer_it_describes(desk: Desk) -> None:
    header = (
        "external_id,given_name,family_name,birth_date,phone,email,address_1,locality,id_type,id_value,tags,segment"
    )
    row = 'x1,Mia,"O""Neil, jr",19800229,0412 987 654;0412 987 655,mia@Example.org,"1 High St\nFlat 2",Perth,,,a;b,gold'
    source = f"s{uuid7()[-8:]}"
    refused = await desk.intake(f"{header}\r\n{row}\r\n".encode(), source=source)
    assert refused.rows[0]["errors"][0]["field"] == "address"

    file = await desk.intake(f"\ufeff{header}\r\n{row}\r\n".replace("St\nFlat", "St Flat").encode(), source=source)
    (recorded,) = await desk.history(f"customer-{file.rows[0]['id']}")
    data = recorded.data
    assert isinstance(data, events.CustomerRegistered)
    assert (data.source, data.external_id, recorded.channel) == (source, "x1", "import")
    assert data.name == events.Name(full='Mia O"Neil, jr', given="Mia", family='O"Neil, jr')
    assert isinstance(data.contact_points, tuple)
    assert [point.value for point in data.contact_points] == ["+61412987654", "+61412987655", "mia@example.org"]
    assert (data.tags, data.classification) == (("a", "b"), {"segment": "gold"})


class TestRepeating:
    async def test_a_file_creates_nothing_twice(self, desk: Desk) -> None:
        source = f"s{uuid7()[-8:]}"
        first = await desk.intake(people(20), source=source)
        head = desk.head()
        again = await desk.intake(people(20), source=source)

        assert set(again.statuses) == {200}
        assert [row["id"] for row in again.rows] == [row["id"] for row in first.rows]
        assert again.summary["repeated"] == 20
        assert desk.head() == head

    async def test_two_of_the_same_file_at_once_create_everything_once(self, desk: Desk) -> None:
        source = f"s{uuid7()[-8:]}"
        head = desk.head()
        files = await asyncio.gather(*(desk.intake(people(300), source=source) for _ in range(2)))

        assert desk.head() == head + 300
        assert Counter(status for file in files for status in file.statuses) == {201: 300, 200: 300}

    async def test_a_changed_row_is_refused_with_the_holder(self, desk: Desk) -> None:
        source = f"s{uuid7()[-8:]}"
        first = await desk.intake(csv_file([["1", "Mia"]]), source=source)
        changed = await desk.intake(csv_file([["1", "Mia Zanzibarra"], ["2", "Bo"]]), source=source)

        assert changed.statuses == [409, 201]
        assert changed.rows[0]["id"] == first.rows[0]["id"]
        assert not leaks(changed.answer.content)

    async def test_a_row_that_came_another_way_is_refused_with_the_holder(self, desk: Desk) -> None:
        source = f"s{uuid7()[-8:]}"
        customer = await desk.register(source=source, external_id="1")
        file = await desk.intake(csv_file([["1", "Mia"]]), source=source)

        assert (file.statuses, file.rows[0]["id"]) == ([409], customer)

    async def test_a_row_that_is_in_the_file_twice_is_created_once(self, desk: Desk) -> None:
        file = await desk.intake(csv_file([["1", "Mia"], ["1", "Mia"], ["1", "Bo"]]))

        assert file.statuses == [201, 200, 409]

    async def test_rows_without_an_id_need_a_key(self, desk: Desk) -> None:
        content = b"name\nMia\nBo\n"
        without = await desk.intake(content)
        key = {"Idempotency-Key": uuid7()}
        first = await desk.intake(content, source="shop", headers=key)
        again = await desk.intake(content, source="shop", headers=key)

        assert without.statuses == [422, 422]
        assert without.rows[0]["errors"][0]["field"] == "external_id"
        assert (first.statuses, again.statuses) == ([201, 201], [200, 200])
        assert [row["id"] for row in first.rows] == [row["id"] for row in again.rows]


class TestDryRun:
    async def test_stores_nothing_and_tells_what_would_be(self, desk: Desk) -> None:
        source = f"s{uuid7()[-8:]}"
        await desk.intake(csv_file([["1", "Mia"], ["2", "Bo"]]), source=source)
        head = desk.head()
        content = csv_file([["1", "Mia"], ["2", "Other"], ["3", "New"], ["4", ""]])
        file = await desk.intake(content, source=source, dry_run="true")

        assert file.statuses == [200, 409, 201, 422]
        assert file.summary["dry_run"]
        assert desk.head() == head


class TestBadRows:
    async def test_are_refused_and_the_others_go_on(self, desk: Desk) -> None:
        rows = [
            b"1,Mia,1980-01-01,",
            b"2,Zanzi\xff\xfebarra,,",
            b"3,Zanzi\0barra,,",
            b"4,Zanzibarra,1980-02-30,",
            b"5,Zanzibarra",
            b"6,Zanzibarra,,not a phone",
            b"7," + b"Zanzibarra" * 10_000 + b",,",
            b'8,"Zanzi" barra",,',
            b"9,Bo,,",
            b"10,\xe2\x80\xaeZanzibarra,,",
        ]
        file = await desk.intake(b"external_id,name,birth_date,phone\n" + b"\n".join(rows) + b"\n")

        by_row = {row["row"]: row for row in file.rows}
        assert [by_row[n]["status"] for n in (1, 2, 3, 4, 5, 6, 7, 9, 10)] == [
            201, 400, 422, 422, 400, 422, 400, 201, 422,
        ]  # fmt: skip
        assert [by_row[n]["errors"][0]["field"] for n in (2, 3, 4, 5, 6, 7)] == [
            "row", "name", "birth_date", "row", "phone", "row",
        ]  # fmt: skip
        assert not leaks(file.answer.content)

    async def test_of_ndjson_are_refused_and_the_others_go_on(self, desk: Desk) -> None:
        good = {"kind": "person", "name": "Mia", "external_id": "1"}
        wrong: list[Any] = [
            {**good, "external_id": "2", "nickname": "Zanzibarra"},
            {**good, "external_id": "3", "source": "another"},
            ["Zanzibarra"],
            {**good, "external_id": "4", "name": {"full": {"a": "Zanzibarra"}}},
        ]
        broken = [b'{"name": "Zanzibarra\n', b'{"a":' + b"[" * 40 + b"]" * 40 + b"}\n", b'{"a":1,"a":2}\n']
        content = ndjson_file(good, *wrong) + b"\n" + b"".join(broken) + ndjson_file({**good, "external_id": "9"})
        file = await desk.intake(content, media=NDJSON)

        assert file.statuses == [201, 422, 400, 400, 422, 400, 400, 400, 201]
        assert not leaks(file.answer.content)

    @pytest.mark.parametrize(
        ("content", "status"),
        [
            (b"", 400),
            (b"external_id,nickname\n1,Zanzibarra\n", 422),
            (b"1,Zanzibarra\n", 422),
            (b"external_id\n1\n", 422),
            (b"name,name\nMia,Zanzibarra\n", 422),
            (b"\xff\xfen\0a\0m\0e\0\n\0", 400),
            (b'"name\nZanzibarra\n', 400),
            (b"n" * 70_000 + b"\n", 400),
        ],
        ids=["empty", "unknown column", "no header", "no name", "twice", "UTF-16", "open quote", "long header"],
    )
    async def test_of_a_header_refuse_the_file(self, desk: Desk, content: bytes, status: int) -> None:
        head = desk.head()
        file = await desk.intake(content)

        assert file.answer.status_code == status
        assert not leaks(file.answer.content)
        assert desk.head() == head

    @pytest.mark.parametrize("params", [{}, {"source": "a b"}, {"source": "crm", "dry_run": "perhaps"}])
    async def test_an_address_without_a_right_source_refuses_the_file(self, desk: Desk, params: dict[str, str]) -> None:
        answer = await desk.client.post(
            "/intake", params=params, content=b"name\nMia\n", headers={"Content-Type": "text/csv"}
        )

        assert answer.status_code == 422


async def test_a_file_may_be_larger_than_a_body(desk: Desk) -> None:
    content = csv_file((str(n), "Mia " + "x" * 150) for n in range(1500))
    assert len(content) > 64 * 1024 * 3

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(content), 1000):
            yield content[at : at + 1000]

    file = await desk.intake(chunks())
    assert file.summary["created"] == 1500


async def test_a_database_that_goes_away_answers_503_per_row_and_the_file_can_be_sent_again(
    postgres_url: Callable[[str], str], keyring_url: str, servers: Any, tmp_path: Path
) -> None:
    url = postgres_url("customer")
    name = url.partition("?")[0].rpartition("/")[2]
    content = people(4 * GROUP_ROWS)
    half = len(content) // 2
    async with running_desk(url, keyring_url, tmp_path) as desk:

        async def chunks() -> AsyncIterator[bytes]:
            yield content[:half]
            await reached(desk, GROUP_ROWS)
            with desk.database_down(servers.postgres, name):
                yield content[half:]
                yield b"x,Last\n"
                # The answers are complete when the generator is left, so the database stays away until then.
                await asyncio.sleep(0)

        first = await desk.intake(chunks(), source="crm")
        again = await desk.intake(content, source="crm")

        assert first.summary["rows"] == 4 * GROUP_ROWS + 1
        assert first.summary["created"] + first.summary["unavailable"] == first.summary["rows"]
        assert first.summary["unavailable"] > 0
        assert again.summary["created"] + again.summary["repeated"] == 4 * GROUP_ROWS
        assert desk.head() == 4 * GROUP_ROWS


async def reached(desk: Desk, head: int) -> None:
    deadline = time.monotonic() + 30
    while desk.head() < head:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
