"""The customer topic into this service: one batch, one PostgreSQL transaction, nothing skipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from aiokafka import ConsumerRecord

from services.identity.batch import Inconsistent, Matching, Outcome, Unappliable
from services.identity.matching.features import CHANGES
from shared import metrics
from shared.eventlog.log import Log, Transaction
from shared.eventlog.mapper import Record, open_record, parse
from shared.events.catalogue import CATALOGUE, UnknownEvent
from shared.events.envelope import Recorded
from shared.inbox import Inbox
from shared.log import get_logger
from shared.privacy.sealing import DataKey
from shared.streaming import Plan, Source, parse_sources, plan
from shared.subscription import Stop

CONSUMER = "identity"
TOPIC = "customer.events"
PARKED_CAP = 1000

TELLING = frozenset(contract.TYPE for contract in CHANGES)

_log = get_logger(__name__)


class IdentityConsumer:
    """Applies batches of the customer topic and re-drives what was parked."""

    def __init__(self, log: Log, matching: Matching, *, parked_cap: int = PARKED_CAP) -> None:
        self._log = log
        self._matching = matching
        self._parked_cap = parked_cap
        self.inbox = Inbox(CONSUMER)

    async def handle(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> Plan:
        """Takes one batch. Raises Stop (over the cap, or log and tables apart), else only what a retry may cure."""
        return await self._log.in_thread(lambda: self._take(records))

    async def resume(self, partitions: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int | None]:
        """The offset at which to go on per partition; None where nothing was read yet."""

        def work() -> Mapping[tuple[str, int], int | None]:
            with self._log.transaction() as tx:
                stored = self.inbox.positions(tx.cursor, [f"{topic}/{number}" for topic, number in partitions])
            places = {place: stored.get(f"{place[0]}/{place[1]}") for place in partitions}
            return {place: found.next_offset if found else None for place, found in places.items()}

        return await self._log.in_thread(work)

    async def redrive(self, key: str | None = None) -> dict[str, int]:
        """Applies parked records again, key by key; what still fails stays parked. Answers how many of each."""
        keys = await self._log.in_thread(self._parked_keys) if key is None else [key]
        applied = parked = 0
        for waiting in keys:
            done = await self._log.in_thread(partial(self._redrive, waiting))
            applied, parked = applied + done[0], parked + done[1]
        return {"applied": applied, "parked": parked}

    async def parked(self) -> tuple[int, list[str]]:
        """How many records are parked, and the longest waiting keys."""

        def work() -> tuple[int, list[str]]:
            with self._log.transaction() as tx:
                return self.inbox.parked_count(tx.cursor), self.inbox.parked_keys(tx.cursor, 100)

        return await self._log.in_thread(work)

    def _take(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> Plan:
        sources = parse_sources(records)
        with self._log.transaction() as tx:
            tx.lock()
            stored = self.inbox.positions(tx.cursor, {source.name for source in sources})
            blocked = self.inbox.blocked(tx.cursor, {source.key for source in sources})
            positions = {name: found.position for name, found in stored.items()}
            settled, outcome = self._apply(tx, plan(sources, positions, blocked))
            self._park(tx, settled)
            self.inbox.advance(tx.cursor, settled.positions)
        _count(settled, outcome)
        return settled

    def _apply(self, tx: Transaction, batch: Plan) -> tuple[Plan, Outcome]:
        """Applies what can be; the plan it answers parks the rest."""
        batch, parsed = _parsed(batch)
        keys = self._log.keyring.fetch({record.customer for record in parsed.values()})
        batch, events = _opened(batch, parsed, keys)
        while True:
            try:
                return batch, self._matching.apply(
                    tx, [events[source] for source in batch.apply if source in events], keys
                )
            except Unappliable as failed:
                source = next(source for source, event in events.items() if event is failed.event)
                batch = batch.parking(source, str(failed))
            except Inconsistent as apart:
                raise Stop(f"{apart}. Rebuild the tables of this service from the logs before it goes on.") from apart

    def _park(self, tx: Transaction, batch: Plan) -> None:
        if not batch.park:
            return
        for parked in batch.park:
            _log.warning("record parked", source=parked.source.name, position=parked.source.position, why=parked.reason)
        self.inbox.park(tx.cursor, batch.park)
        count = self.inbox.parked_count(tx.cursor)
        metrics.RECORDS_PARKED.labels(CONSUMER, TOPIC).set(count)
        if count > self._parked_cap:
            raise Stop(
                f"{count} records would be parked, {self._parked_cap} are allowed; correct the cause, then re-drive "
                "and start again."
            )

    def _parked_keys(self) -> list[str]:
        with self._log.transaction() as tx:
            return self.inbox.parked_keys(tx.cursor)

    def _redrive(self, key: str) -> tuple[int, int]:
        with self._log.transaction() as tx:
            tx.lock()
            waiting = self.inbox.take_parked(tx.cursor, key)
            sources = [
                Source(
                    parked.source,
                    *_topic_partition(parked.source),
                    parked.offset,
                    parked.position,
                    0,
                    parked.key,
                    parked.value,
                )
                for parked in waiting
            ]
            batch, outcome = self._apply(tx, Plan(apply=sources))
            self.inbox.park(tx.cursor, batch.park)
            metrics.RECORDS_PARKED.labels(CONSUMER, TOPIC).set(self.inbox.parked_count(tx.cursor))
        _count(batch, outcome)
        return len(batch.apply), len(batch.park)


def _topic_partition(name: str) -> tuple[str, int]:
    topic, _, partition = name.rpartition("/")
    return topic, int(partition)


def _parsed(batch: Plan) -> tuple[Plan, dict[Source, Record]]:
    """The records that say who somebody is; others of known types need no work here."""
    parsed: dict[Source, Record] = {}
    waiting: set[str] = set()
    for source in batch.apply:
        if source.key in waiting:
            continue
        try:
            record = parse(source.value)
            _check(record, source)
        except Exception as error:  # noqa: BLE001 - whatever a record holds, it must not stop the others
            waiting.add(source.key)
            batch = batch.parking(source, f"it is no record of ours: {type(error).__name__}")
        else:
            if record.type in TELLING:
                parsed[source] = record
    return batch, parsed


def _check(record: Record, source: Source) -> None:
    if record.customer != source.key:
        raise ValueError("its key is not its customer")
    if (record.type, record.v) not in CATALOGUE:
        raise UnknownEvent(record.type)


def _opened(
    batch: Plan, parsed: Mapping[Source, Record], keys: Mapping[str, DataKey]
) -> tuple[Plan, dict[Source, Recorded]]:
    events: dict[Source, Recorded] = {}
    waiting: set[str] = set()
    for source, record in parsed.items():
        if source.key in waiting:
            continue
        try:
            events[source] = open_record(record, keys, source.position)
        except Exception as error:  # noqa: BLE001 - whatever a record holds, it must not stop the others
            waiting.add(source.key)
            batch = batch.parking(source, f"it cannot be read: {type(error).__name__}")
    return batch, events


def _count(batch: Plan, outcome: Outcome) -> None:
    metrics.RECORDS_APPLIED.labels(CONSUMER, TOPIC).inc(len(batch.apply))
    metrics.RECORDS_DUPLICATE.labels(CONSUMER, TOPIC).inc(batch.duplicates)
    metrics.NUMBERS_ASSIGNED.inc(outcome.numbers)
    metrics.LINKS_MADE.inc(outcome.links)
    metrics.LINKS_BANNED.inc(outcome.banned)
    metrics.KEYS_TOO_COMMON.inc(outcome.common)
