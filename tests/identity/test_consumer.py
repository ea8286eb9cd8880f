"""The consumer on a real PostgreSQL: every record once, bad ones put aside, nothing lost."""

from __future__ import annotations

import pytest

from services.identity.matching import features
from shared.events import customer as facts
from shared.events.identity import NumberAssigned
from shared.subscription import Stop
from tests.identity.people import person
from tests.identity.world import World, customers

pytestmark = pytest.mark.server

ANN = person("Ann", "Lee", born="1980-02-03")


async def test_redelivered_records_change_nothing(world: World) -> None:
    ann, bob = customers(2)
    records = [world.topic.record(ann, ANN), world.topic.record(bob, ANN)]
    await world.consumer.handle(records)
    tables, events = world.tables(), world.data()

    plan = await world.consumer.handle(records)

    assert (plan.duplicates, plan.apply) == (2, [])
    assert (world.tables(), world.data()) == (tables, events)


async def test_reading_goes_on_at_the_stored_place(world: World) -> None:
    (ann,) = customers(1)
    record = world.topic.record(ann, ANN)
    place = (record.topic, record.partition)
    assert await world.consumer.resume([place]) == {place: None}

    await world.consumer.handle([record])

    assert await world.consumer.resume([place]) == {place: record.offset + 1}


@pytest.mark.parametrize("poison", [b"", b"\xff\x00", b"{}", b'{"id": 1}', b"[" * 5000])
async def test_a_poison_record_is_parked_and_the_others_are_taken(world: World, poison: bytes) -> None:
    ann, bob = customers(2)

    plan = await world.consumer.handle(
        [world.topic.raw(ann, poison), world.topic.record(bob, ANN), world.topic.record(ann, ANN)]
    )

    assert [parked.source.key for parked in plan.park] == [ann, ann]
    assert [event.customer for event in world.events()] == [bob]
    assert await world.consumer.parked() == (2, [ann])


async def test_two_poison_records_of_one_customer_park_both(world: World) -> None:
    (ann,) = customers(1)

    plan = await world.consumer.handle([world.topic.raw(ann, b"{"), world.topic.raw(ann, b"}")])

    assert len(plan.park) == 2


async def test_a_record_of_an_unknown_type_is_parked(world: World) -> None:
    (ann,) = customers(1)
    record = world.topic.record(ann, ANN)
    value = (record.value or b"").replace(b'"customer.registered"', b'"customer.reinvented"')

    plan = await world.consumer.handle([record, world.topic.raw(ann, value)])

    assert [parked.reason for parked in plan.park] == [
        "it is no record of ours: UnknownEvent: customer.reinvented.v1 is not in the catalogue of this build"
    ]


async def test_an_altered_record_is_parked_without_its_content_in_the_reason(world: World) -> None:
    (ann,) = customers(1)
    moved = world.topic.record(ann, ANN)
    value = (moved.value or b"").replace(b'"seq":1', b'"seq":2')

    await world.consumer.handle([moved])
    plan = await world.consumer.handle([world.topic.raw(ann, value)])

    (reason,) = [parked.reason for parked in plan.park]
    assert reason.startswith("it cannot be read: BadSeal: the sealed part of subject")
    assert "Ann" not in reason


async def test_a_record_under_the_key_of_another_customer_is_parked(world: World) -> None:
    ann, bob = customers(2)
    record = world.topic.record(ann, ANN)

    plan = await world.consumer.handle([record, world.topic.raw(bob, record.value or b"")])

    assert [parked.source.key for parked in plan.park] == [bob]


async def test_an_event_that_breaks_the_code_is_parked_and_redriven_once_it_is_mended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, bob = customers(2)

    def broken(*_: object) -> features.Features:
        raise KeyError("a defect")

    mended = dict(features.CHANGES)
    monkeypatch.setattr(features, "CHANGES", mended | {facts.BirthDateSet: broken})
    plan = await world.take((ann, ANN), (ann, facts.BirthDateSet(birth_date=None)), (bob, ANN))
    assert [parked.source.key for parked in plan.park] == [ann]
    assert await world.consumer.redrive() == {"applied": 0, "parked": 1}
    monkeypatch.undo()

    assert await world.consumer.redrive(ann) == {"applied": 1, "parked": 0}

    assert await world.consumer.parked() == (0, [])
    assert len([event for event in world.data() if isinstance(event, NumberAssigned)]) == 2


async def test_too_many_parked_records_stop_the_consumer_and_nothing_is_taken(world: World) -> None:
    poison = [world.topic.raw(customer, b"{") for customer in customers(6)]

    with pytest.raises(Stop, match="6 records would be parked, 5 are allowed"):
        await world.consumer.handle(poison)

    assert await world.consumer.parked() == (0, [])
    assert await world.consumer.resume([(poison[0].topic, poison[0].partition)]) == {
        (poison[0].topic, poison[0].partition): None
    }


async def test_a_log_that_disagrees_with_the_tables_stops_the_consumer(world: World) -> None:
    ann, again = customers(2)
    await world.take((ann, ANN))
    with world.log.transaction() as tx:
        tx.cursor.execute("DELETE FROM profiles")
        tx.cursor.execute("DELETE FROM members")

    with pytest.raises(Stop, match="Rebuild"):
        await world.take((ann, facts.BirthDateSet(birth_date=None)), (again, ANN))
