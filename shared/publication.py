"""Building what one Kafka transaction of the relay carries, from the bytes as they are stored."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeAlias

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.lease import Published
from shared.streaming import Headers, RecordHead, build_headers
from shared.topics import partition_of

# Under the 1,048,588 bytes that a broker takes by default, with room for the batch's own header.
MAX_BATCH_BYTES = 1_000_000

Sign: TypeAlias = Callable[[int, bytes, bytes, Headers], tuple[str, bytes]]
"""(partition, key, value, headers) of a record -> the header that says who published it."""

_decode_head = msgspec.json.Decoder(RecordHead).decode


class Stored(Protocol):
    """A record of the log: eventsourcing's Notification is one."""

    @property
    def id(self) -> int: ...
    @property
    def state(self) -> bytes: ...


class Unpublishable(Exception):
    """A record that cannot be published. Fate: the relay stops before it, nothing is skipped; an operator acts."""


class Building:
    """A batch being built: per partition the builders to send, in order."""

    def __init__(
        self, producer: AIOKafkaProducer, published: Published, partitions: int, sign: Sign | None = None
    ) -> None:
        self.published = published
        self.builders: list[tuple[int, BatchBuilder]] = []
        self._producer = producer
        self._partitions = partitions
        self._sign = sign
        self._heads = dict(published.heads)
        self._open: dict[int, BatchBuilder] = {}

    def add(self, record: Stored) -> None:
        """Append one record, or raise Unpublishable and leave all as it was."""
        head = _head_of(record)
        key = head.customer.encode()
        partition = partition_of(key, self._partitions)
        headers = build_headers(head, record.id, self._heads.get(partition, 0), self.published.epoch)
        if self._sign is not None:
            headers.append(self._sign(partition, key, record.state, headers))
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
        self.published = replace(self.published, position=record.id, heads=self._heads)


def event_of(record: Stored) -> str:
    """The id of the event in a record. Raises Unpublishable if it cannot be read."""
    return _head_of(record).id


def _head_of(record: Stored) -> RecordHead:
    try:
        return _decode_head(record.state)
    except msgspec.MsgspecError as error:
        raise Unpublishable(f"The record at position {record.id} cannot be read: {type(error).__name__}.") from error
