"""What becomes of the tasks within Kafka's client, where nothing public tells it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
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
    if not came and (ended := ended_within(consumer)):
        raise KafkaError(f"{ended} ended within the Kafka client")
    return came


def ended_within(consumer: AIOKafkaConsumer) -> str:
    """What has died of a started consumer without which it does not go on; "" if nothing has."""
    return " and ".join(
        [name for name, task in _tasks(consumer).items() if task is not None and (_failed(task) or _gone(name, task))]
    )


async def end(consumer: AIOKafkaConsumer) -> None:
    """Ends what stop() has left of a consumer: its tasks, then its connections. Raises nothing."""
    left = [task for task in _tasks(consumer).values() if task is not None and not task.done()]
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=1.0)
    bury(consumer._client)  # noqa: SLF001
    with contextlib.suppress(Exception):
        await consumer._client.close()  # noqa: SLF001


def ended_within_producer(producer: AIOKafkaProducer) -> str:
    """The same of a started producer: without metadata or sender it waits for ever for what nobody does any more."""
    tasks = {"metadata": producer.client._sync_task, "sending": producer._sender.sender_task}  # noqa: SLF001
    return " and ".join([name for name, task in tasks.items() if task is not None and task.done()])


def bury(client: AIOKafkaClient) -> None:
    """Lets a client forget its task for metadata once that has died: its close() would raise the error again, and leave
    its connections open."""
    task = client._sync_task  # noqa: SLF001
    if task is not None and task.done():
        client._sync_task = None  # noqa: SLF001
        if not task.cancelled():
            task.exception()  # Nobody asks any more.


def _tasks(consumer: AIOKafkaConsumer) -> dict[str, asyncio.Task[Any] | None]:
    client, fetcher, coordinator = consumer._client, consumer._fetcher, consumer._coordinator  # noqa: SLF001
    return {
        "fetching": None if fetcher is None else fetcher._fetch_task,  # noqa: SLF001
        "metadata": client._sync_task,  # noqa: SLF001
        "membership": getattr(coordinator, "_coordination_task", None),
        "heartbeat": getattr(coordinator, "_heartbeat_task", None),
        "offsets": getattr(coordinator, "_commit_refresh_task", None),
    }


def _gone(name: str, task: asyncio.Task[Any]) -> bool:
    # Heartbeats and the look at offsets are ended and begun again with each assignment.
    return name in ("fetching", "metadata", "membership") and task.done()


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None
