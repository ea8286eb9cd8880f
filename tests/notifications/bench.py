"""The notifications service without its HTTP and Kafka: real logs in PostgreSQL, records handed over by hand."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import LiteralString

from services.notifications import store
from services.notifications.application import Application, Context
from services.notifications.channels.spool import Spool
from services.notifications.consumer import make_consumer
from services.notifications.deliveries import Deliveries
from services.notifications.effects import Effects, Tally
from services.notifications.rules.timer import Timer
from services.notifications.timers import Timers
from shared.clock import TestClock
from shared.consumer import Consumer
from shared.eventlog.commit import Append, Commit
from shared.eventlog.log import Log
from shared.eventlog.mapper import parse
from shared.events.envelope import Actor, Contract, Recorded
from shared.events.identity import Linked, Move
from shared.ids import uuid7
from shared.inbox import INBOX_DDL
from shared.streaming import Headers, Plan, RecordHead, build_headers
from shared.topics import partition_of
from tests.support.logs import cause, registered, running_keyring, running_log

ZONE = "Europe/Berlin"
START = datetime(2026, 11, 22, 9, tzinfo=UTC)
PARTITIONS = 3


@dataclass(frozen=True)
class Handed:
    """A record as a consumer gets it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass
class Feed:
    """One source log and how far it was handed over."""

    log: Log
    topic: str
    after: int = 0
    heads: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    offsets: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def news(self) -> list[Handed]:
        records = []
        for stored in self.log.read(self.after, 100_000):
            record = parse(stored.state)
            partition = partition_of(record.customer, PARTITIONS)
            head = RecordHead(record.id, record.type, record.v, record.log, record.customer, record.recorded_at)
            headers = build_headers(head, stored.id, self.heads[partition])
            key = record.customer.encode()
            records.append(Handed(self.topic, partition, self.offsets[partition], key, stored.state, headers))
            self.heads[partition] = self.after = stored.id
            self.offsets[partition] += 1
        return records


@dataclass
class Bench:
    customers: Feed
    identities: Feed
    log: Log
    clock: TestClock
    consumer: Consumer[Tally]
    timers: Timers
    deliveries: Deliveries
    application: Application
    spool: Path

    async def tell(self, customer: str, *events: Contract) -> None:
        """Facts about a customer, from the service that owns them."""
        feed = self.identities if isinstance(events[0], Linked) else self.customers
        stream = f"{feed.log.name}-{customer}"
        seq = len(await feed.log.load(stream))
        await feed.log.commit(Commit(cause(), (Append(stream, customer, seq, events),)))

    async def register(self, birth_date: date | None = None, full: str = "Ann Example") -> str:
        customer = uuid7()
        await self.tell(customer, registered(full, birth_date=birth_date))
        return customer

    async def register_many(self, count: int, birth_date: date | None) -> list[str]:
        customers = [uuid7() for _ in range(count)]
        event = registered(birth_date=birth_date)
        commits = [Commit(cause(), (Append(f"customer-{c}", c, 0, (event,)),)) for c in customers]
        await self.customers.log.commit_many(commits)
        return customers

    async def link(self, a: str, b: str) -> None:
        """The identity service found that both are one; the older one's id is the identity."""
        await self.tell(
            a, Linked(a=a, b=b, evidence=("test",), decided_by="test", moves=(Move(customer=b, identity=a),))
        )

    async def follow(self, *more: Handed) -> Plan:
        """Hands over what is new, in one batch."""
        return await self.consumer.handle([*self.customers.news(), *self.identities.news(), *more])

    def at(self, text: str) -> None:
        """Moves the clock that says what is due."""
        self.clock.set(datetime.fromisoformat(text))

    async def timers_of(self, customer: str) -> list[Timer]:
        def read() -> list[Timer]:
            with self.log.transaction() as tx:
                return sorted(store.timers_of(tx.cursor, [customer]), key=lambda timer: timer.local_date)

        return await self.log.in_thread(read)

    async def events(self) -> list[Recorded]:
        """Everything in the notifications log."""

        def read() -> list[Recorded]:
            stored = self.log.read(0, 100_000)
            return self.log.open_all([parse(item.state) for item in stored], [item.id for item in stored])

        return await self.log.in_thread(read)

    async def told(self, customer: str) -> list[str]:
        """The types of the events about one customer, in order."""
        return [event.type for event in await self.events() if event.customer == customer]

    async def execute(self, statement: LiteralString) -> None:
        """What no code of the service does: time passing for a row, an operator's hand."""

        def run() -> None:
            with self.log.transaction() as tx:
                tx.cursor.execute(statement)

        await self.log.in_thread(run)

    def spooled(self) -> list[Path]:
        return sorted(path for path in self.spool.glob("*") if path.is_file())


async def until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Waits for a condition, polling; fails with `what` after the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


def asked(command: str | None = None) -> Context:
    """A salesman's request."""
    return Context(Actor(id="u1", kind="user"), "api", "service", uuid7(), command or uuid7())


@contextmanager
def bench(create: Callable[[str], str], folder: Path, *, parked_cap: int = 1000) -> Iterator[Bench]:
    with ExitStack() as stack:
        keyring = stack.enter_context(running_keyring(create("keyring"), folder))
        logs = [stack.enter_context(running_log(n, create(n), keyring)) for n in ("customer", "identity")]
        log = stack.enter_context(running_log("notifications", create("notifications"), keyring))
        with log.transaction() as tx:
            tx.cursor.execute(INBOX_DDL)
            store.create(tx.cursor)
        clock = TestClock(START)
        spool = Spool(folder / "spool")
        spool.prepare()
        yield Bench(
            Feed(logs[0], "customer.events"),
            Feed(logs[1], "identity.events"),
            log,
            clock,
            make_consumer(log, Effects(clock, ZONE), parked_cap=parked_cap),
            Timers(log, clock, channel=spool.name),
            Deliveries(log, clock, {spool.name: spool}),
            Application(log, clock, ZONE),
            folder / "spool",
        )
