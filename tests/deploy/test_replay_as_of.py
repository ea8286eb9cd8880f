"""What an auditor replays of the logs alone: customers, whole views and who saw what, as of an instant."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pymongo
import pytest

from deploy import replay
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Running, State
from deploy.history import History
from deploy.reconstruction import Reconstructed, reconstruct, views_store
from deploy.seen import seen
from services.projections.fold import canonical
from services.projections.scratch import Scratch
from services.projections.store import SCRATCH
from services.projections.views import VIEWS
from shared.as_of import AsOf, parse
from shared.events.access import PersonalDataRead, TokenIssued, about_actor
from shared.events.envelope import instant, moment
from shared.ids import uuid7
from shared.privacy.keyring import Keyring
from tests.deploy.logs_of_events import history_of
from tests.projections.conftest import keyring
from tests.projections.lives import a_life, counts, document_of, live_at
from tests.projections.test_any_order import CUSTOMERS
from tests.support.events import History as Telling

pytestmark = pytest.mark.server
__all__ = ["keyring"]
LIFE = a_life(3, 60)


@pytest.fixture(scope="module")
def history(postgres_url: Callable[[str], str], keyring: Keyring) -> Iterator[History]:
    with history_of(LIFE, keyring, postgres_url) as known:
        yield known


@pytest.fixture
def system(mongo_url: str) -> State:
    return State("ready", 1, servers={"mongo": Running("mongo", 1, 1, mongo_url, "")})


async def made(history: History, system: State, as_of: str, *views: str, **more: Any) -> Reconstructed:
    database = more.pop("database", f"replay_{uuid7()}")
    return await reconstruct(history, system, views, history.as_of(parse(as_of)), database=database, **more)


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@pytest.mark.parametrize("at", [0, 20, 40, len(LIFE) - 1])
async def test_every_view_of_the_logs_is_what_the_live_one_was_then(
    history: History, system: State, tmp_path: Path, at: int
) -> None:
    opened = sorted(history.all_events(history.heads()), key=lambda event: event.recorded_at)
    as_of = AsOf(opened[at].recorded_at, {})
    expected = live_at(opened, as_of)

    told = await made(history, system, str(as_of), *VIEWS, folder=tmp_path)

    assert (told.events, told.kept) == (at + 1, None)
    for view in told.views:
        documents = [expected[view.view][key] for key in sorted(expected[view.view])]
        content = b"".join(canonical(document) + b"\n" for document in documents)
        assert (tmp_path / f"{view.view}.jsonl").read_bytes() == content
        assert (view.documents, view.digest) == (len(documents), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("at", [10, 30, len(LIFE) - 1])
def test_a_customer_is_replayed_as_of_instants_and_positions(history: History, at: int) -> None:
    opened = sorted(history.all_events(history.heads()), key=lambda event: event.recorded_at)
    event = opened[at]
    for text in (event.recorded_at, f"{event.log}:{event.position}"):
        as_of = history.as_of(parse(text))
        live = live_at(opened, as_of)
        for customer in CUSTOMERS:
            expected = document_of(live, customer)
            if expected is None:
                with pytest.raises(EmbeddedError, match="was not known as of"):
                    replay.life(history, customer, as_of)
                continue
            life = replay.life(history, customer, as_of)
            assert life.identity == expected["_id"]
            assert all(counts(own, as_of) for own in life.events)
            assert life.as_json()["as_of"] == text


async def test_the_same_instant_has_the_same_digest_every_time(history: History, system: State) -> None:
    first, again = [await made(history, system, LIFE[30].recorded_at, "customer", "agenda") for _ in range(2)]
    other = await made(history, system, LIFE[40].recorded_at, "customer", "agenda")
    assert first == again
    assert first.views != other.views


async def test_nothing_is_left_beside_the_live_views_unless_it_is_kept(history: History, system: State) -> None:
    database = f"replay_{uuid7()}"
    await made(history, system, LIFE[5].recorded_at, "directory", database=database)
    kept = await made(history, system, LIFE[6].recorded_at, "directory", database=database, keep=True)
    async with views_store(system, database) as store:
        scratch = Scratch(store)
        (row,) = await scratch.builds()
        assert (row["_id"], row["state"], row["until"]) == (kept.kept, "done", None)
        assert await store.database.list_collection_names(filter={"name": {"$ne": SCRATCH}}) == [
            row["views"]["directory"]
        ]
        assert (await scratch.find("directory", AsOf(LIFE[6].recorded_at, {})) or {})["_id"] == kept.kept
        await scratch.drop([row["_id"]])
        assert await store.database.list_collection_names() == [SCRATCH]


async def test_an_erasure_meanwhile_ends_it_and_leaves_no_file(history: History, system: State, tmp_path: Path) -> None:
    database = f"replay_{uuid7()}"
    async with views_store(system, database) as store:

        def erased(step: str) -> None:
            if step.startswith("Reading"):
                client: pymongo.MongoClient[Any]
                with pymongo.MongoClient(system.servers["mongo"].url) as client:
                    client[database][SCRATCH].update_many({}, {"$set": {"state": "stale"}})

        with pytest.raises(EmbeddedError, match="a customer was erased meanwhile"):
            await made(
                history, system, LIFE[9].recorded_at, "directory", folder=tmp_path, say=erased, database=database
            )
        assert files(tmp_path) == []
        assert await store.database.list_collection_names() == [SCRATCH]


async def test_files_are_for_their_owner_alone(history: History, system: State, tmp_path: Path) -> None:
    await made(history, system, LIFE[9].recorded_at, "directory", folder=tmp_path)
    assert (tmp_path / "directory.jsonl").stat().st_mode & 0o777 == 0o600


async def test_what_does_not_exist_is_refused(history: History, system: State) -> None:
    with pytest.raises(EmbeddedError, match="no view nothing"):
        await made(history, system, LIFE[9].recorded_at, "nothing")
    with pytest.raises(EmbeddedError, match="no position 9999 yet"):
        history.as_of(parse("customer:9999"))


def test_who_saw_a_customer_is_told_as_of_then(postgres_url: Callable[[str], str], keyring: Keyring) -> None:
    telling = Telling()
    telling.events.extend(LIFE)
    customer = LIFE[0].customer
    for name in ("first", "second"):
        telling.tell(
            customer, PersonalDataRead(operation="GET /customers/{ref}", fields=(name,)), stream=f"access-{name}"
        )
    first = telling.events[-2]
    with history_of(telling.events, keyring, postgres_url) as known:
        before = seen(known, customer, known.as_of(parse(LIFE[-1].recorded_at)))
        then = seen(known, customer, known.as_of(parse(first.recorded_at)))
        now = seen(known, customer, None)
    assert [len(it.did) for it in (before, then, now)] == [0, 1, 2]
    assert (then.did[0].actor, then.did[0].fields, then.did[0].customer) == ("user:u1", ("first",), customer)
    assert then.could["viewer"] == {"general": "allow", "business": "allow", "sensitive": "mask", "core": "deny"}
    assert "operator" not in then.could
    assert (before.granted, now.granted) == ((), ())
    assert json.loads(json.dumps(now.as_json()))["did"][1]["fields"] == ["second"]


def test_who_had_a_token_that_could_see_is_told_as_of_then(
    postgres_url: Callable[[str], str], keyring: Keyring
) -> None:
    telling = Telling()
    telling.events.extend(LIFE)
    customer = LIFE[0].customer
    for account, roles, seconds in (("eve", ("viewer",), 90), ("bo", ("operator",), 900), ("al", ("auditor",), 900)):
        telling.tell(
            about_actor(account),
            TokenIssued(account=account, roles=roles, seconds=seconds),
            stream=f"access-{account}",
        )
    last = moment(telling.events[-1].recorded_at)
    with history_of(telling.events, keyring, postgres_url) as known:

        def granted(at: datetime) -> list[tuple[str, tuple[str, ...]]]:
            return [(it.account, it.roles) for it in seen(known, customer, known.as_of(parse(instant(at)))).granted]

        # Events are told a minute after one another: eve's token is good until half a minute after bo's was made.
        assert granted(last - timedelta(seconds=121)) == []
        assert granted(last - timedelta(seconds=120)) == [("eve", ("viewer",))]
        assert granted(last) == [("al", ("auditor",))]
        assert granted(last + timedelta(days=2)) == []
