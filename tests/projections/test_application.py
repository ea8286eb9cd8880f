"""Batches into a real MongoDB: equal to the fold, once each, whole or not at all."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pytest

from services.projections import application as applying
from services.projections.application import Application
from services.projections.store import ALIASES, Incomplete, OtherEpoch, Store
from services.projections.views import VIEWS
from services.projections.views.directory import name_of
from services.projections.views.numbers import NUMBERS
from shared.decoding import Decoded
from shared.epoch import Mark, new_epoch
from shared.errors import Unavailable
from shared.events.customer import CustomerErased, Tagged
from shared.events.envelope import Recorded
from shared.events.identity import Linked, Move, NumberAssigned
from shared.events.notifications import ReminderPlanned
from shared.ids import uuid7
from shared.inbox_mongo import POSITIONS
from shared.mongo import Driver
from shared.privacy.keyring import Keyring
from shared.streaming import Source
from shared.subscription import Stop
from tests.projections.stage import ANN, BEN, CARL, TOPICS, Wire, differences, failing, sources, views_in
from tests.projections.test_any_order import a_history
from tests.support.events import History, an_id, customer_registered

REMINDER = ReminderPlanned(
    reminder_id=uuid7(),
    kind="birthday",
    due_at=datetime(2026, 3, 1, 8, tzinfo=UTC),
    local_date=date(2026, 3, 1),
    zone="UTC",
    note="Secretname",
)
pytestmark = pytest.mark.server
each_driver = pytest.mark.parametrize("driver", ["motor", "pymongo"])


@each_driver
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_views_equal_the_fold_of_the_logs(
    mongo_url: str, keyring: Keyring, driver: Driver, seed: int
) -> None:
    wire = Wire(keyring)
    records = wire.put(a_history(seed, 150))
    chance = random.Random(seed)
    async with views_in(mongo_url, keyring, driver=driver) as application:
        while records:
            size = chance.randint(1, 40)
            batch, records = records[:size], records[size:]
            await application.take(sources(batch))
        assert await differences(application, wire.events()) == []


async def test_a_customer_who_is_moved_while_another_instance_first_meets_them_stands_in_one_place(
    mongo_url: str, keyring: Keyring
) -> None:
    wire = Wire(keyring)
    told = History().tell(ANN, customer_registered("Ann")).tell(BEN, customer_registered("Ben"))
    told.tell(ANN, Linked(a=ANN, b=BEN, evidence=("e",), decided_by="r", moves=(Move(customer=BEN, identity=ANN),)))
    records = wire.put(told.events)
    ann, ben, link = (
        [record for record in records if (record.topic, record.key) == (topic, customer.encode())]
        for topic, customer in (("customer.events", ANN), ("customer.events", BEN), ("identity.events", ANN))
    )
    async with (
        views_in(mongo_url, keyring) as one,
        views_in(mongo_url, keyring, database=one.store.database.name) as two,
    ):
        await one.take(sources(ann))
        load, interrupted = one.store.load, False

        async def interrupt(*given: Any) -> Any:
            nonlocal interrupted
            loaded = await load(*given)
            if not interrupted:
                interrupted = True
                await two.take(sources(ben))
            return loaded

        one.store.load = interrupt  # type: ignore[assignment, method-assign]
        await one.take(sources(link))
        assert interrupted
        assert await differences(one, wire.events()) == []


async def test_records_that_come_again_change_nothing(mongo_url: str, keyring: Keyring) -> None:
    wire = Wire(keyring)
    records = wire.put(a_history(4, 40))
    async with views_in(mongo_url, keyring) as application:
        await application.take(sources(records[:30]))
        again = await application.take(sources(records))
        assert again.duplicates == 30
        assert await differences(application, wire.events()) == []


@each_driver
async def test_two_owners_of_a_partition_apply_each_record_once(
    mongo_url: str, keyring: Keyring, driver: Driver
) -> None:
    wire = Wire(keyring)
    batch = sources(wire.put(a_history(5, 60)))
    async with views_in(mongo_url, keyring, driver=driver) as application:
        done = await asyncio.gather(*(application.take(batch) for _ in range(3)))
        assert sorted(len(plan.apply) for plan in done) == [0, 0, len(batch)]
        assert await differences(application, wire.events()) == []


async def test_a_poison_record_parks_its_customer_and_nobody_else(mongo_url: str, keyring: Keyring) -> None:
    wire = Wire(keyring)
    told = History().tell(ANN, customer_registered("Ann")).tell(BEN, customer_registered("Ben"))
    told.tell(ANN, Tagged(added=("x",)))
    ann, ben, tagged = told.events
    records = [wire.poison(ann), *wire.put([ben]), *wire.put([tagged])]
    async with views_in(mongo_url, keyring) as application:
        plan = await application.take(sources(records))
        assert [source.key for source in plan.apply] == [BEN]
        assert await application.parked() == (2, [ANN])
        assert await application.redrive() == {"applied": 0, "parked": 2}


@pytest.mark.parametrize(
    "value",
    [b"", b"\xff", b"[]", b'{"log":"customer"}', b"\x00", b"[" * 10_000],
    ids=["empty", "no UTF-8", "a list", "fields missing", "NUL", "deep"],
)
async def test_whatever_a_record_holds_it_parks(mongo_url: str, keyring: Keyring, value: bytes) -> None:
    wire = Wire(keyring)
    record = wire.poison(History().tell(ANN, customer_registered()).events[0], value)
    async with views_in(mongo_url, keyring) as application:
        await application.take([record.source])
        assert (await application.parked())[0] == 1


async def test_a_record_of_another_log_or_key_parks(mongo_url: str, keyring: Keyring) -> None:
    told = History().tell(ANN, customer_registered()).tell(ANN, NumberAssigned(number="K-1", rule="r", serial=1))
    registered, number = (record.source for record in Wire(keyring).put(told.events))
    async with views_in(mongo_url, keyring) as application:
        astray = number._replace(topic=registered.topic, name=registered.name)
        foreign = registered._replace(key=BEN, position=2, prev=1, offset=1)
        plan = await application.take([astray, foreign])
        assert plan.apply == []
        assert (await application.parked())[0] == 2


async def test_a_failing_fold_parks_the_event_and_a_redrive_brings_it_back_in_order(
    mongo_url: str, keyring: Keyring
) -> None:
    switch = {"on": True}
    views = {**VIEWS, "numbers": failing(NUMBERS, NumberAssigned.TYPE, switch)}
    told = History().tell(ANN, customer_registered("Ann")).tell(ANN, NumberAssigned(number="K-1", rule="r", serial=1))
    told.tell(BEN, customer_registered("Ben")).tell(ANN, Tagged(added=("later",)))
    wire = Wire(keyring)
    async with views_in(mongo_url, keyring, views=views) as application:
        await application.take(sources(wire.put(told.events)))
        assert (await application.parked())[1] == [ANN]
        tree = await (await application.store.collection("timeline")).distinct("customers")
        assert BEN in tree
        switch["on"] = False
        redriven = await application.redrive(ANN)
        assert redriven["parked"] == 0
        assert await differences(application, wire.events()) == []


async def test_too_many_parked_records_stop_the_consumer_and_take_nothing(mongo_url: str, keyring: Keyring) -> None:
    wire = Wire(keyring)
    told = History().tell(ANN, customer_registered()).tell(BEN, customer_registered()).tell(CARL, customer_registered())
    async with views_in(mongo_url, keyring, parked_cap=2) as application:
        with pytest.raises(Stop, match="3 records"):
            await application.take([wire.poison(event).source for event in told.events])
        assert (await application.parked())[0] == 0
        assert set((await application.store.positions()).values()) == {0}


async def test_without_positions_the_views_begin_anew(mongo_url: str, keyring: Keyring) -> None:
    wire = Wire(keyring)
    records = sources(wire.put(a_history(6, 50)))
    async with views_in(mongo_url, keyring) as application:
        await application.take(records)
        await application.store.database[POSITIONS].drop()
        with pytest.raises(Incomplete):
            await application.take(records)
        assert await application.store.prepare()
        await application.take(records)
        assert await differences(application, wire.events()) == []


async def test_a_wiped_database_begins_anew(mongo_url: str, keyring: Keyring) -> None:
    wire = Wire(keyring)
    records = sources(wire.put(a_history(7, 20)))
    async with views_in(mongo_url, keyring) as application:
        await application.take(records)
        await application.store.mongo.client.drop_database(application.store.database.name)
        with pytest.raises(Incomplete):
            await application.take(records)
        await asyncio.gather(application.store.prepare(), application.store.prepare())
        await application.take(records)
        assert await differences(application, wire.events()) == []
        assert await application.store.database[ALIASES].count_documents({}) == len(VIEWS)


async def test_an_erased_subject_is_folded_as_erased(mongo_url: str, keyring: Keyring) -> None:
    wire, gone = Wire(keyring), uuid7()
    records = sources(wire.put(History().tell(gone, customer_registered("Secretname")).events))
    keyring.destroy(gone)
    async with views_in(mongo_url, keyring) as application:
        await application.take(records)
        directory = await application.store.collection("directory")
        assert name_of(await directory.find_one({"_id": gone})) is None
        assert await differences(application, wire.events()) == []


async def test_a_purge_leaves_what_a_fold_without_the_key_would_have_made(mongo_url: str, keyring: Keyring) -> None:
    wire, gone = Wire(keyring), uuid7()
    told = History().tell(gone, customer_registered("Secretname", "+4930777123")).tell(BEN, customer_registered("Ben"))
    told.tell(gone, REMINDER)
    async with views_in(mongo_url, keyring) as application:
        await application.take(sources(wire.put(told.events)))
        keyring.destroy(gone)
        assert await application.purge(gone) > 0
        assert await differences(application, wire.events()) == []
        stored = [await (await application.store.collection(view)).find({}).to_list(None) for view in VIEWS]
        assert "secretname" not in repr(stored).lower()


async def stored_text(application: Application) -> str:
    """All documents of all views, as text to search in."""
    views = [await (await application.store.collection(view)).find({}).to_list(None) for view in VIEWS]
    return repr(views).lower()


@pytest.mark.parametrize("at_once", [True, False])
async def test_an_erasure_that_is_told_takes_the_customer_out_of_every_view(
    mongo_url: str, keyring: Keyring, at_once: bool
) -> None:
    wire, gone = Wire(keyring), uuid7()
    known = History().tell(gone, customer_registered("Secretname", "+4930777123")).tell(BEN, customer_registered("Ben"))
    first = sources(wire.put(known.events))
    told = len(known.events)
    last = sources(wire.put(known.tell(gone, CustomerErased()).events[told:]))
    async with views_in(mongo_url, keyring) as application:
        for batch in [[*first, *last]] if at_once else [first, last]:
            await application.take(batch)
        keyring.destroy(gone)

        assert "secretname" not in await stored_text(application)
        assert "ben" in await stored_text(application)
        assert await differences(application, wire.events()) == []


class Died(BaseException):
    """Nothing of the process runs any more."""


async def test_no_build_from_before_an_erasure_is_kept_whoever_dies_after_it(
    mongo_url: str, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire, gone = Wire(keyring), uuid7()
    known = History().tell(gone, customer_registered("Secretname", "+4930777123"))
    first = sources(wire.put(known.events))
    last = sources(wire.put(known.tell(gone, CustomerErased()).events[1:]))
    async with views_in(mongo_url, keyring) as application:
        store = application.store
        await application.take(first)
        for _ in range(2):  # the builds of the first switch are let go of with the second one
            builds = await store.create(VIEWS.values(), uuid7())
            for view, name in builds.items():
                await store.mongo.transaction(partial(_copied, store, view, name))
            await store.mongo.transaction(partial(store.switch, collections=builds))

        def die(point: str) -> None:
            if point == "views.before_drop_retired":
                raise Died

        with monkeypatch.context() as dying:
            dying.setattr(applying, "crash_here", die)
            with pytest.raises(Died):
                await application.take(last)
        keyring.destroy(gone)
        assert "secretname" in repr([await found async for found in _everything(store)]).lower()

        await store.drop_retired()

        assert "secretname" not in repr([await found async for found in _everything(store)]).lower()
        names = await store.database.list_collection_names()
        assert {name for name in names if "__v" in name} == set((await store.active()).values())


async def _copied(store: Store, view: str, name: str, session: Any) -> None:
    documents = await (await store.collection(view)).find({}, session=session).to_list(None)
    if documents:
        await store.database[name].insert_many(documents, session=session)


async def _everything(store: Store) -> AsyncIterator[Any]:
    """What every collection holds, whether it is named by an alias or not."""
    for name in await store.database.list_collection_names():
        yield store.database[name].find({}).to_list(None)


async def test_what_was_opened_before_an_erasure_is_opened_again_before_it_is_written(
    mongo_url: str, keyring: Keyring
) -> None:
    wire, gone = Wire(keyring), uuid7()
    records = sources(wire.put(History().tell(gone, customer_registered("Secretname", "+4930777123")).events))
    async with views_in(mongo_url, keyring) as application:
        other = Application(application.store, keyring, TOPICS)
        decode = application.decode

        async def decode_slowly(sources: Sequence[Source]) -> Decoded:
            opened = await decode(sources)
            if keyring.destroy(gone):
                await other.purge(gone)
            return opened

        application.decode = decode_slowly  # type: ignore[method-assign]
        await application.take(records)

        directory = await application.store.collection("directory")
        assert name_of(await directory.find_one({"_id": gone})) is None
        assert await differences(application, wire.events()) == []


async def test_without_the_keyring_nothing_is_taken(mongo_url: str, keyring: Keyring) -> None:
    records = sources(Wire(keyring).put(History().tell(ANN, customer_registered()).events))

    class Silent(Keyring):
        def __init__(self) -> None:
            pass

        def fetch(self, _: object) -> dict[str, object]:  # type: ignore[override]
            raise Unavailable("no answer")

    async with views_in(mongo_url, Silent()) as application:
        with pytest.raises(Unavailable):
            await application.take(records)
        assert set((await application.store.positions()).values()) == {0}


async def test_an_event_that_makes_a_document_too_large_parks_and_others_flow(mongo_url: str, keyring: Keyring) -> None:
    def swell(working: Any, event: Recorded) -> None:
        document = working.get(event.customer) or {"_id": event.customer, "swollen": ""}
        document["swollen"] += "x" * 5 * 1024 * 1024
        working.put(document)

    swelling = replace(
        NUMBERS,
        folds={Tagged.TYPE: swell},
        wanted=lambda events: {"_id": {"$in": [event.customer for event in events]}},
        indexes=(),
    )
    views = {**VIEWS, "numbers": swelling}
    told = History().tell(ANN, customer_registered("Ann")).tell(BEN, customer_registered("Ben"))
    for tag in "abcde":
        told.tell(ANN, Tagged(added=(tag,)))
    told.tell(BEN, Tagged(added=("a",)))
    wire = Wire(keyring)
    async with views_in(mongo_url, keyring, views=views) as application:
        done = await application.take(sources(wire.put(told.events)))
        assert [(record.source.key, record.source.position) for record in done.park] == [(ANN, 6), (ANN, 7)]
        assert await application.parked() == (2, [ANN])
        assert await (await application.store.collection("numbers")).distinct("_id") == [ANN, BEN]
        assert (await application.redrive(ANN))["parked"] == 2


async def test_a_topic_of_another_epoch_is_noticed_and_the_views_begin_anew(mongo_url: str, keyring: Keyring) -> None:
    wire = Wire(keyring)
    first, later = new_epoch(0), new_epoch(0)
    read = sources(wire.put(a_history(6, 50)))
    records = [source._replace(mark=Mark(first, source.mark.event)) for source in read]
    again = [source._replace(mark=Mark(later, source.mark.event)) for source in read]
    async with views_in(mongo_url, keyring) as application:
        await application.take(records)
        with pytest.raises(OtherEpoch):
            await application.take(again)
        await application.store.forget()
        assert await application.store.prepare()
        await application.take(again)
        assert await differences(application, wire.events()) == []


async def test_a_batch_that_the_cache_of_mongodb_cannot_hold_is_applied_in_parts(
    mongo_url: str, keyring: Keyring
) -> None:
    wire = Wire(keyring)
    history = History()
    for number in range(4_000):
        history.tell(an_id(f"customer {number}"), customer_registered(f"Ada Number {number}"))
    records = wire.put(history.events)
    async with views_in(mongo_url, keyring) as application:
        mongo = application.store.mongo.client.admin
        await mongo.command("setParameter", 1, wiredTigerEngineRuntimeConfig="cache_size=64M")
        try:
            done = await application.take(sources(records))
            again = await application.take(sources(records[:10]))
        finally:
            await mongo.command("setParameter", 1, wiredTigerEngineRuntimeConfig="cache_size=1G")

        assert [source.position for source in done.apply] == [record.source.position for record in records]
        assert {move.expected for move in done.positions.values()} == {0}
        assert application.portions.most < len(records)
        assert again.duplicates == 10
        assert await differences(application, wire.events()) == []
