"""The seam over motor and PyMongo's own client: the same code runs on both."""

from __future__ import annotations

import gc
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, DuplicateKeyError, OperationFailure, ServerSelectionTimeoutError

from shared.mongo import Mongo, connect
from tests.support.servers import Servers

# The driver leaves the socket of a refused connection to the collector, which may come in any later test.
pytestmark = [pytest.mark.server, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]


@pytest.fixture(params=["motor", "pymongo"])
async def mongo(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[Mongo]:
    client = connect(servers.mongo, request.param)
    yield client
    await client.close()


@pytest.fixture
async def collection(mongo: Mongo) -> AsyncIterator[Any]:
    database = mongo.database(f"seam_{uuid.uuid4().hex[:8]}")
    yield await database.create_collection("things")
    await mongo.client.drop_database(database.name)


async def test_a_transaction_commits_all_or_nothing(mongo: Mongo, collection: Any) -> None:
    async def work(session: Any, *, fail: bool) -> str:
        await collection.insert_one({"_id": fail}, session=session)
        if fail:
            raise RuntimeError("no")
        return "done"

    assert await mongo.transaction(lambda session: work(session, fail=False)) == "done"
    with pytest.raises(RuntimeError, match="no"):
        await mongo.transaction(lambda session: work(session, fail=True))
    assert await collection.find({}).to_list(None) == [{"_id": False}]


async def test_a_transaction_is_run_again_after_a_write_conflict(mongo: Mongo, collection: Any) -> None:
    await collection.insert_one({"_id": 1, "n": 0})
    runs = 0

    async def work(session: Any) -> None:
        nonlocal runs
        runs += 1
        found = await collection.find_one({"_id": 1}, session=session)
        if runs == 1:
            await collection.update_one({"_id": 1}, {"$inc": {"n": 10}})
        await collection.update_one({"_id": 1}, {"$set": {"n": found["n"] + 1}}, session=session)

    await mongo.transaction(work)
    assert (runs, (await collection.find_one({"_id": 1}))["n"]) == (2, 11)


async def test_errors_are_those_of_pymongo(mongo: Mongo, collection: Any) -> None:
    await collection.insert_one({"_id": 1})
    with pytest.raises(DuplicateKeyError):
        await collection.insert_one({"_id": 1})


async def test_the_calls_that_differ_answer_alike(mongo: Mongo, collection: Any) -> None:
    await collection.create_index("n", name="by_n")
    await mongo.ping()
    async with await mongo.watch(collection) as changes:
        async with await mongo.start_session() as session, await mongo.start_transaction(session):
            await collection.insert_many([{"n": n} for n in range(3)], session=session)
        change = await anext(changes)
    assert change["operationType"] == "insert"
    total = await mongo.aggregate(collection, [{"$group": {"_id": None, "sum": {"$sum": "$n"}}}])
    assert await total.to_list(None) == [{"_id": None, "sum": 3}]
    assert "by_n" in [index["name"] async for index in await mongo.list_indexes(collection)]


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_a_missing_server_is_an_error_and_no_hang(driver: Any) -> None:
    client = connect("mongodb://127.0.0.1:1/?replicaSet=rs0", driver, serverSelectionTimeoutMS=200)
    with pytest.raises(ServerSelectionTimeoutError):
        await client.ping()
    await client.close()
    gc.collect()


async def test_a_process_ends_what_its_killed_predecessor_left_open(
    servers: Servers, mongo: Mongo, collection: Any
) -> None:
    name = f"service-{uuid.uuid4().hex[:8]}"
    killed, heir = connect(servers.mongo, mongo.driver, name=name), connect(servers.mongo, mongo.driver, name=name)
    left_open = killed.database(collection.database.name)[collection.name]
    session = await killed.start_session()
    await mongo.start_transaction(session)
    await left_open.insert_one({"_id": "held"}, session=session)

    assert await heir.end_predecessor() == 1
    assert await heir.end_predecessor() == 0

    # Without that it would wait for the lost transaction for a minute.
    await collection.insert_one({"_id": "held"})
    with pytest.raises(OperationFailure):
        await left_open.insert_one({"_id": "late"}, session=session)
    await session.end_session()
    await killed.close()
    await heir.close()


async def test_a_transaction_that_was_given_up_holds_nobody_up(mongo: Mongo, collection: Any) -> None:
    async def fail(session: Any) -> None:
        await collection.insert_one({"_id": "held"}, session=session)
        raise AutoReconnect("the connection is lost")

    with pytest.raises(AutoReconnect):
        await mongo.transaction(fail)

    async def insert(session: Any) -> None:
        await collection.insert_one({"_id": "held"}, session=session)

    await mongo.transaction(insert)
    assert mongo._orphans == []
