"""The identity service without Kafka: records as the relay of the customer log sends them, and what came of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from aiokafka import ConsumerRecord

from services.identity import store
from services.identity.application import IdentityApplication
from services.identity.batch import Matching
from services.identity.consumer import TOPIC, IdentityConsumer
from services.identity.matching.fingerprint import fingerprints
from shared.eventlog.log import Log
from shared.eventlog.mapper import encode, open_record, parse
from shared.events.envelope import Actor, Cause, Contract, Recorded
from shared.ids import uuid7
from shared.inbox import INBOX_DDL
from shared.privacy.keyring import Keyring
from shared.streaming import Plan, RecordHead, build_headers
from shared.topics import partition_of
from tests.support.logs import running_keyring, running_log

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


@dataclass
class World:
    """A running identity log with its tables, consumer and application."""

    log: Log
    keyring: Keyring
    consumer: IdentityConsumer
    application: IdentityApplication
    topic: CustomerTopic

    async def take(self, *events: tuple[str, Contract]) -> Plan:
        """One batch with these events."""
        return await self.consumer.handle([self.topic.record(customer, event) for customer, event in events])

    def events(self) -> list[Recorded]:
        """Everything in the identity log, in order."""
        stored = [(note.id, parse(note.state)) for note in self.log.read(0, 10_000)]
        return [open_record(record, {}, position) for position, record in stored]

    def data(self) -> list[Contract]:
        return [event.data for event in self.events()]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of one of our tables."""
        with self.log.transaction() as tx:
            return list(tx.cursor.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall())

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        names = ("profiles", "evidence", "members", "links", "bans", "numbering")
        return {name: self.rows(name) for name in names}

    def identities(self) -> dict[str, str]:
        return {str(row["customer"]): str(row["identity"]) for row in self.rows("members")}


@contextmanager
def running_world(postgres_url: str, keyring_url: str, folder: Path, *, parked_cap: int = 1000) -> Iterator[World]:
    with running_keyring(keyring_url, folder) as keyring, running_log("identity", postgres_url, keyring) as log:
        with log.transaction() as tx:
            store.create_tables(tx.cursor)
            tx.cursor.execute(INBOX_DDL)
        matching = Matching(fingerprints(b"k" * 32))
        consumer = IdentityConsumer(log, matching, parked_cap=parked_cap)
        yield World(log, keyring, consumer, IdentityApplication(log), CustomerTopic(keyring))


def customers(count: int) -> Sequence[str]:
    """New customer ids, the oldest first."""
    return [uuid7() for _ in range(count)]
