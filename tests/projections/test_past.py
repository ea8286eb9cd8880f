"""One identity as of an earlier instant, from the timeline in a real MongoDB."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from services.projections.application import Application
from services.projections.past import Past
from services.projections.views.view import Document
from shared.as_of import parse
from shared.clock import TestClock
from shared.errors import Invalid, NotFound
from shared.events import customer as says
from shared.events.customer import CustomerErased
from shared.events.identity import Linked, Move, NumberAssigned, Separated
from shared.ids import uuid7
from shared.privacy.keyring import Keyring
from tests.projections.lives import a_life, document_of
from tests.projections.stage import ANN, BEN, CARL, Wire, sources, views_in
from tests.projections.test_any_order import CUSTOMERS, canonical
from tests.support.events import START, History, customer_registered

pytestmark = pytest.mark.server
LATER = TestClock(START + timedelta(days=1))


async def stored(application: Application) -> Mapping[str, Mapping[str, Document]]:
    rows = await (await application.store.collection("customer")).find({}).to_list(None)
    return {"customer": {row["_id"]: row for row in rows}}


async def told(past: Past, customer: str, as_of: str, known_as: str | None = None) -> Any:
    return await past.identity(customer, await past.as_of(parse(as_of)), known_as)


@pytest.mark.parametrize("seed", range(3))
async def test_every_instant_and_position_is_told_as_the_live_view_held_it_then(
    mongo_url: str, keyring: Keyring, seed: int
) -> None:
    events = a_life(seed, 30)
    async with views_in(mongo_url, keyring) as application:
        past = Past(application.store, keyring, LATER)
        wire, live = Wire(keyring), []
        for event in events:
            await application.take(sources(wire.put([event])))
            live.append(await stored(application))
        for event, then in zip(events, live, strict=True):
            for customer in CUSTOMERS:
                expected = document_of(then, customer)
                for as_of in (event.recorded_at, f"{event.log}:{event.position}"):
                    if expected is None:
                        with pytest.raises(NotFound):
                            await told(past, customer, as_of)
                    else:
                        assert canonical(await told(past, customer, as_of)) == canonical(expected)


async def test_a_merge_and_a_separation_stand_as_they_stood_then(mongo_url: str, keyring: Keyring) -> None:
    history = History().tell(ANN, customer_registered("Ann")).tell(BEN, customer_registered("Ben"))
    history.tell(ANN, Linked(a=ANN, b=BEN, evidence=("x",), decided_by="r", moves=(Move(customer=BEN, identity=ANN),)))
    history.tell(BEN, Separated(a=BEN, b=ANN, reason="x", moves=(Move(customer=BEN, identity=BEN),)))
    async with views_in(mongo_url, keyring) as application:
        await application.take(sources(Wire(keyring).put(history.events)))
        past = Past(application.store, keyring, LATER)
        identities = [(await told(past, BEN, event.recorded_at))["_id"] for event in history.events[1:]]
    assert identities == [BEN, ANN, BEN]


async def test_a_number_leads_to_nobody_before_it_was_assigned(mongo_url: str, keyring: Keyring) -> None:
    history = History().tell(ANN, customer_registered("Ann"), NumberAssigned(number="K-1", rule="r", serial=1))
    before, after = (event.recorded_at for event in history.events)
    async with views_in(mongo_url, keyring) as application:
        await application.take(sources(Wire(keyring).put(history.events)))
        past = Past(application.store, keyring, LATER)
        with pytest.raises(NotFound, match="had this number then"):
            await told(past, ANN, before, "K-1")
        assert (await told(past, ANN, after, "K-1"))["_id"] == ANN


@pytest.mark.parametrize("purged", [False, True])
async def test_what_was_erased_is_erased_in_its_past_too(mongo_url: str, keyring: Keyring, purged: bool) -> None:
    wire, gone = Wire(keyring), uuid7()
    history = History().tell(gone, customer_registered("Secretname"), says.NameCorrected(name=says.Name(full="Other")))
    records = wire.put(history.events)
    async with views_in(mongo_url, keyring) as application:
        await application.take(sources(records))
        past = Past(application.store, keyring, LATER)
        known = await told(past, gone, history.events[0].recorded_at)
        keyring.destroy(gone)
        if purged:
            count = len(history.events)
            await application.take(sources(wire.put(history.tell(gone, CustomerErased()).events[count:])))
        after = await told(past, gone, history.events[0].recorded_at)
        rows = await (await application.store.collection("timeline")).find({}).to_list(None)
    assert known["members"][0]["sealed"]
    assert after["members"][0]["sealed"] == []
    assert after["members"][0]["name"] == known["members"][0]["name"]
    contents = [part["ct"] for row in rows for part in row["record"]["sealed"]]
    assert contents
    assert any(contents) is not purged


async def test_an_instant_to_come_and_a_position_to_come_are_refused(mongo_url: str, keyring: Keyring) -> None:
    async with views_in(mongo_url, keyring) as application:
        await application.take(sources(Wire(keyring).put(History().tell(CARL, customer_registered()).events)))
        past = Past(application.store, keyring, LATER)
        with pytest.raises(Invalid):
            await past.as_of(parse((LATER.now() + timedelta(seconds=1)).isoformat()))
        with pytest.raises(NotFound, match="customer:2"):
            await past.as_of(parse("customer:2"))
        assert await application.store.reached() == {"customer": 1, "identity": 0, "notifications": 0}
