"""What stands first and last in each partition of a topic, and whether that is what the log published there."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from functools import partial
from typing import Any, NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.authenticity import Admission, Authenticator, epoch_of
from shared.epoch import Mark
from shared.fetching import fetched
from shared.lease import Published
from shared.streaming import parse_source

_FIRST_BYTES = 65_536
_WINDOW = 64
_GROWTH = 16
_READ_SECONDS = 60.0
_FETCH_MS = 200
_REQUEST_MS = 10_000
_ENDING_SECONDS = 2.0

T = TypeVar("T")


class TopicLost(Exception):
    """A topic holds less than it did. Fate: it is made anew and the log is published again from its beginning."""


class WentBack(Exception):
    """A topic holds events that its log does not. Fate: the relay publishes nothing until an operator acts."""


class Tail(NamedTuple):
    """The last record of a partition that a relay published."""

    position: int
    mark: Mark


class Topic:
    """One topic, read without a group and only what is committed. Raises KafkaError or TimeoutError (retry)."""

    def __init__(self, bootstrap: str, name: str, partitions: int, authenticator: Authenticator | None = None) -> None:
        self.name = name
        self._bootstrap = bootstrap
        self._places = [TopicPartition(name, number) for number in range(partitions)]
        self._authenticator = authenticator

    async def tails(self) -> dict[int, Tail]:
        """The last record of every partition that has one. Others' records and transaction markers are passed over."""
        found: dict[int, Tail] = {}
        admission = self._admission()
        async with _reader(self._bootstrap) as consumer, asyncio.timeout(_READ_SECONDS):
            begins = await consumer.beginning_offsets(self._places)
            ends = await consumer.end_offsets(self._places)
            waiting = [place for place in self._places if ends[place] > begins[place]]
            window = _WINDOW
            while waiting:
                starts = {place: max(begins[place], ends[place] - window) for place in waiting}
                found |= await _last_of(consumer, starts, ends, admission)
                waiting = [place for place in waiting if place.partition not in found and starts[place] > begins[place]]
                window *= _GROWTH
        return found

    async def watch(self, seconds: float) -> None:
        """Look at the ends for ever. Raises TopicLost when one of them is nearer to the beginning than it was."""
        known: Mapping[TopicPartition, int] = {}
        async with _reader(self._bootstrap) as consumer:
            while True:
                ends = await _unbroken(consumer.end_offsets(self._places))
                if any(ends[place] < end for place, end in known.items()):
                    raise TopicLost(f"records of {self.name} are gone")
                known = ends
                await asyncio.sleep(seconds)

    def _admission(self) -> Admission | None:
        if self._authenticator is None:
            return None
        return Admission(self._authenticator, partial(first_epochs, self._bootstrap, self._authenticator))


async def first_epochs(
    bootstrap: str, authenticator: Authenticator, topic: str, partitions: Collection[int]
) -> dict[int, str]:
    """The epoch of the first record of each of these partitions that a relay published there; others' are passed over.

    A partition without one is missing. Raises KafkaError or TimeoutError (retry).
    """
    found: dict[int, str] = {}
    places = [TopicPartition(topic, partition) for partition in partitions]
    async with (
        _reader(bootstrap, max_partition_fetch_bytes=_FIRST_BYTES) as consumer,
        asyncio.timeout(_READ_SECONDS),
    ):
        ends = await consumer.end_offsets(places)
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        while waiting := [
            place for place in places if place.partition not in found and await consumer.position(place) < ends[place]
        ]:
            for place, records in (await fetched(consumer, *waiting, timeout_ms=_FETCH_MS)).items():
                if (first := next((one for one in records if authenticator.doubt(one) is None), None)) is not None:
                    found[place.partition] = epoch_of(first)
    return found


@contextlib.asynccontextmanager
async def _reader(bootstrap: str, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        request_timeout_ms=_REQUEST_MS,
        **options,
    )
    try:
        await _unbroken(consumer.start())
        yield consumer
    finally:
        await consumer.stop()


async def _unbroken(work: Coroutine[Any, Any, T]) -> T:
    """Let a request end, within reason, before a cancellation is heeded: aiokafka would leave its connection open."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=_ENDING_SECONDS)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # Nobody asks any more.
        raise


async def _last_of(
    consumer: AIOKafkaConsumer,
    starts: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
    admission: Admission | None,
) -> dict[int, Tail]:
    consumer.assign(list(starts))
    for place, start in starts.items():
        consumer.seek(place, start)
    found: dict[int, Tail] = {}
    while any([await consumer.position(place) < ends[place] for place in starts]):
        for place, records in (await fetched(consumer, timeout_ms=_FETCH_MS)).items():
            true = records if admission is None else await admission.admit(records)
            for source in map(parse_source, true):
                if source.position and source.mark.epoch and source.mark.event:
                    found[place.partition] = Tail(source.position, source.mark)
    return found


def why_anew(
    topic: str, published: Published, tails: Mapping[int, Tail], head: int, event_at: Callable[[int], str]
) -> str:
    """Why a log has to be published anew, "" if its topic holds what was published. Raises WentBack.

    head      the last position of the log, read after the tails
    event_at  the id of the event at a position of the log
    """
    for partition, tail in tails.items():
        if tail.position > head or event_at(tail.position) != tail.mark.event:
            raise WentBack(
                f"{topic}/{partition} holds an event at position {tail.position} that the log does not have there (it "
                f"ends at {head}): an older backup of the log was restored. Commands are accepted and stored, but not "
                "published. `custlog republish` makes the topics anew from the logs"
            )
    for partition, position in published.heads.items():
        if partition not in tails or tails[partition].position < position:
            return f"partition {partition} does not reach position {position} any more"
    if any(tail.mark.epoch != published.epoch for tail in tails.values()):
        return "it is not of the epoch that the relay knows"
    return ""
