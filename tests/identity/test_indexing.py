"""Customers that an earlier build stored get the keys of this one."""

from __future__ import annotations

import pytest

from services.identity import store
from services.identity.indexing import Indexing
from services.identity.matching.fingerprint import KINDS, fingerprints
from shared.events import customer as facts
from tests.identity.people import person
from tests.identity.world import KEY, World, customers

pytestmark = pytest.mark.server
PHONE = "+49309018201"


def indexing(world: World, form: int = 2) -> Indexing:
    return Indexing(world.log, fingerprints(KEY), form)


def forget_new_keys(world: World) -> None:
    with world.log.transaction() as tx:
        tx.cursor.execute("DELETE FROM evidence WHERE rule = %s", (KINDS["word-phone"],))


async def test_every_customer_of_an_earlier_build_gets_its_new_keys_and_loses_older_ones(world: World) -> None:
    ids = customers(5)
    await world.take(*((one, person(f"Ann{n}", "Lee", phone=PHONE)) for n, one in enumerate(ids)))
    whole = world.rows("evidence")
    forget_new_keys(world)
    with world.log.transaction() as tx:
        store.put_evidence(tx.cursor, [(ids[0], {b"of an older kind": 99})])

    rounds = [indexing(world).advance(2) for _ in range(5)]

    assert rounds == [True, True, True, False, False]
    assert world.rows("evidence") == whole


async def test_a_restart_goes_on_where_it_was_and_what_is_done_is_not_done_again(world: World) -> None:
    ids = customers(2)
    await world.take(*((one, person(f"Ann{n}", "Lee", phone=PHONE)) for n, one in enumerate(ids)))
    while indexing(world).advance(1):
        pass
    forget_new_keys(world)

    again = indexing(world).advance()
    kept = world.rows("evidence")
    next_form = indexing(world, form=3).advance()

    assert (again, next_form) == (False, True)
    assert len(world.rows("evidence")) > len(kept)


async def test_nothing_is_indexed_of_who_is_restricted_or_erased(world: World) -> None:
    restricted, erased, destroyed = customers(3)
    await world.take(*((one, person("Ann", "Lee", phone=PHONE)) for one in (restricted, erased, destroyed)))
    await world.take((restricted, facts.ProcessingRestricted(reason="contested")), (erased, facts.CustomerErased()))
    world.keyring.destroy(destroyed)

    indexing(world).advance()

    assert world.rows("evidence") == []
