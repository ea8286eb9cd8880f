"""Records out of Kafka's client, for readers without a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError


async def fetched(
    consumer: AIOKafkaConsumer, *places: TopicPartition, timeout_ms: int, max_records: int | None = None
) -> Mapping[TopicPartition, Sequence[Any]]:
    """What has come from these places, or from all that are assigned.

    Raises KafkaError (retry with another consumer) where nothing can come any more: aiokafka's fetching ends for good
    at an error that it does not expect, and its getmany() then answers nothing for ever.
    """
    came: Mapping[TopicPartition, Sequence[Any]] = await consumer.getmany(
        *places, timeout_ms=timeout_ms, max_records=max_records
    )
    if not came and consumer._fetcher.error_future.done():  # noqa: SLF001 - nothing public tells it
        raise KafkaError("fetching ended within the Kafka client")
    return came
