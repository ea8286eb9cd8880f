"""Whole views as of an instant, from a real Kafka, beside the live ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from services.projections.application import Application
from services.projections.fold import compare
from services.projections.reconstruction import Reconstruction
from services.projections.scratch import ABANDONED_AFTER, KEPT, MOST, Lost, Scratch
from services.projections.store import SCRATCH
from services.projections.streams import Reading, Topics
from services.projections.views import VIEWS
from services.projections.views.view import Document
from shared.as_of import AsOf
from shared.errors import Unavailable
from shared.events.customer import CustomerErased
from shared.events.envelope import instant
from shared.ids import uuid7
from shared.privacy.keyring import Keyring
from tests.projections.lives import a_life, live_at
from tests.projections.stage import PARTITIONS, Wire, sources, views_in
from tests.projections.test_rebuild import Stage, stage
from tests.support.events import History, customer_registered

pytestmark = pytest.mark.server
__all__ = ["stage"]
NOWHERE = Topics("localhost:1", ["customer.events"], PARTITIONS)


class Held(Topics):
    """Topics that nobody can read before it is time."""

    def __init__(self, kafka: str, names: list[str]) -> None:
        super().__init__(kafka, names, PARTITIONS)
        self.released = asyncio.Event()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Reading]:
        await self.released.wait()
        async with super().read() as reading:
            yield reading


async def made(reconstruction: Reconstruction, view: str, as_of: AsOf) -> Document:
    await reconstruction.ensure(view, as_of)
    await reconstruction.wait()
    row = await reconstruction.ensure(view, as_of)
    assert row["state"] == "done", row
    return row


async def scratch_names(application: Application) -> list[str]:
    names = await application.store.database.list_collection_names()
    return sorted(name for name in names if name.startswith(f"{SCRATCH}_"))


async def live(application: Application) -> Mapping[str, list[Document]]:
    store = application.store
    return {view: await (await store.collection(view)).find({}).to_list(None) for view in VIEWS}


async def test_every_view_as_of_an_instant_is_what_the_live_one_was_then(
    stage: Stage, mongo_url: str, keyring: Keyring
) -> None:
    wire = Wire(keyring, stage.topics)
    told = a_life(5, 60)
    async with views_in(mongo_url, keyring, topics=stage.topics) as application:
        records = wire.put(told)
        await stage.publish(records)
        await application.take(sources(records))
        before = await live(application)
        opened = sorted(wire.events(), key=lambda event: event.recorded_at)
        reconstruction = Reconstruction(application, stage.reader)
        for event in opened[:: len(opened) // 4]:
            as_of = AsOf(event.recorded_at, {})
            for view, expected in live_at(opened, as_of).items():
                row = await made(reconstruction, view, as_of)
                documents = await reconstruction.scratch.page(row, view, None, 1000)
                assert compare({view: expected}, {view: documents}) == []
                await reconstruction.scratch.drop([row["_id"]])
        assert (
            compare({view: {d["_id"]: d for d in docs} for view, docs in before.items()}, await live(application)) == []
        )
        assert await scratch_names(application) == []


async def test_one_that_was_made_answers_every_further_question_and_another_waits(
    stage: Stage, mongo_url: str, keyring: Keyring
) -> None:
    async with views_in(mongo_url, keyring, topics=stage.topics) as application:
        held = Held(stage.kafka, list(stage.topics))
        reconstruction = Reconstruction(application, held)
        as_of, other = AsOf("2026-01-01T00:00:00.000000Z", {}), AsOf("2026-01-02T00:00:00.000000Z", {})
        first, again = await asyncio.gather(
            reconstruction.ensure("pulse", as_of), reconstruction.ensure("pulse", as_of)
        )
        assert first["_id"] == again["_id"]
        with pytest.raises(Unavailable, match="Another view is being made"):
            await reconstruction.ensure("pulse", other)
        held.released.set()
        await reconstruction.wait()
        assert (await reconstruction.ensure("pulse", as_of))["_id"] == first["_id"]


async def test_a_build_that_fails_says_why_once_and_can_be_asked_for_again(
    mongo_url: str, keyring: Keyring, stage: Stage
) -> None:
    async with views_in(mongo_url, keyring) as application:
        as_of = AsOf("2026-01-01T00:00:00.000000Z", {})
        reconstruction = Reconstruction(application, NOWHERE)
        await reconstruction.ensure("pulse", as_of)
        await reconstruction.wait()
        assert await scratch_names(application) == []
        with pytest.raises(Unavailable, match="could not be made: KafkaConnectionError"):
            await reconstruction.ensure("pulse", as_of)
        assert await application.store.database[SCRATCH].count_documents({}) == 0


async def test_an_erasure_drops_what_was_made_and_ends_what_is_being_made(mongo_url: str, keyring: Keyring) -> None:
    wire, gone = Wire(keyring), uuid7()
    history = History().tell(gone, customer_registered("Secretname"))
    first = sources(wire.put(history.events))
    last = sources(wire.put(history.tell(gone, CustomerErased()).events[1:]))
    async with views_in(mongo_url, keyring) as application:
        await application.take(first)
        scratch, as_of = Scratch(application.store), AsOf("2026-01-02T00:00:00.000000Z", {})
        done, running = [await scratch.begin(["directory"], as_of, keep=True) for _ in range(2)]
        for row in (done, running):
            await application.fold_into(None, row["views"], (await application.decode(first)).of(first))
        await scratch.finish(done["_id"], {})
        assert "secretname" in repr(await scratch.page(done, "directory", None, 10)).lower()

        keyring.destroy(gone)
        await application.take(last)

        assert await scratch_names(application) == []
        assert await scratch.builds() == []
        with pytest.raises(Lost):
            await scratch.page(done, "directory", None, 10)
        with pytest.raises(Lost):
            await scratch.note(running["_id"], 1)


async def test_what_a_killed_process_left_is_swept_away(mongo_url: str, keyring: Keyring) -> None:
    async with views_in(mongo_url, keyring) as application:
        scratch, as_of = Scratch(application.store), AsOf("2026-01-02T00:00:00.000000Z", {})
        rows = application.store.database[SCRATCH]
        running, fresh, ownerless = [await scratch.begin(["pulse"], as_of) for _ in range(3)]
        long_ago = instant(await application.store.mongo.now() - ABANDONED_AFTER - timedelta(seconds=1))
        await rows.update_one({"_id": running["_id"]}, {"$set": {"updated_at": long_ago}})
        await rows.delete_one({"_id": ownerless["_id"]})

        await scratch.sweep()

        assert await scratch_names(application) == [fresh["views"]["pulse"]]
        with pytest.raises(Lost):
            await scratch.finish(running["_id"], {})


async def test_only_a_few_are_kept_and_not_for_long_unless_somebody_asked_for_it(
    mongo_url: str, keyring: Keyring
) -> None:
    async with views_in(mongo_url, keyring) as application:
        scratch = Scratch(application.store)
        rows = application.store.database[SCRATCH]
        kept = await scratch.begin(["pulse"], AsOf("2026-01-01T00:00:00.000000Z", {}), keep=True)
        passing = [
            await scratch.begin(["pulse"], AsOf(f"2026-01-0{n}T00:00:00.000000Z", {})) for n in range(1, MOST + 3)
        ]
        for row in (kept, *passing):
            await scratch.finish(row["_id"], {})
        long_ago = instant(await application.store.mongo.now() - KEPT)
        await rows.update_one({"_id": passing[-1]["_id"]}, {"$set": {"until": long_ago}})

        await scratch.sweep()

        left = {row["_id"] for row in await scratch.builds()}
        assert left == {kept["_id"], *(row["_id"] for row in passing[1:-1])}
