"""Histories on the wire, and the views in a real MongoDB."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from services.projections.application import Application
from services.projections.fold import Difference, compare, fold_all
from services.projections.store import Store
from services.projections.views import VIEWS
from services.projections.views.view import View
from shared.eventlog.mapper import encode, open_record, parse
from shared.events.envelope import Cause, Recorded
from shared.mongo import Driver, connect
from shared.privacy.keyring import Keyring
from shared.streaming import RecordHead, Source, build_headers, parse_source
from shared.topics import partition_of
from tests.support.events import an_id

PARTITIONS = 3
TOPICS: Mapping[str, str] = {f"{log}.events": log for log in ("customer", "identity", "notifications")}


@dataclass(frozen=True)
class Received:
    """A record as a Kafka client hands it over."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]

    @property
    def source(self) -> Source:
        return parse_source(self)


class Wire:
    """Turns events into records with real seals, numbered per partition as the relays do."""

    def __init__(self, keyring: Keyring, topics: Mapping[str, str] = TOPICS) -> None:
        self._keyring = keyring
        self._topic = {log: topic for topic, log in topics.items()}
        self._offsets: dict[tuple[str, int], int] = defaultdict(int)
        self._heads: dict[tuple[str, int], int] = defaultdict(int)
        self.records: list[Received] = []

    def put(self, events: Iterable[Recorded]) -> list[Received]:
        """The events as records, in the order of positions of each log."""
        told = sorted(events, key=lambda event: event.position or 0)
        keys = self._keyring.ensure({event.customer for event in told})
        return [
            self._place(
                event,
                encode(
                    event.data,
                    Cause(event.actor, event.channel, event.purpose, event.command, event.correlation, event.causation),
                    event_id=event.id,
                    log=event.log,
                    stream=event.stream,
                    seq=event.seq,
                    customer=event.customer,
                    recorded_at=event.recorded_at,
                    occurred_at=event.occurred_at,
                    keys=keys,
                ),
            )
            for event in told
        ]

    def poison(self, event: Recorded, value: bytes = b"{}") -> Received:
        """A record in the place of an event that nobody can read."""
        return self._place(event, value)

    def events(self) -> list[Recorded]:
        """What a reader of the logs meets: the records opened again."""
        opened = []
        for record in self.records:
            parsed = parse(record.value or b"")
            keys = self._keyring.fetch(set(parsed.sealed))
            opened.append(open_record(parsed, keys, record.source.position))
        return opened

    def _place(self, event: Recorded, value: bytes) -> Received:
        topic = self._topic[event.log]
        partition = partition_of(event.customer, PARTITIONS)
        place = (topic, partition)
        position = event.position or 0
        head = RecordHead(event.id, event.type, event.version, event.log, event.customer, event.recorded_at)
        headers: Any = build_headers(head, position, self._heads[place])
        record = Received(topic, partition, self._offsets[place], event.customer.encode(), value, headers)
        self._offsets[place] += 1
        self._heads[place] = position
        self.records.append(record)
        return record


def sources(records: Iterable[Received]) -> list[Source]:
    return [record.source for record in records]


@asynccontextmanager
async def views_in(
    mongo_url: str,
    keyring: Keyring,
    *,
    driver: Driver = "motor",
    views: Mapping[str, View] = VIEWS,
    topics: Mapping[str, str] = TOPICS,
    database: str | None = None,
    parked_cap: int = 1000,
) -> AsyncIterator[Application]:
    """An application over a database of its own."""
    mongo = connect(mongo_url, driver)
    store = Store(mongo, database or f"views_{uuid.uuid4().hex[:8]}", views, topics, PARTITIONS)
    try:
        await store.prepare()
        yield Application(store, keyring, topics, parked_cap=parked_cap)
    finally:
        if database is None:
            await mongo.client.drop_database(store.database.name)
        await mongo.close()


async def differences(application: Application, events: Iterable[Recorded]) -> list[Difference]:
    """How the active builds differ from the fold of these events."""
    store = application.store
    stored = {view: await (await store.collection(view)).find({}).to_list(None) for view in store.views}
    return compare(fold_all(events), stored)


def failing(view: View, event_type: str, switch: dict[str, bool]) -> View:
    """The view with a defect in one fold, for as long as the switch is on."""
    fold = view.folds[event_type]

    def fold_or_fail(working: Any, event: Recorded) -> None:
        if switch["on"]:
            raise ZeroDivisionError
        fold(working, event)

    return replace(view, folds={**view.folds, event_type: fold_or_fail})


ANN, BEN, CARL = sorted(an_id(name) for name in ("ann", "ben", "carl"))
