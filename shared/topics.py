"""The Kafka topics of the project: which partition a key belongs to, and making sure the topics are as we need them."""

import asyncio
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

logger = structlog.get_logger(__name__)

# The topics keep everything: a new view is built from their beginning. Batches of the relay are up to 1 MiB.
TOPIC_CONFIGS: Mapping[str, str] = MappingProxyType(
    {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": "1048588"}
)

_MULTIPLIER = 0x5BD1E995
_SEED = 0x9747B28C
_MASK = 0xFFFFFFFF
_UNKNOWN_TOPIC = 3
_FORGET_POLLS = 200
# Between deletion and creation: so long a consumer waits for records, and then it is told that the topic is gone.
_TELL_SECONDS = 1.5


class TopicMismatch(Exception):
    """A topic exists with other settings than ours. Fate: the process must not start; an operator has to decide."""


def murmur2(data: bytes) -> int:
    """The 32-bit murmur2 hash of Kafka's clients (unsigned)."""
    size = len(data)
    value = _SEED ^ size
    for word in struct.unpack_from(f"<{size >> 2}I", data):
        mixed = word * _MULTIPLIER & _MASK
        value = (value * _MULTIPLIER ^ (mixed ^ mixed >> 24) * _MULTIPLIER) & _MASK
    if size & 3:
        value = (value ^ int.from_bytes(data[size & ~3 :], "little")) * _MULTIPLIER & _MASK
    value = (value ^ value >> 13) * _MULTIPLIER & _MASK
    return value ^ value >> 15


@lru_cache(maxsize=65_536)
def partition_of(key: str | bytes, partitions: int) -> int:
    """The partition of a key, equal to the default partitioner of Kafka's Java client."""
    data = key.encode() if isinstance(key, str) else key
    return (murmur2(data) & 0x7FFFFFFF) % partitions


async def ensure_topics(
    bootstrap: str,
    names: Sequence[str],
    *,
    partitions: int,
    replication: int,
    configs: Mapping[str, str] = TOPIC_CONFIGS,
) -> None:
    """Create the missing topics and check the partition count of those that exist.

    Waits for ever, with a backoff of up to 5 s, while no broker answers. Raises TopicMismatch for a topic with another
    number of partitions: keys would change their partition, and with it their order.
    """
    delay = 0.2
    while True:
        try:
            return await _ensure_once(bootstrap, names, partitions, replication, configs)
        except (KafkaError, OSError, TimeoutError) as error:
            logger.warning("waiting_for_kafka", error=type(error).__name__, retry_in=delay)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)


async def make_anew(bootstrap: str, name: str, *, partitions: int, replication: int) -> None:
    """Delete a topic with all it holds, if it is there, and create it. Raises KafkaError, OSError (retry)."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=15_000)
    try:
        await admin.start()
        for _, code in (await admin.delete_topics([name])).topic_error_codes:
            if code not in (0, _UNKNOWN_TOPIC):
                raise for_code(code)(f"deleting topic {name}")
        # The broker answers before it has forgotten the topic.
        for _ in range(_FORGET_POLLS):
            if (await admin.describe_topics([name]))[0]["error_code"] == _UNKNOWN_TOPIC:
                break
            await asyncio.sleep(0.05)
        await asyncio.sleep(_TELL_SECONDS)
    finally:
        await admin.close()
    await ensure_topics(bootstrap, [name], partitions=partitions, replication=replication)


async def _ensure_once(
    bootstrap: str, names: Sequence[str], partitions: int, replication: int, configs: Mapping[str, str]
) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=15_000)
    try:
        await admin.start()
        described = {topic["topic"]: topic for topic in await admin.describe_topics(list(names))}
        missing = [name for name in names if described[name]["error_code"] == _UNKNOWN_TOPIC]
        for name in names:
            topic = described[name]
            if name in missing:
                continue
            if topic["error_code"]:
                raise for_code(topic["error_code"])(name)
            if len(topic["partitions"]) != partitions:
                raise TopicMismatch(
                    f"Topic {name} has {len(topic['partitions'])} partitions, {partitions} are configured. "
                    "Configure the number it has, or create it again with the wanted number and publish from the start."
                )
        if missing:
            response = await admin.create_topics(
                [NewTopic(name, partitions, replication, topic_configs=dict(configs)) for name in missing]
            )
            _raise_errors(response.topic_errors)
    finally:
        await admin.close()


def _raise_errors(results: Sequence[tuple[str, int, str | None]]) -> None:
    for name, code, message in results:
        error = for_code(code)
        # Another process may create the same topic at the same moment.
        if code and error is not TopicAlreadyExistsError:
            raise error(f"creating topic {name}: {message}")
