"""Records into one view of a real MongoDB, against a bare loop that writes the same finished documents."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from pymongo import DeleteOne, InsertOne, ReplaceOne

from services.projections.application import Application
from services.projections.fold import fold_view
from services.projections.store import Store
from services.projections.views import VIEWS
from services.projections.views.view import View, WorkingSet
from shared.decoding import Decoded, Decoder
from shared.eventlog.log import Log
from shared.mongo import Mongo, connect
from shared.privacy.keyring import Keyring
from shared.publication import Stored
from shared.streaming import Headers, Received, RecordHead, Source, build_headers, parse_sources
from shared.topics import partition_of
from tests.bench import commands
from tests.bench.measure import Goal, Plan, Result, beside, calm
from tests.bench.stand import Stand

GOAL = Goal(">= 0.8x bare loop", 0.8)
PARTITIONS = 12
BATCH = 2_000
TOPIC = "customer.events"
TOPICS = {TOPIC: "customer"}
DECODER = Decoder(logs=TOPICS)
MEASURED = ("directory", "timeline")


@dataclass(frozen=True, slots=True)
class Consumed:
    """A record as the Kafka client gives it."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: Headers


class Prepared(Application):
    """The application with the events of every batch decoded before: what is left is one view's own share."""

    decoded: Mapping[Source, Decoded]

    async def decode(self, sources: Sequence[Source]) -> Decoded:
        return self.decoded[sources[0]]


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """What the projections service does with one poll's batch after the other, for one view at a time.

    All views share the decoding of a batch, so it is measured without and with it.
    """
    stand.start(stand.postgres, stand.mongo)
    with stand.log(stand.database("fold")) as log:
        await log.commit_many(commands.lives(plan.size))
        bench = _Bench(connect(stand.mongo.url), log.keyring, _batches(log), plan)
        try:
            return [
                await bench.measure(VIEWS[name], decoding=decoding) for name in MEASURED for decoding in (False, True)
            ]
        finally:
            await bench.mongo.close()


class _Bench:
    def __init__(self, mongo: Mongo, keyring: Keyring, batches: Sequence[list[Received]], plan: Plan) -> None:
        self.mongo = mongo
        self._keyring = keyring
        self._batches = batches
        self._plan = plan
        self._events = sum(map(len, batches))
        self._number = iter(range(1_000))

    async def measure(self, view: View, *, decoding: bool) -> Result:
        finished = await asyncio.to_thread(_fold, view, self._batches, self._keyring)
        mine, other, ratio = await beside(
            self._plan.rounds, lambda: self._take(view, decoding=decoding), lambda: self._write(view, finished)
        )
        return Result(
            path=f"fold into {view.name}{', from bytes' if decoding else ''}",
            unit="events/s",
            ours=mine,
            limit=other,
            ratio=ratio,
            limit_is="bulk_write of the finished documents, one transaction a batch",
            goals={} if decoding else {GOAL.text: GOAL.met_by(ratio.median)},
            more={"events": self._events, "batch": BATCH, "writes": sum(map(len, finished))},
        )

    async def _take(self, view: View, *, decoding: bool) -> float:
        """Events per second of our application."""
        store = await self._store(view)
        application = Application(store, self._keyring, TOPICS)
        if not decoding:
            application = Prepared(store, self._keyring, TOPICS)
            parsed = [parse_sources(batch) for batch in self._batches]
            application.decoded = {sources[0]: DECODER.decode(sources, self._keyring) for sources in parsed}
        with calm():
            began = time.perf_counter()
            for batch in self._batches:
                await application.take(parse_sources(batch))
            return self._events / (time.perf_counter() - began)

    async def _write(self, view: View, finished: Sequence[list[Any]]) -> float:
        """Events per second of the bare loop."""
        collection = await (await self._store(view)).collection(view.name)
        with calm():
            began = time.perf_counter()
            for writes in filter(None, finished):
                await self.mongo.transaction(partial(_bulk, collection, writes))
            return self._events / (time.perf_counter() - began)

    async def _store(self, view: View) -> Store:
        made = Store(self.mongo, f"{view.name}_{next(self._number)}", {view.name: view}, TOPICS, PARTITIONS)
        await made.prepare()
        return made


async def _bulk(collection: Any, writes: Sequence[Any], session: Any) -> None:
    await collection.bulk_write(writes, ordered=False, session=session)


def _batches(log: Log) -> list[list[Received]]:
    """The log as a consumer gets it: in order per partition, a poll at a time."""
    records = log.read(0, log.head())
    decode_head = msgspec.json.Decoder(RecordHead).decode
    offsets, last = [0] * PARTITIONS, [0] * PARTITIONS
    consumed: list[Received] = [_consumed(record, decode_head(record.state), offsets, last) for record in records]
    return [
        sorted(consumed[start : start + BATCH], key=lambda record: record.partition)
        for start in range(0, len(consumed), BATCH)
    ]


def _consumed(record: Stored, head: RecordHead, offsets: list[int], last: list[int]) -> Consumed:
    key = head.customer.encode()
    partition = partition_of(key, PARTITIONS)
    headers = build_headers(head, record.id, last[partition])
    last[partition] = record.id
    offsets[partition] += 1
    return Consumed(TOPIC, partition, offsets[partition] - 1, key, record.state, headers)


def _fold(view: View, batches: Sequence[list[Received]], keyring: Keyring) -> list[list[Any]]:
    """The writes of every batch, folded before the clock runs."""
    stored: dict[str, Any] = {}
    finished = []
    for batch in batches:
        sources = parse_sources(batch)
        working = WorkingSet()
        working.load(stored.values())
        fold_view(view, DECODER.decode(sources, keyring).of(sources), working)
        changes = copy.deepcopy(working.changes())
        writes: list[Any] = [InsertOne(document) for document in changes.inserts]
        writes += [ReplaceOne({"_id": document["_id"]}, document) for document in changes.replacements]
        writes += [DeleteOne({"_id": key}) for key in changes.deletions]
        finished.append(writes)
        stored = working.documents
    return finished
