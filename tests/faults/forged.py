"""Records of somebody who can write to the topics and has no key, for the harness: each can be told from a true one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.ids import uuid7

PARTITIONS = 12
MARK = "forged"
"""A header that every forged record with headers has."""
_MAC = "mac"
_LAST = 50
_FETCH_MS = 200
_READ_SECONDS = 15.0


class Forged(NamedTuple):
    """A record to send, and what is wrong with it."""

    name: str
    partition: int
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]] = []  # noqa: RUF012 - nobody changes it


def is_forged(headers: Mapping[str, bytes]) -> bool:
    """Whether a record on a topic is one of these."""
    return not headers or MARK in headers


def strange(rng: random.Random) -> Forged:
    """Bytes that are no record of ours."""
    value = rng.choice((b"", b"{", b"\xff\xfe\x00", b'{"type": "customer.registered"}', b"[]" * 500))
    key = rng.choice((None, b"no-uuid", b"\x00\xff"))
    return Forged("bytes", rng.randrange(PARTITIONS), key, value)


def following(last: Any, rng: random.Random) -> Forged:
    """What would come after the last record of a partition, or a copy of that in another one."""
    headers = [(name, value) for name, value in last.headers if name not in {MARK, _MAC}]
    mac = dict(last.headers)[_MAC]
    position = int(dict(headers)["position"])
    changed = {"position": position + 1, "prev": position}
    next_one = [(name, str(changed[name]).encode() if name in changed else value) for name, value in headers]
    record = orjson.loads(last.value)
    record |= {"id": uuid7(), "seq": record["seq"] + 1, "type": "customer.archived", "v": 1}
    value = orjson.dumps(record | {"data": {"reason": "forged"}, "sealed": {}}, option=orjson.OPT_SORT_KEYS)
    mark = (MARK, b"1")
    here, elsewhere = last.partition, (last.partition + 1) % PARTITIONS
    return rng.choice(
        (
            Forged("no code", here, last.key, value, [*next_one, mark]),
            Forged("another code", here, last.key, value, [mark, *next_one, (_MAC, mac)]),
            Forged("unknown key", here, last.key, value, [mark, *next_one, (_MAC, b"99:" + mac.partition(b":")[2])]),
            Forged("copy elsewhere", elsewhere, last.key, last.value, [mark, *headers, (_MAC, mac)]),
        )
    )


async def last_of(bootstrap: str, topic: str, rng: random.Random) -> Any | None:
    """The last record that carries a code in one of the partitions that are not empty. Raises KafkaError."""
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False, isolation_level="read_committed"
    )
    try:
        await consumer.start()
        ends = {place: end for place, end in (await consumer.end_offsets(places)).items() if end}
        if not ends:
            return None
        place, end = rng.choice(sorted(ends.items()))
        consumer.assign([place])
        consumer.seek(place, max(0, end - _LAST))
        last = None
        with suppress(TimeoutError):
            async with asyncio.timeout(_READ_SECONDS):
                while await consumer.position(place) < end:
                    for records in (await consumer.getmany(place, timeout_ms=_FETCH_MS)).values():
                        signed = [one for one in records if _MAC in (names := dict(one.headers)) and MARK not in names]
                        last = signed[-1] if signed else last
        return last
    finally:
        await consumer.stop()
