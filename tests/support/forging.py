"""Records that somebody puts on a topic who is no relay."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson
from aiokafka import AIOKafkaProducer

from shared.audit.keys import MacKeys
from shared.authenticity import HEADER, Authenticator
from shared.epoch import new_epoch
from shared.ids import uuid7
from shared.streaming import parse_source


class Forged(NamedTuple):
    """A record to send to a partition of a topic."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def forgeries(true: Any, keys: MacKeys, partitions: int) -> Mapping[str, Forged]:
    """What may be made of the last true record of a partition, by name: each would be next there, or elsewhere.

    They say that the customer was archived. The keys serve only to make what an earlier topic of this name held, and to
    name a version that is known.
    """
    place = parse_source(true)
    headers = [(name, value) for name, value in true.headers if name != HEADER]
    following = _with(headers, position=place.position + 1, prev=place.position)
    earlier = _with(following, epoch=new_epoch(1))
    value = _archived(true.value)

    def signed(with_keys: MacKeys, headers: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        mac = Authenticator(with_keys).sign(true.topic, true.partition, true.key, value, headers)
        return [*headers, mac]

    (mac,) = (content for name, content in true.headers if name == HEADER)
    strangers = MacKeys(keys.current, {keys.current: os.urandom(32)})
    here = {
        "without a code": following,
        "with the code of another position": [*following, (HEADER, mac)],
        "with a code of an unknown key": signed(MacKeys(99, {99: os.urandom(32)}), following),
        "with a code of another key": signed(strangers, following),
        "of an earlier topic": signed(keys, earlier),
    }
    return {
        **{name: Forged(true.partition, true.key, value, headers) for name, headers in here.items()},
        "copied into another partition": Forged(
            (true.partition + 1) % partitions, true.key, true.value, list(true.headers)
        ),
        "that is nothing": Forged(true.partition, true.key, b"\xff{", []),
    }


async def send(kafka: str, topic: str, records: Iterable[Forged]) -> None:
    """Puts these records on a topic, in their order."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    await producer.start()
    try:
        for record in records:
            await producer.send_and_wait(
                topic, record.value, key=record.key, partition=record.partition, headers=record.headers
            )
    finally:
        await producer.stop()


def _with(headers: list[tuple[str, bytes]], **changed: object) -> list[tuple[str, bytes]]:
    return [(name, str(changed[name]).encode() if name in changed else value) for name, value in headers]


def _archived(value: bytes) -> bytes:
    record = orjson.loads(value)
    record |= {"id": uuid7(), "seq": record.get("seq", 0) + 1, "type": "customer.archived", "v": 1}
    record |= {"data": {"reason": "forged"}, "sealed": {}}
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
