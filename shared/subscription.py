"""A consumer of the topics: batches in, from the place that the consumer's own store names, none ever passed over."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER

from shared import metrics
from shared.authenticity import Admission
from shared.epoch import Note
from shared.fetching import end, ended_within
from shared.inbox import SetBack
from shared.interruption import contained
from shared.log import safe_message
from shared.streaming import Hole, Plan, Received, source_name

logger = structlog.get_logger(__name__)

Handle = Callable[[list[Received]], Awaitable[Plan]]
Resume = Callable[[Sequence[tuple[str, int]]], Awaitable[Mapping[tuple[str, int], int | None]]]
Confirm = Callable[[Mapping[str, str]], Awaitable[None]]
State = Literal["starting", "running", "retrying", "stopped"]

_MAX_BACKOFF_SECONDS = 10.0
# A topic that was deleted and made anew is found again after so long.
_METADATA_MS = 5_000
_LOOK_SECONDS = 1.0
_CLOSE_SECONDS = 60.0
_REVOKE_SECONDS = 20.0
# FastStream sleeps as long again after an empty poll: this bounds the extra latency of an idle consumer.
_POLL_MS = 10
# A consumer holds at most one fetch of every partition: back-pressure is that no handler runs, no next fetch is made.
_PARTITION_BYTES = 1_048_576
_FETCH_BYTES = 8 * 1_048_576


class Stop(Exception):
    """Raised by a handler that must not go on (too many parked records, a hole that stays).

    Fate: the batch is not taken, the consumer leaves its group and its readiness fails with the reason; an operator
    acts and starts it again.
    """


class Subscription(ConsumerRebalanceListener):  # type: ignore[misc]
    """One consumer in a group. Made by subscribe(); start() and stop() belong to its owner.

    Its handler gets the records of one poll, and is called with the same records again until it returns: every other
    exception than Stop counts as a failure of the infrastructure. It must therefore be a transaction. If a rebalance or
    stop() comes in between, the batch is left; it is read again from the stored place, here or elsewhere. Records that
    no relay published never reach the handler.
    """

    def __init__(
        self,
        broker: KafkaBroker,
        topics: Sequence[str],
        handle: Handle,
        resume: Resume,
        *,
        confirm: Confirm | None = None,
        admission: Admission | None = None,
        name: str = "",
    ) -> None:
        self.name = name
        self.topics = tuple(topics)
        self.state: State = "starting"
        self.reason = ""
        self._broker = broker
        self._handle = handle
        self._resume = resume
        self._confirm = confirm
        self._admission = admission
        self._subscriber: Any = None
        self._generation = 0
        self._moved = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self._leaving = False
        self._rewound: dict[tuple[str, int], int] = {}
        self._in_hand: dict[tuple[str, int], int] = {}
        self._awaited: dict[tuple[str, int], int] = {}
        self._closing: asyncio.Task[None] | None = None

    def attach(self, subscriber: Any) -> None:
        """Name the FastStream subscriber that calls consume()."""
        self._subscriber = subscriber

    @property
    def consumer(self) -> AIOKafkaConsumer | None:
        """The consumer underneath, while it runs."""
        return self._subscriber.consumer if self._subscriber is not None else None

    @property
    def ready(self) -> bool:
        """Whether records are being taken."""
        return self.state == "running"

    async def start(self) -> None:
        """Connect and join the group; a subscription that was stopped stays so. Raises KafkaError without a broker."""
        if self._stopping:
            return
        await self._broker.connect()
        self._leaving = False
        try:
            await self._subscriber.start()
        except Exception:
            # Half of a consumer is there, with tasks and connections; the next attempt would lose sight of it.
            await self._close()
            raise

    async def deaf(self) -> str:
        """Look after the consumer until nothing can come any more, and say why.

        A task within aiokafka ends for good at an error that it does not expect (uvloop raises RuntimeError for a write
        to a closed connection), and then getmany() answers nothing for ever, or fails for ever. A subscription that
        does not run, or is stopped, never becomes deaf. Meanwhile partitions without the record that was read last are
        read from their beginning.
        """
        while True:
            consumer = self.consumer
            if consumer is not None and not self._stopping:
                if ended := ended_within(consumer):
                    return f"{ended} ended within the Kafka client"
                await self._read_unknown_topics(consumer)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _read_unknown_topics(self, consumer: AIOKafkaConsumer) -> None:
        # Where a transaction marker stands in place of the awaited record, and nothing behind it, none would ever come.
        for place, awaited in list(self._awaited.items()):
            state = _state(consumer, TopicPartition(*place))
            passed = state is not None and state.has_valid_position and state.position > awaited
            if passed and place not in self._in_hand:
                del self._awaited[place]
                logger.warning("topic_made_anew", topic=place[0], partition=place[1], awaited=awaited)
                with contextlib.suppress(KafkaError):  # it is asked for, and goes on when the broker is back
                    await self.rewind(*place)

    async def leave(self, reason: str) -> None:
        """Finish the running batch (a retry is given up) and leave the group, to start() again."""
        logger.warning("consumer_leaving", topics=self.topics, reason=reason)
        self._retrying(reason)
        self._leaving = True
        self._give_up()
        await self._close()

    async def stop(self) -> None:
        """Finish the running batch (a retry is given up), then leave the group. May be called twice."""
        self._stopping = True
        self._give_up()
        if self.state != "stopped":
            self.state, self.reason = "stopped", "asked to stop"
        await self._close()

    def lag(self) -> dict[tuple[str, int], int | None]:
        """Records (with transaction markers) not yet taken, per assigned partition.

        None until the first fetch, and until it is known whether its topic is the one that was read before.

        Those of a batch that is being handled, or handled again after a failure, are not taken. Counted to the last
        stable offset, that is to the end of the last finished transaction, so an idle consumer stands at 0.
        """
        consumer = self.consumer
        if consumer is None:
            return {}
        lags: dict[tuple[str, int], int | None] = {}
        for tp in consumer.assignment():
            place, state = (tp.topic, tp.partition), _state(consumer, tp)
            end = state.lso if state is not None else None
            if end is None or not state.has_valid_position or place in self._awaited:
                lags[place] = None
                continue
            at = min(state.position, self._in_hand.get(place, state.position))
            lags[place] = max(0, end - at)
        return lags

    def absent(self) -> set[str]:
        """Topics that the cluster does not know now, so that no member of the group reads them: one was deleted."""
        consumer = self.consumer
        return (
            set() if consumer is None else {topic for topic in self.topics if not consumer.partitions_for_topic(topic)}
        )

    async def rewind(self, topic: str, partition: int) -> None:
        """Read a partition again from its beginning; what was applied is dropped as duplicate."""
        consumer = self.consumer
        tp = TopicPartition(topic, partition)
        if consumer is not None and tp in consumer.assignment():
            await consumer.seek_to_beginning(tp)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002 - eager: it is all
        """Let the running batch end before another member takes its partitions; the store fences what still goes on."""
        self._give_up()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REVOKE_SECONDS):
                await self._idle.wait()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Go to the stored places. Nothing is read before that, however long the store takes to answer."""
        consumer = self.consumer
        partitions = sorted(assigned)
        metrics.REBALANCES.labels(self.name).inc()
        if consumer is None:
            return
        if not partitions:
            # There are more members than partitions: this one stands by, whatever it was busy with.
            self._run()
            return
        # Before the first await: without it the consumer would begin to read at Kafka's own committed offsets.
        consumer.pause(*partitions)
        self._give_up()
        self._rewound.clear()
        # What was in hand is read again from the stored places.
        self._in_hand = {}
        self._awaited = {}
        generation = self._generation
        places = await self._stored_places(consumer, partitions, generation)
        if places is None:
            return
        offsets, ends = places
        beginning = []
        for tp in partitions:
            # The last record is read again: it tells whether the topic is the one that was read before.
            offset = (offsets.get((tp.topic, tp.partition)) or 0) - 1
            if 0 <= offset < ends[tp]:
                consumer.seek(tp, offset)
                self._awaited[tp.topic, tp.partition] = offset
            else:
                beginning.append(tp)
        if beginning:
            await consumer.seek_to_beginning(*beginning)
        if generation == self._generation:
            consumer.resume(*partitions)
            self._run()

    async def _stored_places(
        self, consumer: AIOKafkaConsumer, places: Sequence[TopicPartition], generation: int
    ) -> tuple[Mapping[tuple[str, int], int | None], Mapping[TopicPartition, int]] | None:
        partitions = [(tp.topic, tp.partition) for tp in places]
        delay = 0.1
        while generation == self._generation and not self._ends:
            try:
                offsets = await contained(self._resume(partitions))
                await contained(self._confirm_store(partitions))
                ends = await contained(consumer.end_offsets(places))
            except Exception as error:  # noqa: BLE001 - aiokafka would swallow it and read on
                await self._retry_later("resume", error, delay)
                delay = min(delay * 2, _MAX_BACKOFF_SECONDS)
            else:
                return offsets, ends
        return None

    async def _confirm_store(self, partitions: Sequence[tuple[str, int]]) -> None:
        consumer = self.consumer
        if self._confirm is None or consumer is None or not partitions:
            return
        places = [TopicPartition(*place) for place in partitions]
        # The public committed() leaves out what was told beside the offset.
        told = await consumer._coordinator.fetch_committed_offsets(places)  # noqa: SLF001
        await self._confirm({source_name(*place): at.metadata for place, at in told.items() if at.metadata})

    async def consume(self, batch: Any) -> None:
        """Take one batch. Never raises: FastStream would go on with the next batch.

        (FastStream builds a pydantic model of the annotation, which a protocol cannot be.)
        """
        records: list[Received] = list(batch)
        believed: list[Received] | None = None
        generation = self._generation
        delay = 0.1
        self._idle.clear()
        # Reversed, so that the first offset of each partition stays.
        self._in_hand = {(record.topic, record.partition): record.offset for record in reversed(records)}
        try:
            while generation == self._generation and not self._ends:
                try:
                    if believed is None:
                        believed = await contained(self._believed(records))
                    await contained(self._take(believed))
                except Stop as stop:
                    self._halt(str(stop))
                    return
                except Exception as error:  # noqa: BLE001 - a batch is never passed over
                    await self._retry_later("handle", error, delay)
                    delay = min(delay * 2, _MAX_BACKOFF_SECONDS)
                else:
                    self._in_hand = {}
                    return
        finally:
            self._idle.set()

    async def _take(self, believed: list[Received]) -> None:
        for record in believed:
            self._awaited.pop((record.topic, record.partition), None)
        await self._settle(await self._handle(believed) if believed else Plan())

    async def _believed(self, records: list[Received]) -> list[Received]:
        return records if self._admission is None else await self._admission.admit(records)

    async def _settle(self, plan: Plan) -> None:
        self._run()
        consumer = self.consumer
        if consumer is None:
            return
        for name, move in plan.positions.items():
            topic, _, partition = name.rpartition("/")
            if move.position > self._rewound.get((topic, int(partition)), move.position):
                del self._rewound[topic, int(partition)]
        # Read again from the beginning, a store that was set back would take in what its log may not hold any more.
        await self._confirm_store([(hole.topic, hole.partition) for hole in plan.holes])
        for hole in plan.holes:
            await self._rewind_once(hole)
        await self._commit(consumer, plan)

    async def _rewind_once(self, hole: Hole) -> None:
        place = (hole.topic, hole.partition)
        if self._rewound.get(place) == hole.tracked:
            raise Stop(
                f"{hole.topic}/{hole.partition} has no record after position {hole.tracked} although later ones "
                "follow. Publish the log again from the start, then start this consumer."
            )
        metrics.REWINDS.labels(self.name, hole.topic).inc()
        logger.warning("hole_rewinding", topic=hole.topic, partition=hole.partition, tracked=hole.tracked)
        await self.rewind(hole.topic, hole.partition)
        self._rewound[place] = hole.tracked

    async def _commit(self, consumer: AIOKafkaConsumer, plan: Plan) -> None:
        """Tell Kafka where we are: for its tools to show, and to notice a store that was set back."""
        offsets = {}
        for name, move in plan.positions.items():
            topic, _, partition = name.rpartition("/")
            tp = TopicPartition(topic, int(partition))
            if tp in consumer.assignment():
                offsets[tp] = OffsetAndMetadata(move.next_offset, str(Note(move.mark.epoch, move.position)))
        if not offsets:
            return
        try:
            await consumer.commit(offsets)
        except KafkaError as error:
            logger.info("offset_commit_failed", error=type(error).__name__)

    async def _retry_later(self, work: str, error: Exception, delay: float) -> None:
        self._retrying(str(error) if isinstance(error, SetBack) else type(error).__name__)
        said = f"{type(error).__name__}: {safe_message(error)}"
        logger.warning("consumer_retrying", work=work, topics=self.topics, error=said, retry_in=delay)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._moved.wait()

    def _retrying(self, reason: str) -> None:
        if self.state != "stopped":
            self.state, self.reason = "retrying", reason
        for topic in self.topics:
            metrics.CONSUMER_RETRIES.labels(self.name, topic).inc()

    @property
    def _ends(self) -> bool:
        return self._stopping or self._leaving

    def _run(self) -> None:
        if self.state != "stopped" and not self._leaving:
            self.state, self.reason = "running", ""

    def _give_up(self) -> None:
        self._generation += 1
        self._moved.set()
        self._moved = asyncio.Event()

    def _halt(self, reason: str) -> None:
        self.state, self.reason = "stopped", reason
        self._stopping = True
        logger.error("consumer_stopped", topics=self.topics, reason=reason)
        # The loop that called us has to end before its consumer can be closed.
        self._subscriber.running = False
        self._closing = asyncio.create_task(self._close())

    async def _close(self) -> None:
        if self._closing is not None and self._closing is not asyncio.current_task():
            await self._closing
            return
        consumer = self.consumer
        leaving = asyncio.ensure_future(self._subscriber.stop())
        await asyncio.wait([leaving], timeout=_CLOSE_SECONDS)
        if leaving.done() and not leaving.cancelled() and leaving.exception() is None:
            return
        # Without a broker, or where one of its tasks has died, aiokafka's stop() ends half-way or never.
        leaving.cancel()
        self._subscriber.consumer = None
        if consumer is not None:
            await end(consumer)


