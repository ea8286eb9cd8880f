"""The identity service without Kafka: records as the relay of the customer log sends them, and what came of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.identity import decision_store, store
from services.identity.application import IdentityApplication
from services.identity.batch import Matching, Outcome
from services.identity.consumer import make_consumer
from services.identity.lookups import Lookups
from services.identity.matching.fingerprint import fingerprints
from services.identity.matching.judging import Judge
from services.identity.matching.lookup import tokens
from services.identity.matching.model import shipped
from services.identity.records import weighed_again
from services.identity.stewardship import Stewardship
from shared.consumer import Consumer
from shared.eventlog.log import Log
from shared.eventlog.mapper import open_record, parse
from shared.events.envelope import Contract, Recorded
from shared.ids import uuid7
from shared.inbox import INBOX_DDL
from shared.privacy.keyring import Keyring
from shared.streaming import Plan
from tests.support.customer_topic import CustomerTopic
from tests.support.logs import running_keyring, running_log

KEY = b"k" * 32


@dataclass
class World:
    """A running identity log with its tables, consumer and application."""

    log: Log
    keyring: Keyring
    consumer: Consumer[Outcome]
    application: IdentityApplication
    topic: CustomerTopic
    lookups: Lookups

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
        names = (
            "profiles",
            "evidence",
            "tokens",
            "members",
            "links",
            "assertions",
            "reviews",
            "approvals",
            "numbering",
        )
        return {name: self.rows(name) for name in names}

    def identities(self) -> dict[str, str]:
        return {str(row["customer"]): str(row["identity"]) for row in self.rows("members")}


@contextmanager
def running_world(postgres_url: str, keyring_url: str, folder: Path, *, parked_cap: int = 1000) -> Iterator[World]:
    with running_keyring(keyring_url, folder) as keyring, running_log("identity", postgres_url, keyring) as log:
        with log.transaction() as tx:
            store.create_tables(tx.cursor)
            decision_store.create_tables(tx.cursor)
            tx.cursor.execute(INBOX_DDL)
        judge = Judge(shipped())
        matching = Matching(fingerprints(KEY), judge, tokens(KEY))
        application = IdentityApplication(log, Stewardship(log, rescore=weighed_again(judge)))
        consumer = make_consumer(log, matching, parked_cap=parked_cap)
        lookups = Lookups(log, KEY)
        yield World(log, keyring, consumer, application, CustomerTopic(keyring), lookups)


def customers(count: int) -> Sequence[str]:
    """New customer ids, the oldest first."""
    return [uuid7() for _ in range(count)]
