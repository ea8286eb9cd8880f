"""The topic of the customer service without a broker: records as its relay sends them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TypeAlias

from aiokafka import ConsumerRecord

from shared.eventlog.mapper import encode
from shared.events.envelope import Actor, Cause, Contract
from shared.ids import uuid7
from shared.privacy.keyring import Keyring
from shared.streaming import RecordHead, build_headers
from shared.topics import partition_of

TOPIC = "customer.events"
PARTITIONS = 12
NOW = "2026-01-01T00:00:00.000000Z"
CAUSE = Cause(Actor(id="shop", kind="service"), "shop", "service", uuid7(), uuid7(), uuid7())

Record: TypeAlias = "ConsumerRecord[bytes, bytes]"


@dataclass
class CustomerTopic:
    """A customer log that writes straight to records."""

    keyring: Keyring
    topic: str = TOPIC
    position: int = 0
    heads: dict[int, int] = field(default_factory=dict)
    offsets: Counter[int] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)

    def record(self, customer: str, event: Contract) -> Record:
        """The next record of the log."""
        self.versions[customer] += 1
        keys = self.keyring.ensure([customer])
        value = encode(
            event,
            CAUSE,
            event_id=uuid7(),
            log="customer",
            stream=f"customer-{customer}",
            seq=self.versions[customer],
            customer=customer,
            recorded_at=NOW,
            occurred_at=NOW,
            keys=keys,
        )
        return self.raw(customer, value)

    def raw(self, customer: str, value: bytes) -> Record:
        """A record of this customer with any bytes in it."""
        partition = partition_of(customer, PARTITIONS)
        self.position += 1
        head = RecordHead(uuid7(), "customer.x", 1, "customer", customer, NOW)
        headers = build_headers(head, self.position, self.heads.get(partition, 0))
        self.heads[partition] = self.position
        offset = self.offsets[partition]
        self.offsets[partition] += 1
        return ConsumerRecord(
            self.topic, partition, offset, 0, 0, customer.encode(), value, None, 0, len(value), tuple(headers)
        )
