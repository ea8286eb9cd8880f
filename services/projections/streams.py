"""The topics read once more from their beginning, without a group, as far as somebody else has come."""

import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.authenticity import Admission, Authenticator
from shared.fetching import fetched
from shared.streaming import Source, parse_source, source_name

STALL_SECONDS = 30.0
_FETCH_MS = 500
_FETCH_RECORDS = 5_000


class Stalled(Exception):
    """A topic ends before the place to which it was read before: it was made anew. Fate: read it from its beginning."""


class Topics:
    """All partitions of these topics at one Kafka cluster. With an `authenticator` only what relays published."""

    def __init__(
        self, bootstrap: str, names: Sequence[str], partitions: int, authenticator: Authenticator | None = None
    ) -> None:
        self._bootstrap = bootstrap
        self._places = [TopicPartition(name, number) for name in names for number in range(partitions)]
        self._authenticator = authenticator

    @asynccontextmanager
    async def read(self) -> AsyncIterator["Reading"]:
        """A reading that stands at the beginning. Raises aiokafka's KafkaError if no broker answers."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        consumer.assign(self._places)
        try:
            await consumer.start()
            await consumer.seek_to_beginning(*self._places)
            yield Reading(consumer, None if self._authenticator is None else Admission(self._authenticator))
        finally:
            await consumer.stop()


class Reading:
    """Records wait here until they are taken, so that a transaction that runs again meets the same ones."""

    def __init__(self, consumer: AIOKafkaConsumer, admission: Admission | None = None) -> None:
        self._consumer = consumer
        self._admission = admission
        self._waiting: dict[str, deque[Source]] = {}
        self._next: dict[str, int] = {}

    async def up_to(self, ends: Mapping[str, int], most: int | None = None) -> list[Source]:
        """The records before the given offset of each source, in the order of each; at most about `most` of them.

        An empty answer says that every source was read to its end. Raises KafkaError (retry), and Stalled when nothing
        has come for a while although something should.
        """
        heard = time.monotonic()
        while True:
            found = [
                source for name, queue in self._waiting.items() for source in queue if source.offset < ends.get(name, 0)
            ]
            behind = any(self._next.get(name, 0) < end for name, end in ends.items())
            if not behind or (most is not None and len(found) >= most):
                return found[:most]
            if await self._fetch():
                heard = time.monotonic()
            elif time.monotonic() - heard > STALL_SECONDS:
                raise Stalled("a topic was made anew")

    def taken(self, sources: Sequence[Source]) -> None:
        """Forget records that were dealt with: of each source the first ones that wait."""
        for source in sources:
            self._waiting[source.name].popleft()

    async def _fetch(self) -> bool:
        """Whether anything came."""
        came = await fetched(self._consumer, timeout_ms=_FETCH_MS, max_records=_FETCH_RECORDS)
        for place, records in came.items():
            name = source_name(place.topic, place.partition)
            true = records if self._admission is None else await self._admission.admit(records)
            self._waiting.setdefault(name, deque()).extend(map(parse_source, true))
            self._next[name] = records[-1].offset + 1
        return bool(came)
