"""Experiments with the bugs in publishing the log."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from aiokafka.errors import KafkaError

from shared.eventlog.mapper import encode
from shared.events.customer import CustomerArchived
from shared.events.envelope import instant
from shared.ids import derive
from shared.lease import Lease, Published
from shared.publication import Building
from shared.relay import Relay, RelayStatus, _Batch
from tests.faults.plants.trials.trial import NOW, Cursor, Notes, a_commit, at_once, looks_at, of


def _stored(position: int, event: str) -> Any:
    state = encode(
        CustomerArchived(reason="x"), a_commit().cause, event_id=derive("event", event), log="customer",
        stream="customer-1", seq=1, customer=derive("trial", "one"), recorded_at=instant(NOW), occurred_at=instant(NOW),
        keys={},
    )  # fmt: skip
    return SimpleNamespace(id=position, state=state)


def _relay(**attributes: Any) -> Any:
    return of(
        Relay, _topic="customer.events", _partitions=12, _limit=10, _stop=asyncio.Event(), _wake=asyncio.Event(),
        _poll_seconds=0.0, _status=RelayStatus(), _bootstrap="localhost:1", **attributes,
    )  # fmt: skip


@looks_at("relay-reads-past-one")
@at_once
async def read_after() -> object:
    asked: list[int] = []

    def read(after: int, _: int) -> list[Any]:
        asked.append(after)
        return []

    source = SimpleNamespace(read=read, head=lambda: 0)
    _relay(_source=source)._read_and_build(None, Published(5))
    return asked


class _Producer(Notes):
    def __init__(self, *, fails: bool = False) -> None:
        super().__init__()
        self.begin_transaction = self.anote("begin")
        self._fails = fails

    async def send_batch(self, builder: object, *_: object, **__: object) -> Any:
        self.append(f"send {builder}")
        answered = asyncio.get_running_loop().create_future()
        answered.add_done_callback(lambda _: self.append("answered"))
        asyncio.get_running_loop().call_later(0.01, answered.set_result, None)
        return answered

    async def commit_transaction(self) -> None:
        self.append("commit")
        if self._fails:
            raise KafkaError


class _Sized(str):
    __slots__ = ()

    def size(self) -> int:
        return len(self)


async def _led(*, fails: bool) -> object:
    producer = _Producer(fails=fails)
    relay = _relay()

    async def prepare(*_: object) -> _Batch:
        relay._stop.set()
        return _Batch([(0, _Sized("large")), (0, _Sized("x"))], Published(5), 5, more=False)

    relay._prepare = prepare
    relay._tell = relay._say = producer.note("tell")
    lease: Any = SimpleNamespace(store=producer.anote("store"))
    try:
        await relay._lead(lease, producer, Published())
    except Exception as error:  # noqa: BLE001 - what became of it is what is looked at
        producer.append(type(error).__name__)
    return list(producer)


@looks_at("relay-position-first", "relay-acks-one", "relay-small-batches-first")
@at_once
async def led() -> object:
    return await _led(fails=False)


@looks_at("relay-goes-on-after-failure")
@at_once
async def led_into_failure() -> object:
    return await _led(fails=True)


class _Connection:
    def __init__(self, cursor: Cursor) -> None:
        self.told = cursor.told
        self._cursor = cursor

    async def execute(self, statement: str, given: Any = None) -> Any:
        self._cursor.execute(statement, given)

        async def fetchone() -> Any:
            return self._cursor.fetchone()

        return SimpleNamespace(fetchone=fetchone)


@looks_at("relay-unfenced", "prev-lost-at-restart")
@at_once
async def stored() -> object:
    connection: Any = _Connection(Cursor((10, {"0": 10}, "", False)))
    lease = Lease(connection, "customer.events")
    await lease.load()
    await lease.store(Published(15, {0: 15}))
    return connection.told[-1]


class _Builder:
    def __init__(self, taken: list[Any]) -> None:
        self._taken = taken
        self._size = 0

    def append(self, *, value: bytes, headers: list[tuple[str, bytes]], **_: Any) -> bool:
        self._taken.append((value, dict(headers)["prev"]))
        self._size += len(value)
        return True

    def size(self) -> int:
        return self._size


@looks_at("relay-wrong-partition", "relay-rewrites-bytes", "prev-forgotten")
def built() -> object:
    taken: list[Any] = []
    producer: Any = SimpleNamespace(create_batch=lambda: _Builder(taken))
    building = Building(producer, Published(7, dict.fromkeys(range(12), 7)), 12)
    for position, event in ((8, "a"), (9, "b"), (10, "c")):
        building.add(_stored(position, event))
    return taken, [partition for partition, _ in building.builders]
