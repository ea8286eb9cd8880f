"""Every committed record of the topics, from their beginning."""

from __future__ import annotations

from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.faults.checker.evidence import OnTopic

_FETCH_MS = 300
_FETCH_RECORDS = 10_000
_EMPTY_FETCHES = 10


async def read(bootstrap: str, names: Sequence[str], partitions: int) -> dict[str, list[OnTopic]]:
    """Topic -> its records, partition by partition in their order; a missing topic has none. Raises KafkaError."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    await consumer.start()
    try:
        existing = await consumer.topics()
        places = [TopicPartition(name, number) for name in names if name in existing for number in range(partitions)]
        if not places:
            return {name: [] for name in names}
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        return await _read(consumer, places, names)
    finally:
        await consumer.stop()


async def _read(
    consumer: AIOKafkaConsumer, places: Sequence[TopicPartition], names: Sequence[str]
) -> dict[str, list[OnTopic]]:
    ends = await consumer.end_offsets(places)
    found: dict[str, list[OnTopic]] = {name: [] for name in names}
    empty = 0
    # The last offset of a transaction is its marker, which no read answers: the position has to pass it.
    while empty < _EMPTY_FETCHES and not await _all_read(consumer, ends):
        fetched = await consumer.getmany(timeout_ms=_FETCH_MS, max_records=_FETCH_RECORDS)
        empty = 0 if fetched else empty + 1
        for place, records in fetched.items():
            found[place.topic].extend(
                OnTopic(place.topic, place.partition, record.offset, record.key, record.value, dict(record.headers))
                for record in records
            )
    return found


async def _all_read(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    return all([await consumer.position(place) >= end for place, end in ends.items()])
