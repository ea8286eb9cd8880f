"""Poison, parking and re-drive, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import orjson
import pytest

from shared.events.customer import BirthDateSet
from shared.streaming import BEHIND, Headers
from shared.subscription import Stop
from tests.notifications.bench import Bench, Handed
from tests.notifications.bench import bench as running_bench

pytestmark = pytest.mark.server
PLANNED, CANCELLED = "reminder.planned", "reminder.cancelled"


def altered(record: Handed, **fields: object) -> Handed:
    """The record with other content in its value."""
    assert record.value is not None
    return replace(record, value=orjson.dumps(orjson.loads(record.value) | fields))


def without_predecessor(record: Handed) -> Headers:
    """The headers of a record that is the first one of its partition."""
    return [(name, b"0" if name == "prev" else content) for name, content in record.headers]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda record: replace(record, value=b"\xff\x00 no json"), id="no JSON"),
        pytest.param(lambda record: altered(record, v=99), id="unknown version"),
        pytest.param(lambda record: altered(record, data={"kind": "robot"}), id="breaks its contract"),
        pytest.param(lambda record: altered(record, seq=77), id="moved seal"),
        pytest.param(lambda record: altered(record, customer="not a uuid"), id="no customer id"),
        pytest.param(lambda record: altered(record, sealed={"x": 1}), id="broken seal"),
        pytest.param(lambda record: replace(record, value=None), id="no value"),
    ],
)
async def test_poison_parks_with_later_records_of_its_key_and_others_flow(
    bench: Bench, spoil: Callable[[Handed], Handed]
) -> None:
    first = await bench.register(date(1980, 3, 1))
    second = await bench.register(date(1980, 3, 1))
    await bench.tell(first, BirthDateSet(birth_date=date(1980, 5, 1)))
    poison, healthy, behind = bench.customers.news()

    plan = await bench.consumer.handle([spoil(poison), healthy, behind])

    assert await bench.told(second) == [PLANNED]
    assert await bench.told(first) == []
    assert await bench.consumer.parked() == (2, [first])
    assert plan.park[1].reason == BEHIND


async def test_a_parked_key_is_applied_in_order_once_it_can_be(bench: Bench) -> None:
    customer = await bench.register(date(1980, 3, 1))
    await bench.tell(customer, BirthDateSet(birth_date=date(1980, 5, 1)))
    poison, behind = bench.customers.news()
    await bench.consumer.handle([altered(poison, v=99), behind])

    assert await bench.consumer.redrive() == {"applied": 0, "parked": 2}

    def repair() -> None:
        with bench.log.transaction() as tx:
            tx.cursor.execute("UPDATE inbox_parked SET value = %s WHERE position = 1", (poison.value,))

    await bench.log.in_thread(repair)
    assert await bench.consumer.redrive(customer) == {"applied": 2, "parked": 0}
    assert await bench.told(customer) == [PLANNED, CANCELLED, PLANNED]


async def test_records_of_unknown_types_concern_nobody_here(bench: Bench) -> None:
    await bench.register(date(1980, 3, 1))
    (record,) = bench.customers.news()

    plan = await bench.consumer.handle([altered(record, type="customer.teleported")])

    assert plan.park == []
    assert await bench.events() == []


async def test_an_older_membership_never_replaces_a_newer_one(bench: Bench) -> None:
    a, b, c = [await bench.register(date(1980, 3, 1)) for _ in range(3)]
    await bench.link(a, c)
    await bench.link(b, c)
    older, newer = bench.identities.news()

    # Two partitions, so that both orders can occur.
    await bench.consumer.handle([replace(newer, partition=1, offset=0, headers=without_predecessor(newer))])
    await bench.consumer.handle([replace(older, partition=0)])

    def read() -> str:
        with bench.log.transaction() as tx:
            tx.cursor.execute("SELECT identity::text FROM members WHERE customer = %s", (c,))
            row = tx.cursor.fetchone()
        assert row is not None
        return str(row["identity"])

    assert await bench.log.in_thread(read) == b


async def test_too_many_parked_records_stop_the_consumer_and_leave_the_batch(
    empty: Callable[[str], str], tmp_path: Path
) -> None:
    with running_bench(empty, tmp_path, parked_cap=1) as bench:
        for _ in range(2):
            await bench.register(date(1980, 3, 1))
        records = bench.customers.news()

        with pytest.raises(Stop, match="re-drive"):
            await bench.consumer.handle([altered(record, v=99) for record in records])

        assert await bench.consumer.parked() == (0, [])
        assert (await bench.consumer.handle(list(records))).duplicates == 0


async def test_the_consumer_goes_on_where_its_store_says(bench: Bench) -> None:
    await bench.register(date(1980, 3, 1))
    (record,) = bench.customers.news()
    place = (record.topic, record.partition)

    assert await bench.consumer.resume([place]) == {place: None}
    await bench.consumer.handle([record])
    assert await bench.consumer.resume([place]) == {place: 1}
