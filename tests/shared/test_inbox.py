"""One contract for positions and parked records, run against both real stores and their stand-in in memory."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from shared.inbox import Fenced, ParkedRecord, Stored
from shared.inbox_mongo import create_inbox
from shared.streaming import Advance, Parked, Source
from tests.shared.stores import MemoryStore, MongoStore, PostgresStore, Store, Tx
from tests.support.servers import PostgresUrl, Servers

SERVERS = [pytest.param(name, marks=pytest.mark.server) for name in ("postgres", "motor", "pymongo")]


@pytest.fixture(params=["memory", *SERVERS])
async def store(request: pytest.FixtureRequest, servers: Servers, postgres_url: PostgresUrl) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    if request.param == "postgres":
        yield PostgresStore(postgres_url("inbox"))
        return
    mongo = await MongoStore.create(servers.mongo, f"inbox_{uuid.uuid4().hex[:8]}", request.param)
    yield mongo
    await mongo.mongo.client.drop_database(mongo.database.name)
    await mongo.mongo.close()


def parked(position: int, key: str, *, offset: int | None = None, reason: str = "it failed") -> Parked:
    at = position if offset is None else offset
    return Parked(Source("t/0", "t", 0, at, position, position - 1, key, b"\x00v%d" % position), reason)


async def advance(store: Store, consumer: str, moves: dict[str, Advance]) -> None:
    await store.transaction(consumer, lambda tx: tx.advance(moves))


async def positions(store: Store, consumer: str, *sources: str) -> dict[str, Stored]:
    return await store.transaction(consumer, lambda tx: tx.positions(sources))


async def test_a_source_never_read_has_no_position(store: Store) -> None:
    assert await positions(store, "c", "t/0", "t/1") == {}


async def test_positions_are_kept_per_consumer_and_source(store: Store) -> None:
    await advance(store, "c", {"t/0": Advance(0, 4, 9), "t/1": Advance(0, 7, 2)})
    await advance(store, "c", {"t/0": Advance(4, 5, 10)})
    assert await positions(store, "c", "t/0", "t/1", "t/2") == {"t/0": Stored(5, 10), "t/1": Stored(7, 2)}
    assert await positions(store, "other", "t/0") == {}


async def test_an_offset_may_move_without_the_position(store: Store) -> None:
    await advance(store, "c", {"t/0": Advance(0, 0, 3)})
    await advance(store, "c", {"t/0": Advance(0, 0, 1)})
    assert await positions(store, "c", "t/0") == {"t/0": Stored(0, 1)}


async def test_moving_nothing_is_allowed(store: Store) -> None:
    await advance(store, "c", {})


async def test_the_store_may_be_made_ready_by_several_processes_at_once(store: Store) -> None:
    if isinstance(store, MongoStore):
        await store.mongo.client.drop_database(store.database.name)
        await asyncio.gather(*(create_inbox(store.database) for _ in range(6)))
    await advance(store, "c", {"t/0": Advance(0, 1, 1)})


@pytest.mark.parametrize("stale", [Advance(3, 8, 9), Advance(0, 8, 9)])
async def test_a_stale_owner_is_fenced_and_changes_nothing(store: Store, stale: Advance) -> None:
    await advance(store, "c", {"t/0": Advance(0, 4, 9), "t/1": Advance(0, 1, 1)})

    async def work(tx: Tx) -> None:
        await tx.park([parked(8, "k")])
        await tx.advance({"t/1": Advance(1, 2, 2), "t/0": stale})

    with pytest.raises(Fenced):
        await store.transaction("c", work)
    assert await positions(store, "c", "t/0", "t/1") == {"t/0": Stored(4, 9), "t/1": Stored(1, 1)}
    assert await store.transaction("c", lambda tx: tx.parked_count()) == 0


async def test_a_position_that_vanished_fences_its_owner(store: Store) -> None:
    with pytest.raises(Fenced):
        await advance(store, "c", {"t/0": Advance(4, 5, 6)})


async def test_parked_records_block_their_key_and_are_taken_in_order(store: Store) -> None:
    await store.transaction("c", lambda tx: tx.park([parked(1, "a"), parked(2, "b"), parked(3, "a", reason="behind")]))
    await store.transaction("c", lambda tx: tx.park([parked(5, "a")]))
    assert await store.transaction("c", lambda tx: tx.blocked(["a", "b", "x"])) == {"a", "b"}
    assert await store.transaction("other", lambda tx: tx.blocked(["a"])) == set()
    assert await store.transaction("c", lambda tx: tx.parked_keys()) == ["a", "b"]
    assert await store.transaction("c", lambda tx: tx.parked_count()) == 4

    taken = await store.transaction("c", lambda tx: tx.take_parked("a"))
    assert [record.position for record in taken] == [1, 3, 5]
    assert taken[1] == ParkedRecord("t/0", 3, 3, "a", "behind", b"\x00v3")
    assert await store.transaction("c", lambda tx: tx.blocked(["a", "b"])) == {"b"}


async def test_a_failed_redrive_puts_the_records_back(store: Store) -> None:
    await store.transaction("c", lambda tx: tx.park([parked(1, "a"), parked(2, "a")]))

    async def redrive(tx: Tx) -> None:
        await tx.take_parked("a")
        raise RuntimeError("still failing")

    with pytest.raises(RuntimeError, match="still failing"):
        await store.transaction("c", redrive)
    assert await store.transaction("c", lambda tx: tx.parked_count()) == 2


async def test_a_record_is_parked_once(store: Store) -> None:
    unplaced = Parked(Source("t/0", "t", 0, 9, 0, 0, "t/0@9", b"\xff"), "no headers")
    other = Parked(Source("t/0", "t", 0, 10, 0, 0, "t/0@10", b"\xff"), "no headers")
    for _ in range(2):
        await store.transaction("c", lambda tx: tx.park([unplaced, other]))
    assert await store.transaction("c", lambda tx: tx.parked_count()) == 2


async def test_two_owners_of_a_partition_never_apply_a_position_twice(store: Store) -> None:
    applied: list[int] = []

    async def owner() -> None:
        while True:
            try:
                done = await store.transaction("c", step)
            except Fenced:
                continue
            if done is None:
                return
            applied.append(done)

    async def step(tx: Tx) -> int | None:
        at = (await tx.positions(["t/0"])).get("t/0", Stored(0, 0)).position
        await asyncio.sleep(0)
        if at == 20:
            return None
        await tx.advance({"t/0": Advance(at, at + 1, at + 1)})
        return at + 1

    if isinstance(store, PostgresStore):  # its calls block: two owners need two threads
        await asyncio.gather(*(asyncio.to_thread(asyncio.run, owner()) for _ in range(2)))
    else:
        await asyncio.gather(owner(), owner())
    assert sorted(applied) == list(range(1, 21))
