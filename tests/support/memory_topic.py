"""A topic without a broker: what `shared.publication.Building` makes is published whole, and read by offset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.streaming import Headers


@dataclass(frozen=True)
class Held:
    """A record as a consumer gets it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass
class MemoryBatch:
    """What aiokafka calls a batch builder: takes records until it is full."""

    most: int
    records: list[tuple[bytes, bytes, Headers]] = field(default_factory=list)

    def append(self, *, timestamp: int | None, key: bytes, value: bytes, headers: Headers) -> object | None:
        if len(self.records) >= self.most:
            return None
        self.records.append((key, value, headers))
        return self

    def size(self) -> int:
        return sum(len(value) for _, value, _ in self.records)


class MemoryTopic:
    """One topic, and the producer that fills it: what is published at once is there at once, or not at all."""

    def __init__(self, name: str, partitions: int, *, batch: int = 5) -> None:
        self.name = name
        self.partitions: list[list[Held]] = [[] for _ in range(partitions)]
        self._batch = batch

    def create_batch(self) -> MemoryBatch:
        return MemoryBatch(self._batch)

    def publish(self, batches: Iterable[tuple[int, MemoryBatch]]) -> None:
        """One transaction of the producer."""
        for partition, batch in batches:
            for key, value, headers in batch.records:
                self.put(partition, key, value, headers)

    def put(self, partition: int, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Any record at all, as anybody who may write to the topic can leave there."""
        records = self.partitions[partition]
        records.append(Held(self.name, partition, len(records), key, value, headers))

    def read(self, partition: int, offset: int, most: int) -> list[Held]:
        return self.partitions[partition][offset : offset + most]

    def make_anew(self) -> None:
        """Deletes the topic and creates it again."""
        for records in self.partitions:
            records.clear()
