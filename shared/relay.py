"""Publishes a log to its Kafka topic: in position order, the stored bytes unchanged, a batch wholly or not at all."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import ProducerFenced
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.lease import Lease, Published
from shared.streaming import RecordHead, build_headers
from shared.topics import partition_of

logger = structlog.get_logger(__name__)

# Under the 1,048,588 bytes that a broker takes by default, with room for the batch's own header.
MAX_BATCH_BYTES = 1_000_000

_TRANSACTION_TIMEOUT_MS = 20_000
_STANDBY_SECONDS = 1.0
_CHECK_SECONDS = 1.0
_MAX_BACKOFF_SECONDS = 5.0
_CLOSE_SECONDS = 5.0

_decode_head = msgspec.json.Decoder(RecordHead).decode


class Stored(Protocol):
    """A record of the log: eventsourcing's Notification is one."""

    @property
    def id(self) -> int: ...
    @property
    def state(self) -> bytes: ...


class RelaySource(Protocol):
    """The log as the relay needs it. Both methods block and are called in a thread, one at a time."""

    def read(self, after: int, limit: int) -> Sequence[Stored]:
        """The next records in position order. May raise anything; the relay tries again."""
        ...

    def head(self) -> int:
        """The last position of the log, 0 if it is empty."""
        ...


class Unpublishable(Exception):
    """A record that cannot be published. Fate: the relay stops before it, nothing is skipped; an operator acts."""


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """What a relay does now. `position` and `head` are as this process last saw them; `reason` is free of data."""

    state: Literal["standby", "leading", "retrying", "stopped"] = "standby"
    reason: str = ""
    position: int = 0
    head: int = 0

    @property
    def leader(self) -> bool:
        """Whether this process publishes."""
        return self.state == "leading"

    @property
    def lag(self) -> int:
        """How many records of the log are not in Kafka yet."""
        return max(0, self.head - self.position)


@dataclass(frozen=True, slots=True)
class _Batch:
    builders: list[tuple[int, BatchBuilder]]
    published: Published
    head: int
    more: bool


class _Building:
    """A batch being built: per partition the builders to send, in order."""

    def __init__(self, producer: AIOKafkaProducer, published: Published, partitions: int) -> None:
        self.published = published
        self.builders: list[tuple[int, BatchBuilder]] = []
        self._producer = producer
        self._partitions = partitions
        self._heads = dict(published.heads)
        self._open: dict[int, BatchBuilder] = {}

    def add(self, record: Stored) -> None:
        """Append one record, or raise Unpublishable and leave all as it was."""
        head = _head_of(record)
        key = head.customer.encode()
        partition = partition_of(key, self._partitions)
        headers = build_headers(head, record.id, self._heads.get(partition, 0))
        builder = self._open.get(partition)
        if builder is None or builder.append(timestamp=None, key=key, value=record.state, headers=headers) is None:
            builder = self._producer.create_batch()
            builder.append(timestamp=None, key=key, value=record.state, headers=headers)
            if builder.size() > MAX_BATCH_BYTES:
                raise Unpublishable(
                    f"The record at position {record.id} has {len(record.state)} bytes, more than a Kafka message may "
                    f"have ({MAX_BATCH_BYTES}). Raise the limits of broker and relay."
                )
            self._open[partition] = builder
            self.builders.append((partition, builder))
        self._heads[partition] = record.id
        self.published = Published(record.id, self._heads)


