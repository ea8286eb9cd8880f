"""The consumer of a service on a real PostgreSQL: every record once, failing ones put aside, nothing passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shared import metrics
from shared.consumer import Consumer, Unappliable
from shared.decoding import Decoder
from shared.errors import Unavailable
from shared.eventlog.log import Log, Transaction
from shared.events.customer import BirthDateSet
from shared.events.envelope import Recorded
from shared.inbox import INBOX_DDL
from shared.privacy.sealing import DataKey
from shared.streaming import BEHIND, NO_HEADERS, NO_KEY, Plan
from shared.subscription import Stop
from tests.support.customer_topic import TOPIC, CustomerTopic, Record
from tests.support.logs import running_keyring, running_log
from tests.support.servers import PostgresUrl

pytestmark = pytest.mark.server

EVENT = BirthDateSet(birth_date=None)
ANN, BOB, CID, DAN = (f"00000000-0000-7000-8000-00000000000{n}" for n in range(1, 5))
Fails = Callable[[Recorded], Exception]


def named(event: Recorded) -> Exception:
    return Unappliable(event, "it is not wanted")


def unnamed(_: Recorded) -> Exception:
    return KeyError("a defect")


@dataclass
class Ledger:
    """Effects of a service: one row per event, and errors to order."""

    log: Log
    topic: CustomerTopic
    consumer: Consumer[int] = field(init=False)
    failing: dict[str | int | None, Fails] = field(default_factory=dict)
    calls: list[int] = field(default_factory=list)
    reported: list[int] = field(default_factory=list)

    def apply(self, tx: Transaction, events: Sequence[Recorded], _: Mapping[str, DataKey]) -> int:
        self.calls.append(len(events))
        for event in events:
            tx.cursor.execute("INSERT INTO ledger VALUES (%s, %s)", (event.customer, event.position))
            fails = self.failing.get(event.customer) or self.failing.get(event.position)
            if fails is not None:
                raise fails(event)
        return len(events)

    def consume(self, decoder: Decoder | None = None, parked_cap: int = 100) -> Consumer[int]:
        self.consumer = Consumer(
            self.log, "ledger", decoder or Decoder(), self.apply, report=self.reported.append, parked_cap=parked_cap
        )
        return self.consumer

    async def take(self, *customers: str) -> Plan:
        return await self.consumer.handle([self.topic.record(customer, EVENT) for customer in customers])

    def rows(self) -> list[tuple[str, int]]:
        with self.log.transaction() as tx:
            found: list[Any] = tx.cursor.execute("SELECT customer, position FROM ledger ORDER BY position").fetchall()
        return [(row["customer"], row["position"]) for row in found]

    def waiting(self) -> list[tuple[str, int, str]]:
        with self.log.transaction() as tx:
            found: list[Any] = tx.cursor.execute("SELECT * FROM inbox_parked ORDER BY id").fetchall()
        return [(row["key"], row["position"], row["reason"]) for row in found]


@pytest.fixture
def ledger(postgres_url: PostgresUrl, keyring_url: str, tmp_path: Path) -> Iterator[Ledger]:
    with running_keyring(keyring_url, tmp_path) as keys, running_log("ledger", postgres_url("ledger"), keys) as log:
        with log.transaction() as tx:
            tx.cursor.execute(INBOX_DDL)
            tx.cursor.execute("CREATE TABLE ledger (customer text NOT NULL, position bigint PRIMARY KEY)")
        made = Ledger(log, CustomerTopic(keys))
        made.consume()
        yield made


def gauge(topic: str = TOPIC) -> float | None:
    return metrics.REGISTRY.get_sample_value("custlog_consumer_parked", {"consumer": "ledger", "topic": topic})


def _first(topic: CustomerTopic, value: bytes) -> Record:
    """A record with this value, where nothing stands before it."""
    topic.heads.clear()
    return topic.raw(ANN, value)


async def test_a_batch_is_applied_in_one_call_and_reported_after_its_commit(ledger: Ledger) -> None:
    plan = await ledger.take(ANN, BOB, ANN)

    assert ledger.rows() == [(ANN, 1), (BOB, 2), (ANN, 3)]
    assert (ledger.calls, ledger.reported, plan.park) == ([3], [3], [])


async def test_redelivered_records_are_dropped_without_a_call(ledger: Ledger) -> None:
    records = [ledger.topic.record(ANN, EVENT), ledger.topic.record(BOB, EVENT)]
    await ledger.consumer.handle(records)

    plan = await ledger.consumer.handle(records)

    assert (plan.duplicates, ledger.calls, ledger.reported) == (2, [2], [2])


@pytest.mark.parametrize(
    ("fails", "reason"), [(named, "it is not wanted"), (unnamed, "it failed by a defect: KeyError")]
)
async def test_a_failing_record_is_found_and_parked_with_those_behind_it_and_leaves_no_trace(
    ledger: Ledger, fails: Fails, reason: str
) -> None:
    ledger.failing[BOB] = fails

    await ledger.take(ANN, BOB, CID, BOB, ANN)

    assert ledger.rows() == [(ANN, 1), (CID, 3), (ANN, 5)]
    assert ledger.waiting() == [(BOB, 2, reason), (BOB, 4, BEHIND)]
    assert sum(ledger.reported) == 3
    assert gauge() == 2


async def test_many_failing_records_cost_one_call_each_and_not_a_batch_each(ledger: Ledger) -> None:
    customers = [f"00000000-0000-7000-8000-0000000001{n:02}" for n in range(40)]
    ledger.failing = dict.fromkeys(customers, named)

    plan = await ledger.take(*customers, ANN)

    assert len(plan.park) == 40
    assert ledger.rows() == [(ANN, 41)]
    assert len(ledger.calls) <= 40 + 1


@pytest.mark.parametrize("error", [Unavailable("away"), psycopg.OperationalError("gone"), Stop("enough")])
async def test_an_error_of_the_infrastructure_parks_nothing_and_takes_nothing(ledger: Ledger, error: Exception) -> None:
    ledger.failing[BOB] = lambda _: error

    with pytest.raises((Unavailable, Stop)):
        await ledger.take(ANN, BOB)

    assert (ledger.rows(), ledger.waiting()) == ([], [])


async def test_above_the_cap_the_consumer_stops_and_nothing_is_taken(ledger: Ledger) -> None:
    ledger.consume(parked_cap=1)
    ledger.failing = {ANN: named, BOB: named}

    with pytest.raises(Stop, match="2 records would be parked, 1 are allowed"):
        await ledger.take(ANN, BOB, CID)

    assert (ledger.rows(), ledger.waiting(), ledger.reported) == ([], [], [])


async def test_records_that_cannot_be_read_are_parked_with_their_reason(ledger: Ledger) -> None:
    fine = ledger.topic.record(CID, EVENT)
    records = [fine, ledger.topic.raw(ANN, b"{"), ledger.topic.raw(BOB, fine.value or b"")]

    plan = await ledger.consumer.handle(records)

    assert [(put.source.key, put.reason.partition(":")[0]) for put in plan.park] == [
        (ANN, "it is no record of ours"),
        (BOB, "it is no record of ours"),
    ]
    assert ledger.rows() == [(CID, 1)]


@pytest.mark.parametrize("key", [b"a\0b", bytes(range(1, 128)) * 80], ids=["NUL", "longer than an index takes"])
async def test_a_key_that_the_store_cannot_hold_parks_its_record_and_blocks_nobody(ledger: Ledger, key: bytes) -> None:
    poison = replace(ledger.topic.raw(ANN, b"{}"), key=key)

    plan = await ledger.consumer.handle([poison, ledger.topic.record(ANN, EVENT)])

    assert [put.reason for put in plan.park] == [NO_KEY]
    assert ledger.rows() == [(ANN, 2)]


async def test_a_reason_that_quotes_a_nul_is_kept_without_it(ledger: Ledger) -> None:
    value = (ledger.topic.record(ANN, EVENT).value or b"").replace(b"customer.birth_date_set", b"customer.\\u0000")

    await ledger.consumer.handle([_first(ledger.topic, value)])

    ((key, _, reason),) = ledger.waiting()
    assert (key, "\0" in reason, "is not in the catalogue" in reason) == (ANN, False, True)


async def test_a_number_that_no_store_takes_parks_its_record(ledger: Ledger) -> None:
    value = (ledger.topic.record(ANN, EVENT).value or b"").replace(b'"seq":1', b'"seq":%d' % 2**63)

    plan = await ledger.consumer.handle([_first(ledger.topic, value)])

    assert [put.reason for put in plan.park] == ["it is no record of ours: Foreign: a number of it is out of range"]


async def test_records_of_no_concern_move_the_position_and_are_not_applied(ledger: Ledger) -> None:
    ledger.consume(Decoder(concerns=lambda record: record.customer != ANN))

    plan = await ledger.take(ANN, BOB)

    assert (len(plan.apply), ledger.rows()) == (2, [(BOB, 2)])
    assert (await ledger.take(ANN)).duplicates == 0


async def test_a_record_of_another_log_than_its_topic_carries_is_parked(ledger: Ledger) -> None:
    ledger.consume(Decoder(logs={TOPIC: "identity"}))

    await ledger.take(ANN)

    assert ledger.waiting() == [(ANN, 1, "it is no record of ours: Foreign: its log is not that of the topic")]


async def test_a_redrive_applies_key_by_key_and_leaves_what_fails_parked_in_order(ledger: Ledger) -> None:
    ledger.failing = {ANN: named, BOB: named}
    await ledger.take(ANN, BOB, ANN, BOB, CID)
    ledger.failing = {BOB: unnamed}

    assert await ledger.consumer.redrive() == {"applied": 2, "parked": 2}

    assert [(key, position) for key, position, _ in ledger.waiting()] == [(BOB, 2), (BOB, 4)]
    assert await ledger.consumer.parked() == (2, [BOB])
    ledger.failing = {}
    assert await ledger.consumer.redrive(BOB) == {"applied": 2, "parked": 0}
    assert sorted(ledger.rows()) == [(ANN, 1), (ANN, 3), (BOB, 2), (BOB, 4), (CID, 5)]
    assert gauge() == 0


async def test_a_redrive_applies_what_stands_before_the_record_that_fails_again(ledger: Ledger) -> None:
    ledger.failing = {ANN: named}
    await ledger.take(ANN, ANN, ANN)
    ledger.failing = {2: named}

    assert await ledger.consumer.redrive() == {"applied": 1, "parked": 2}
    assert ledger.waiting() == [(ANN, 2, "it is not wanted"), (ANN, 3, BEHIND)]


async def test_a_record_without_its_position_stays_parked_whatever_is_done(ledger: Ledger) -> None:
    record = ledger.topic.record(ANN, EVENT)

    await ledger.consumer.handle([replace(record, headers=())])

    assert await ledger.consumer.redrive() == {"applied": 0, "parked": 1}
    assert ledger.waiting() == [(f"{TOPIC}/{record.partition}@0", 0, NO_HEADERS)]


async def test_reading_goes_on_at_the_stored_place(ledger: Ledger) -> None:
    record = ledger.topic.record(ANN, EVENT)
    place = (record.topic, record.partition)
    assert await ledger.consumer.resume([place]) == {place: None}

    await ledger.consumer.handle([record])

    assert await ledger.consumer.resume([place]) == {place: 1}