def kafka_broker(bootstrap: str, client_id: str) -> KafkaBroker:
    """A FastStream broker for subscriptions: creates no topics, logs through the standard library."""
    return KafkaBroker(
        bootstrap,
        client_id=client_id,
        consumer_only=True,
        metadata_max_age_ms=_METADATA_MS,
        allow_auto_create_topics=False,
        apply_types=False,
        logger=logging.getLogger("custlog.kafka"),
        log_level=logging.DEBUG,
        graceful_timeout=30.0,
    )


def subscribe(
    broker: KafkaBroker,
    topics: Sequence[str],
    *,
    group: str,
    handle: Handle,
    resume: Resume,
    confirm: Confirm | None = None,
    admission: Admission | None = None,
    max_records: int = 2000,
    instance: str = "",
) -> Subscription:
    """Declare a consumer on a broker (made by kafka_broker()); call start() of the result.

    handle  takes the records of one poll, in order per partition, in one transaction of the consumer's store
    resume  the offset at which to go on per (topic, partition); None (or absent) for the beginning
    confirm  compares the store with what was told to Kafka per source, raises SetBack if the store is behind
    admission  tells which records a relay published, the others are refused; without it all are believed
    instance  name of this member that survives restarts: after a kill it is back at once, not after a session time-out
    """
    name = group.removeprefix("custlog-")
    subscription = Subscription(broker, topics, handle, resume, confirm=confirm, admission=admission, name=name)
    subscriber = broker.subscriber(
        *topics,
        batch=True,
        group_id=group,
        group_instance_id=f"{group}-{instance}" if instance else None,
        ack_policy=AckPolicy.MANUAL,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        partition_assignment_strategy=(RangePartitionAssignor,),
        listener=subscription,
        max_records=max_records,
        batch_timeout_ms=_POLL_MS,
        max_partition_fetch_bytes=_PARTITION_BYTES,
        fetch_max_bytes=_FETCH_BYTES,
        heartbeat_interval_ms=1_000,
        max_poll_interval_ms=600_000,
        rebalance_timeout_ms=30_000,
        parser=_unread,
        decoder=_as_read,
    )
    subscription.attach(subscriber)
    subscriber(subscription.consume)
    return subscription


def _state(consumer: AIOKafkaConsumer, tp: TopicPartition) -> Any:
    # The public position() is a coroutine that may wait; the state it reads is always at hand.
    if tp not in consumer.assignment():
        return None
    return consumer._subscription.subscription.assignment.state_value(tp)  # noqa: SLF001


async def _unread(records: tuple[Received, ...]) -> KafkaMessage:
    # FastStream's own parser fails on a header that is not UTF-8, and a batch that fails there is passed over.
    return KafkaMessage(records, b"", message_id="batch", correlation_id="batch", consumer=FAKE_CONSUMER)


async def _as_read(message: KafkaMessage) -> Any:
    return message.raw_message