class Relay:
    """One per log and process; one of them, the leader, publishes, the others stand by.

    Every batch is one Kafka transaction; only after its commit the position is stored. A crash in between publishes the
    batch once more, with the same `position` and `prev` headers, so that consumers drop it. Without Kafka or PostgreSQL
    the relay tries again for ever, with a backoff of up to 5 s.
    """

    def __init__(
        self,
        source: RelaySource,
        *,
        postgres_url: str,
        bootstrap: str,
        topic: str,
        partitions: int,
        batch: int = 2000,
        poll_seconds: float = 0.2,
    ) -> None:
        self._source = source
        self._postgres_url = postgres_url
        self._bootstrap = bootstrap
        self._topic = topic
        self._partitions = partitions
        self._limit = batch
        self._poll_seconds = poll_seconds
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()
        self._done = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._runner: asyncio.Task[None] | None = None
        self._status = RelayStatus()

    def status(self) -> RelayStatus:
        """A snapshot; no I/O."""
        return self._status

    def wake(self) -> None:
        """Say, from the relay's own event loop, that the log has grown. Costs nothing when called often."""
        self._wake.set()

    def wake_threadsafe(self) -> None:
        """The same from any other thread."""
        self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Publish until stop() is called, or for ever. Returns early only for a record that cannot be published."""
        self._runner = asyncio.current_task()
        delay = 0.1
        try:
            while not self._stop.is_set():
                led_from = time.monotonic()
                try:
                    await self._take_turn()
                except Unpublishable as error:
                    self._say("stopped", str(error))
                    logger.error("relay_stopped", topic=self._topic, reason=str(error))  # noqa: TRY400 - the reason says it
                    return
                except ProducerFenced:
                    self._say("standby", "another relay took over")
                    logger.warning("relay_fenced", topic=self._topic)
                    await _wait(self._stop, _STANDBY_SECONDS)
                except Exception as error:  # noqa: BLE001 - whatever fails, the log must reach Kafka in the end
                    if time.monotonic() - led_from > _MAX_BACKOFF_SECONDS:
                        delay = 0.1
                    self._say("retrying", type(error).__name__)
                    logger.warning("relay_retrying", topic=self._topic, error=repr(error), retry_in=delay)
                    await _wait(self._stop, delay)
                    delay = min(delay * 2, _MAX_BACKOFF_SECONDS)
            self._say("stopped", "asked to stop")
        finally:
            self._done.set()

    async def stop(self, grace_seconds: float = 10.0) -> None:
        """Finish the batch in hand and give up leadership; after the grace the batch is left to be published again."""
        self._stop.set()
        self._wake.set()
        if self._runner is None:
            return
        try:
            async with asyncio.timeout(grace_seconds):
                await self._done.wait()
        except TimeoutError:
            self._runner.cancel()
            await self._done.wait()

    async def _take_turn(self) -> None:
        lease = await Lease.acquire(self._postgres_url, self._topic)
        if lease is None:
            self._say("standby")
            await _wait(self._stop, _STANDBY_SECONDS)
            return
        try:
            published = await lease.load()
            async with self._producer() as producer:
                self._status = replace(self._status, state="leading", reason="", position=published.position)
                logger.info("relay_leads", topic=self._topic, position=published.position)
                await self._lead(lease, producer, published)
        finally:
            await lease.close()

    async def _lead(self, lease: Lease, producer: AIOKafkaProducer, published: Published) -> None:
        """Publish batch after batch; the next one is read and built while the current one is sent."""
        checked = time.monotonic()
        coming: asyncio.Task[_Batch] | None = None
        try:
            while not self._stop.is_set():
                self._wake.clear()
                batch = await (coming or self._prepare(producer, published))
                coming = None
                self._status = replace(self._status, head=batch.head)
                if batch.builders:
                    if batch.more:
                        coming = asyncio.create_task(self._prepare(producer, batch.published))
                    await self._publish(producer, batch)
                    await lease.store(batch.published)
                    published = batch.published
                    self._status = replace(self._status, position=published.position)
                    checked = time.monotonic()
                    continue
                await _wait(self._wake, self._poll_seconds)
                if time.monotonic() - checked > _CHECK_SECONDS:
                    await lease.check()
                    checked = time.monotonic()
        finally:
            if coming is not None:
                coming.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await coming

    async def _prepare(self, producer: AIOKafkaProducer, published: Published) -> _Batch:
        # Reading blocks and building takes milliseconds; neither may hold up the commands of this process.
        return await asyncio.to_thread(self._read_and_build, producer, published)

    def _read_and_build(self, producer: AIOKafkaProducer, published: Published) -> _Batch:
        records = self._source.read(published.position, self._limit)
        if not records:
            return _Batch([], published, published.position, more=False)
        building = _Building(producer, published, self._partitions)
        for record in records:
            try:
                building.add(record)
            except Unpublishable:
                if building.published is published:
                    raise
                # What comes before it is published first; the next read begins with it.
                return _Batch(building.builders, building.published, self._source.head(), more=True)
        more = len(records) == self._limit
        return _Batch(building.builders, building.published, self._source.head() if more else records[-1].id, more)

    async def _publish(self, producer: AIOKafkaProducer, batch: _Batch) -> None:
        await producer.begin_transaction()
        sent = [
            await producer.send_batch(builder, self._topic, partition=partition)
            for partition, builder in batch.builders
        ]
        # A commit of aiokafka does not look at failed batches, so none may be left when it starts.
        await asyncio.gather(*sent)
        await producer.commit_transaction()

    @contextlib.asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        """A producer whose start fences an older one of this topic and aborts what it left open."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=f"relay-{self._topic}",
            transactional_id=f"relay-{self._topic}",
            transaction_timeout_ms=_TRANSACTION_TIMEOUT_MS,
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_BATCH_BYTES,
        )
        try:
            await producer.start()
            yield producer
        finally:
            await _close(producer)

    def _say(self, state: Literal["standby", "leading", "retrying", "stopped"], reason: str = "") -> None:
        self._status = replace(self._status, state=state, reason=reason)


def _head_of(record: Stored) -> RecordHead:
    try:
        return _decode_head(record.state)
    except msgspec.MsgspecError as error:
        raise Unpublishable(f"The record at position {record.id} cannot be read: {type(error).__name__}.") from error


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def _close(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await producer.stop()
    except TimeoutError:
        # Without a broker an idempotent producer waits for ever; its open transaction is aborted by the next one.
        await producer.client.close()
