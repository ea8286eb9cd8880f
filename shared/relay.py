"""Publishes a log to its Kafka topic: in position order, the stored bytes unchanged, a batch wholly or not at all."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, Protocol

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.producer import sender as aiokafka_sender
from aiokafka.producer.message_accumulator import BatchBuilder

from shared import metrics
from shared.authenticity import Authenticator
from shared.crash import crash_here
from shared.epoch import head_of, new_epoch
from shared.fetching import bury, ended_within_producer
from shared.interruption import contained
from shared.lease import Lease, Published
from shared.log import safe_message
from shared.publication import MAX_BATCH_BYTES, Building, Stored, Unpublishable, event_of
from shared.tails import Topic, TopicLost, WentBack, why_anew
from shared.topics import TopicMismatch, ensure_topics, make_anew

logger = structlog.get_logger(__name__)

# While the coordinator ends the last transaction it refuses the next one, for a millisecond or two: aiokafka would let
# 20 pass before it asks again.
aiokafka_sender.BACKOFF_OVERRIDE = 0.002

_TRANSACTION_TIMEOUT_MS = 20_000
_TRANSACTION_BYTES = 8 * 1_048_576
_STANDBY_SECONDS = 1.0
_CHECK_SECONDS = 1.0
_START_SECONDS = 60.0
_LOOK_SECONDS = 2.0
_HELD_SECONDS = 5.0
_MAX_BACKOFF_SECONDS = 5.0


RelayState = Literal["starting", "standby", "leading", "retrying", "held", "stopped"]


class RelaySource(Protocol):
    """The log as the relay needs it. Both methods block and are called in a thread."""

    def read(self, after: int, limit: int) -> Sequence[Stored]:
        """The next records in position order. May raise anything; the relay tries again."""
        ...

    def head(self) -> int:
        """The last position of the log, 0 if it is empty."""
        ...


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """What a relay does now; `reason` is free of data. A leading one has a reason while it publishes a log anew.

    `position` and `head` are as this process last saw them, and mean nothing unless it has read them (`known`): while
    another one leads, only that one knows.
    """

    state: RelayState = "starting"
    reason: str = ""
    position: int = 0
    head: int = 0
    known: bool = False

    @property
    def leader(self) -> bool:
        """Whether this process publishes."""
        return self.state == "leading"

    @property
    def lag(self) -> int | None:
        """How many records of the log are not in Kafka yet, None if this process does not know."""
        return max(0, self.head - self.position) if self.known else None


@dataclass(frozen=True, slots=True)
class _Batch:
    builders: list[tuple[int, BatchBuilder]]
    published: Published
    head: int
    more: bool


class Relay:
    """One per log and process; one of them, the leader, publishes, the others stand by.

    Every batch is one Kafka transaction; only after its commit the position is stored. A crash in between publishes the
    batch once more, with the same `position` and `prev` headers, so that consumers drop it. Without Kafka or PostgreSQL
    the relay tries again for ever, with a backoff of up to 5 s.

    Whoever takes the lead compares the topic with the log. Where the topic lost records, it is made anew and the log
    published from its beginning, as another epoch. Where it holds events that the log does not, nothing is published
    ("held") until an operator asks to publish anew, or the log is what it was. With an `authenticator` every record is
    published with a code, and records without a right one count as not there.
    """

    def __init__(
        self,
        source: RelaySource,
        *,
        postgres_url: str,
        bootstrap: str,
        topic: str,
        partitions: int,
        replication: int = 1,
        batch: int = 4000,
        poll_seconds: float = 0.2,
        authenticator: Authenticator | None = None,
    ) -> None:
        self._source = source
        self._postgres_url = postgres_url
        self._bootstrap = bootstrap
        self._topic = topic
        self._partitions = partitions
        self._replication = replication
        self._limit = batch
        self._poll_seconds = poll_seconds
        self._authenticator = authenticator
        self._sign = None if authenticator is None else partial(authenticator.sign, topic)
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
                    await contained(self._take_turn())
                except Unpublishable as error:
                    self._say("stopped", str(error))
                    logger.error("relay_stopped", topic=self._topic, reason=str(error))  # noqa: TRY400 - the reason says it
                    return
                except (WentBack, TopicMismatch) as error:
                    if self._status.reason != str(error):
                        logger.error("relay_held", topic=self._topic, reason=str(error))  # noqa: TRY400 - it says it
                    self._say("held", str(error))
                    await _wait(self._stop, _HELD_SECONDS)
                except TopicLost as error:
                    logger.error("topic_lost", topic=self._topic, reason=str(error))  # noqa: TRY400 - the reason says it
                except ProducerFenced:
                    self._say("standby", "another relay took over")
                    metrics.RELAY_FENCED.labels(self._topic.partition(".")[0]).inc()
                    logger.warning("relay_fenced", topic=self._topic)
                    await _wait(self._stop, _STANDBY_SECONDS)
                except Exception as error:  # noqa: BLE001 - whatever fails, the log must reach Kafka in the end
                    if time.monotonic() - led_from > _MAX_BACKOFF_SECONDS:
                        delay = 0.1
                    self._say("retrying", type(error).__name__)
                    said = f"{type(error).__name__}: {safe_message(error)}"
                    logger.warning("relay_retrying", topic=self._topic, error=said, retry_in=delay)
                    await _wait(self._stop, delay)
                    delay = min(delay * 2, _MAX_BACKOFF_SECONDS)
        finally:
            if self._status.state != "stopped":
                self._say("stopped", "asked to stop")
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
            # Its start ends what an older relay left open, so what the topic holds does not change any more.
            async with self._producer() as producer:
                published = await self._compare(lease, await lease.load())
                self._tell(published)
                logger.info("relay_leads", topic=self._topic, position=published.position, epoch=published.epoch)
                await _first(
                    self._lead(lease, producer, published),
                    self._watch_lease(lease),
                    self._watch_topic(),
                    _watch_producer(producer),
                )
        finally:
            await lease.close()

    async def _compare(self, lease: Lease, published: Published) -> Published:
        """Where to go on once topic and log are known to agree. Makes the topic anew if it has lost something."""
        reason = "it was asked for"
        if not published.anew:
            await ensure_topics(
                self._bootstrap, [self._topic], partitions=self._partitions, replication=self._replication
            )
            tails = await self._there().tails()
            head = await asyncio.to_thread(self._source.head)
            reason = await asyncio.to_thread(why_anew, self._topic, published, tails, head, self._event_at)
            if not reason and published.epoch:
                return published
        epoch = new_epoch(await asyncio.to_thread(self._source.head))
        if reason:
            metrics.RELAY_REPUBLISHED.labels(self._topic.partition(".")[0]).inc()
            logger.error("log_published_anew", topic=self._topic, reason=reason, epoch=epoch)
            await lease.begin(epoch)
            await make_anew(self._bootstrap, self._topic, partitions=self._partitions, replication=self._replication)
            await lease.begun()
            return Published(epoch=epoch)
        published = replace(published, epoch=epoch)
        await lease.store(published)
        return published

    def _event_at(self, position: int) -> str:
        return event_of(self._source.read(position - 1, 1)[0])

    def _tell(self, published: Published) -> None:
        target = head_of(published.epoch)
        anew = published.position < target
        reason = f"publishes the log from its beginning, is at {published.position} of {target}" if anew else ""
        self._status = RelayStatus("leading", reason, published.position, self._status.head, known=True)

    async def _watch_lease(self, lease: Lease) -> None:
        """Ends by an exception when the lease is lost or the log has to be published anew."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            if await lease.wanted():
                raise TopicLost("it has to be published anew")

    async def _watch_topic(self) -> None:
        await self._there().watch(_LOOK_SECONDS)

    def _there(self) -> Topic:
        return Topic(self._bootstrap, self._topic, self._partitions, self._authenticator)

    async def _lead(self, lease: Lease, producer: AIOKafkaProducer, published: Published) -> None:
        """Publish batch after batch. While one is sent, the next is built and the position of the last is stored."""
        coming: asyncio.Task[_Batch] | None = None
        storing: asyncio.Task[None] | None = None
        try:
            while not self._stop.is_set():
                if coming is None:
                    self._wake.clear()
                    coming = asyncio.create_task(self._prepare(producer, published))
                batch = await coming
                coming = None
                self._status = replace(self._status, head=batch.head)
                if batch.builders:
                    sent = await self._begin(producer, batch)
                    published = batch.published
                    if batch.more:
                        coming = asyncio.create_task(self._prepare(producer, published))
                    await self._commit(producer, sent)
                    if storing is not None:
                        await storing
                    storing = asyncio.create_task(lease.store(published))
                    if not batch.more:
                        await storing
                    # The index is gapless: positions count records.
                    records = published.position - self._status.position
                    metrics.RELAY_PUBLISHED.labels(self._topic.partition(".")[0]).inc(max(0, records))
                    self._tell(published)
                    continue
                await _wait(self._wake, self._poll_seconds)
            if storing is not None:
                await storing
        finally:
            await _drop(coming, storing)

    async def _prepare(self, producer: AIOKafkaProducer, published: Published) -> _Batch:
        # Reading blocks and building takes milliseconds; neither may hold up the commands of this process.
        return await asyncio.to_thread(self._read_and_build, producer, published)

    def _read_and_build(self, producer: AIOKafkaProducer, published: Published) -> _Batch:
        records = self._source.read(published.position, self._limit)
        if not records:
            return _Batch([], published, published.position, more=False)
        crash_here("relay.after_read")
        building = Building(producer, published, self._partitions, self._sign)
        size = 0
        for record in records:
            size += len(record.state)
            try:
                building.add(record)
            except Unpublishable:
                if building.published is published:
                    raise
                break  # What comes before it is published first; the next read begins with it.
            if size > _TRANSACTION_BYTES:
                break
        last = building.published.position
        more = last < records[-1].id or len(records) == self._limit
        return _Batch(building.builders, building.published, self._source.head() if more else last, more)

    async def _begin(self, producer: AIOKafkaProducer, batch: _Batch) -> list[asyncio.Future[Any]]:
        await producer.begin_transaction()
        return [
            await producer.send_batch(builder, self._topic, partition=partition)
            for partition, builder in batch.builders
        ]

    async def _commit(self, producer: AIOKafkaProducer, sent: list[asyncio.Future[Any]]) -> None:
        # A commit of aiokafka does not look at failed batches, so none may be left when it starts.
        await asyncio.gather(*sent)
        crash_here("relay.before_kafka_commit")
        await producer.commit_transaction()
        crash_here("relay.after_kafka_commit")

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
            async with asyncio.timeout(_START_SECONDS):
                await producer.start()
            yield producer
        except BaseException:
            await _abandon(producer)
            raise
        await producer.stop()

    def _say(self, state: RelayState, reason: str = "") -> None:
        known = self._status.known and state != "standby"
        self._status = replace(self._status, state=state, reason=reason, known=known)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def _first(*work: Coroutine[Any, Any, None]) -> None:
    """Do several things until the first of them ends, however it ends; the others are cancelled."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await _drop(*tasks)


async def _drop(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel what is still under way; its outcome no longer matters."""
    for task in tasks:
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


async def _watch_producer(producer: AIOKafkaProducer) -> None:
    """Ends by an exception when a task within the producer has died: it would wait for it for ever."""
    while True:
        await asyncio.sleep(_CHECK_SECONDS)
        if ended := ended_within_producer(producer):
            raise KafkaError(f"{ended} ended within the Kafka client")


async def _abandon(producer: AIOKafkaProducer) -> None:
    """End a producer in the middle of its work: by itself it would try for ever, and nothing public ends that.

    What it left in an open transaction is aborted when the next one starts.
    """
    sender = producer._sender.sender_task  # noqa: SLF001 - see above
    while sender is not None and not sender.done():
        # Cancelled, it waits for the request in hand; cancelled again, it takes that along.
        sender.cancel()
        await asyncio.wait([sender], timeout=0.05)
    accumulator = producer._message_accumulator  # noqa: SLF001 - see above
    accumulator._batches.clear()  # noqa: SLF001 - see above
    accumulator._pending_batches.clear()  # noqa: SLF001 - see above
    bury(producer.client)
    await producer.stop()
