"""One topic watched: every record of it is what the log has at its position, and none is missing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from deploy.monitor.alarm import Alarm
from deploy.monitor.faults import Faults
from shared.audit.leaf import NotARecord, blank
from shared.authenticity import REPLAYED, Admission, Authenticator, epoch_of
from shared.fetching import fetched
from shared.streaming import Source, parse_source
from shared.tails import first_epochs

OTHER = "the log has another record at its position"
NONE = "the log has no record at its position"
BEFORE = "it is not the one that follows in its partition"

STALL_SECONDS = 60.0
_FETCH_MS = 500
_FETCH_RECORDS = 2_000
_PUBLISHED = "SELECT position FROM relay_position WHERE topic = %s"
_ROWS = "SELECT notification_id, state FROM events WHERE notification_id = ANY(%s)"


class Interrupted(Exception):
    """The topic could not be read to its end. Fate: told, and read on in the next round."""


class _MadeAnew(Exception):
    """The topic is not the one that was read so far. Fate: it is read from its beginning."""


class TopicWatch:
    """Each look reads on where the last one ended. With `authenticator` the codes of the relays are checked too."""

    def __init__(self, log: str, topic: str, *, bootstrap: str, url: str, authenticator: Authenticator | None) -> None:
        """`url` is that of the log's database."""
        self.log = log
        self.topic = topic
        self._bootstrap = bootstrap
        self._url = url
        self._authenticator = authenticator
        self.begin_anew()

    def begin_anew(self) -> None:
        """The next look reads every record again."""
        self.records = 0
        self._admission: Admission | None = None
        if self._authenticator is not None:
            self._admission = Admission(
                self._authenticator, partial(first_epochs, self._bootstrap, self._authenticator)
            )
        self.partitions = 0
        self._next: dict[int, int] = {}
        self._epochs: dict[int, str] = {}
        self._tracked: dict[int, int] = {}
        self._faults = Faults(self.log, self.topic)
        # Positions that were met in any partition: all up to `_low`, and these.
        self._low = 0
        self._ahead: set[int] = set()

    async def look(self) -> list[Alarm]:
        """What is wrong with what has come. Raises KafkaError, psycopg.Error, TimeoutError, Interrupted (retry)."""
        try:
            return await self._read()
        except _MadeAnew:
            self.begin_anew()
        try:
            return await self._read()
        except _MadeAnew:
            self.begin_anew()
            raise Interrupted(f"topic {self.topic} is being made anew") from None

    async def _read(self) -> list[Alarm]:
        # Before the ends are asked for: what was published by now is before them.
        published = await asyncio.to_thread(self._published)
        self.partitions = self.partitions or await self._ask_partitions()
        places = [TopicPartition(self.topic, number) for number in range(self.partitions)]
        self._faults = Faults(self.log, self.topic)
        if places:
            async with self._consumer() as consumer:
                ends = await consumer.end_offsets(places)
                if any(ends[place] < self._next.get(place.partition, 0) for place in places):
                    raise _MadeAnew
                await self._seek(consumer, places)
                async for partition, records in _up_to(consumer, ends):
                    await self._take(partition, records)
        return [*self._faults.alarms(), *self._missing(published)]

    async def _seek(self, consumer: AIOKafkaConsumer, places: Sequence[TopicPartition]) -> None:
        consumer.assign(list(places))
        await consumer.seek_to_beginning(*places)
        for place in places:
            if place.partition in self._next:
                consumer.seek(place, self._next[place.partition])

    async def _take(self, partition: int, records: Sequence[Any]) -> None:
        if records[0].offset < self._next.get(partition, 0):
            raise _MadeAnew
        believed = list(records) if self._admission is None else await self._admission.admit(records)
        if self._admission is not None:
            for record in believed:
                if self._epochs.setdefault(partition, epoch_of(record)) != epoch_of(record):
                    raise _MadeAnew
        self._refuse(records, believed)
        sources = [parse_source(record) for record in believed]
        rows = await asyncio.to_thread(self._rows, [source.position for source in sources])
        for source in sources:
            self._compare(source, rows.get(source.position))
        self._next[partition] = records[-1].offset + 1
        self.records += len(believed)

    def _refuse(self, records: Sequence[Any], believed: Sequence[Any]) -> None:
        true = {record.offset for record in believed}
        for record in records:
            if record.offset not in true and self._authenticator is not None:
                reason = self._authenticator.doubt(record) or REPLAYED
                self._faults.add("forged", record.partition, record.offset, reason)

    def _compare(self, source: Source, row: bytes | None) -> None:
        partition, offset, position = source.partition, source.offset, source.position
        if source.reason is not None:
            self._faults.add("forged", partition, offset, source.reason)
            return
        same = row is not None and _same(position, source.value, row)
        if not same:
            reason = OTHER if row is not None else NONE
            self._faults.add("unlike_log", partition, offset, reason, position)
        if not same and self._authenticator is None:
            return
        tracked = self._tracked.get(partition, 0)
        self._met(position)
        if position > tracked:
            self._tracked[partition] = position
            if source.prev != tracked:
                between = (tracked + 1, source.prev) if source.prev > tracked else (position,)
                self._faults.add("missing", partition, offset, BEFORE, *between)

    def _met(self, position: int) -> None:
        if position > self._low:
            self._ahead.add(position)
        while self._low + 1 in self._ahead:
            self._low += 1
            self._ahead.discard(self._low)

    def _missing(self, published: int) -> list[Alarm]:
        """What was published and is in no partition; told once."""
        if published <= self._low:
            return []
        absent = [position for position in range(self._low + 1, published + 1) if position not in self._ahead]
        self._ahead = {position for position in self._ahead if position > published}
        self._low = published
        self._met(published)
        first, last = absent[0], absent[-1]
        what = f"the record at position {first} was" if first == last else f"{len(absent)} records were"
        sentence = f"{what} published and cannot be found in {self.topic}"
        return [Alarm("missing", self.log, sentence, first, last, "what was published")]

    def _published(self) -> int:
        try:
            with psycopg.connect(self._url, connect_timeout=5) as connection:
                row = connection.execute(_PUBLISHED, (self.topic,)).fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
        return int(row[0]) if row else 0

    def _rows(self, positions: Sequence[int]) -> Mapping[int, bytes]:
        with psycopg.connect(self._url, connect_timeout=5) as connection:
            return dict(connection.execute(_ROWS, (list(positions),), binary=True).fetchall())

    async def _ask_partitions(self) -> int:
        """0 if there is no such topic."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap, request_timeout_ms=15_000)
        try:
            await admin.start()
            (described,) = await admin.describe_topics([self.topic])
        finally:
            await admin.close()
        return len(described["partitions"])

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        try:
            await consumer.start()
            yield consumer
        finally:
            await consumer.stop()


async def _up_to(
    consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]
) -> AsyncIterator[tuple[int, Sequence[Any]]]:
    """What is in each partition before its end. Raises Interrupted or TimeoutError when nothing comes any more."""
    heard = time.monotonic()
    while waiting := await _before(consumer, ends):
        came = await fetched(consumer, *waiting, timeout_ms=_FETCH_MS, max_records=_FETCH_RECORDS)
        for place, records in came.items():
            yield place.partition, records
        if came:
            heard = time.monotonic()
        elif time.monotonic() - heard > STALL_SECONDS:
            raise Interrupted(f"nothing came from topic {waiting[0].topic} for {STALL_SECONDS:.0f} s")


async def _before(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> list[TopicPartition]:
    # A client that has died within never tells a position.
    async with asyncio.timeout(STALL_SECONDS):
        return [place for place, end in ends.items() if await consumer.position(place) < end]


def _same(position: int, value: bytes, row: bytes) -> bool:
    if value == row:
        return True
    try:
        # Of an erased person the log keeps the record without its ciphertexts.
        return blank(position, value) == row
    except NotARecord:
        return False
