"""Topics into the PostgreSQL tables and log of a service: one batch, one transaction, nothing passed over.

A batch is decoded, then under the log's lock: planned (duplicates dropped, records put behind parked ones of their
key), applied, what failed parked, the positions moved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Generic, TypeAlias, TypeVar

import psycopg
from psycopg_pool import PoolTimeout

from shared import metrics
from shared.crash import crash_here
from shared.decoding import Decoded, Decoder, follow, place
from shared.errors import Unavailable
from shared.eventlog.log import Log, Transaction
from shared.events.envelope import Recorded
from shared.inbox import Fenced, Inbox, Places, Stored, confirm, plan_again
from shared.log import get_logger
from shared.privacy.sealing import DataKey
from shared.streaming import Plan, Received, Source, parse_sources, plan, source_name
from shared.subscription import Stop

PARKED_CAP = 1000
NAMED_FAILURES = 10
"""So many records of a batch may fail by name before the rest is applied one by one."""
SHOWN_KEYS = 100
RESTORE = "Restore PostgreSQL from a backup with `custlog restore`, which removes what the topics hold beyond it."

R = TypeVar("R")
Apply: TypeAlias = Callable[[Transaction, Sequence[Recorded], Mapping[str, DataKey]], R]

_INFRASTRUCTURE = (Unavailable, Fenced, Stop, psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)
_log = get_logger(__name__)


class Unappliable(Exception):
    """One event cannot be taken. Fate: parked with this reason, the others are applied without it.

    The reason is shown to operators and holds no personal data.
    """

    def __init__(self, event: Recorded, reason: str) -> None:
        super().__init__(reason)
        self.event = event


def too_many_parked(count: int, cap: int) -> Stop:
    """What a consumer raises that would park more than its cap."""
    return Stop(
        f"{count} records would be parked, {cap} are allowed. Look at GET /ops/parked, correct the cause, re-drive, "
        "and start this service again."
    )


class Consumer(Generic[R]):
    """The batch handler of a service, and the re-drive of what it parked.

    apply   takes events in their order inside the transaction, with the keys that the decoder asked for. Best raises
            Unappliable for an event that fails; any other error that is not of the infrastructure costs the batch a
            second attempt, one by one. What it wrote before it raised is undone. Stop stands for itself.
    report  gets what apply answered, once that is committed
    """

    def __init__(
        self,
        log: Log,
        name: str,
        decoder: Decoder,
        apply: Apply[R],
        *,
        report: Callable[[R], None],
        parked_cap: int = PARKED_CAP,
    ) -> None:
        self._log = log
        self._name = name
        self._decoder = decoder
        self._apply = apply
        self._report = report
        self._parked_cap = parked_cap
        self._inbox = Inbox(name)
        self._topics: set[str] = set()

    async def handle(self, records: Sequence[Received]) -> Plan:
        """Takes a batch or nothing of it. Raises Stop above the cap of parked records, else only to be retried."""
        return await self._log.in_thread(partial(self._take, parse_sources(records)))

    async def resume(self, partitions: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int | None]:
        """The offset at which to go on per partition; None for its beginning."""

        def read() -> Mapping[tuple[str, int], int | None]:
            with self._log.transaction() as tx:
                stored = self._inbox.positions(tx.cursor, [source_name(*at) for at in partitions])
            return {at: found.next_offset if (found := stored.get(source_name(*at))) else None for at in partitions}

        return await self._log.in_thread(read)

    async def confirm(self, noted: Mapping[str, str]) -> None:
        """Raises SetBack if the stored places are behind what was told to Kafka."""

        def read() -> Mapping[str, Stored]:
            with self._log.transaction() as tx:
                return self._inbox.positions(tx.cursor, list(noted))

        confirm(noted, await self._log.in_thread(read))

    async def parked(self) -> tuple[int, list[str]]:
        """How many records are put aside, and the keys that have waited longest."""

        def read() -> tuple[int, list[str]]:
            with self._log.transaction() as tx:
                counts = self._inbox.parked_by_topic(tx.cursor)
                keys = self._inbox.parked_keys(tx.cursor, SHOWN_KEYS)
            self._gauge(counts)
            return sum(counts.values()), keys

        return await self._log.in_thread(read)

    async def redrive(self, key: str | None = None) -> dict[str, int]:
        """Applies parked records again, key by key. What fails again stays parked with all behind it, in order.

        Answers how many were applied and how many are parked now.
        """
        keys = await self._log.in_thread(self._parked_keys) if key is None else [key]
        applied = 0
        for waiting in keys:
            applied += await self._log.in_thread(partial(self._redrive, waiting))
        return {"applied": applied, "parked": (await self.parked())[0]}

    def _take(self, sources: Sequence[Source]) -> Plan:
        # Before the transaction: nobody waits for the log's lock while records are opened.
        decoded = self._decoder.decode(sources, self._log.keyring)
        counts: Mapping[str, int] | None = None
        with self._log.transaction() as tx:
            tx.lock()
            stored = self._inbox.positions(tx.cursor, {source.name for source in sources})
            blocked = self._inbox.blocked(tx.cursor, {source.key for source in sources})
            places = Places.of(stored)
            batch = plan(sources, places.positions, blocked, places.marks)
            if batch.foreign:
                raise Stop(f"{batch.foreign[0]}. {RESTORE}")
            batch, results = self._settle(tx, batch, decoded)
            if batch.park:
                self._inbox.park(tx.cursor, batch.park)
                counts = self._capped(self._inbox.parked_by_topic(tx.cursor))
            self._inbox.advance(tx.cursor, batch.positions)
            crash_here("consumer.before_commit")
        crash_here("consumer.after_commit")
        if batch.duplicates:
            self._count_duplicates(sources, batch)
        self._tell(batch, results, counts)
        follow(self._name, decoded, batch.apply)
        return batch

    def _parked_keys(self) -> list[str]:
        with self._log.transaction() as tx:
            return self._inbox.parked_keys(tx.cursor)

    def _redrive(self, key: str) -> int:
        with self._log.transaction() as tx:
            # Before taking: a batch that plans now sees the key either parked or done.
            tx.lock()
            batch = plan_again(self._inbox.take_parked(tx.cursor, key))
            decoded = self._decoder.decode(batch.apply, self._log.keyring)
            batch, results = self._settle(tx, batch, decoded)
            self._inbox.park(tx.cursor, batch.park)
            counts = self._inbox.parked_by_topic(tx.cursor)
            crash_here("redrive.before_commit")
        self._tell(batch, results, counts)
        return len(batch.apply)

    def _settle(self, tx: Transaction, batch: Plan, decoded: Decoded) -> tuple[Plan, list[R]]:
        """Applies what can be applied; the plan it answers parks the rest."""
        batch = decoded.park_failures(batch)
        for _ in range(NAMED_FAILURES):
            events = decoded.of(batch.apply)
            try:
                return batch, [self._attempt(tx, events, decoded)] if events else []
            except Unappliable as failed:
                batch = batch.parking(_source_of(failed.event, batch, decoded), str(failed))
            except _INFRASTRUCTURE:
                raise
            except Exception as error:  # noqa: BLE001 - one record is at fault: find it, spare the others
                _log.warning("batch failed, applying one by one", records=len(events), exc_info=error)
                break
        return self._settle_singly(tx, batch, decoded)

    def _settle_singly(self, tx: Transaction, batch: Plan, decoded: Decoded) -> tuple[Plan, list[R]]:
        results: list[R] = []
        failed: set[str] = set()
        for source in batch.apply:
            event = decoded.events.get(place(source))
            if event is None or source.key in failed:
                continue
            try:
                results.append(self._attempt(tx, [event], decoded))
            except _INFRASTRUCTURE:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it parks and is seen
                failed.add(source.key)
                batch = batch.parking(source, _reason(error))
        return batch, results

    def _attempt(self, tx: Transaction, events: Sequence[Recorded], decoded: Decoded) -> R:
        # A savepoint: what was written before a failure is undone, the transaction goes on.
        with tx.cursor.connection.transaction():
            return self._apply(tx, events, decoded.keys)

    def _capped(self, counts: Mapping[str, int]) -> Mapping[str, int]:
        count = sum(counts.values())
        if count > self._parked_cap:
            raise too_many_parked(count, self._parked_cap)
        return counts

    def _tell(self, batch: Plan, results: Sequence[R], parked: Mapping[str, int] | None) -> None:
        """Logs and counts what was committed."""
        for topic, number in Counter(source.topic for source in batch.apply).items():
            metrics.RECORDS_APPLIED.labels(self._name, topic).inc(number)
        for put in batch.park:
            _log.warning("record parked", source=put.source.name, position=put.source.position, reason=put.reason)
        for result in results:
            self._report(result)
        if parked is not None:
            self._gauge(parked)

    def _count_duplicates(self, sources: Sequence[Source], batch: Plan) -> None:
        taken = {place(source) for source in (*batch.apply, *(put.source for put in batch.park))}
        for source in sources:
            move = batch.positions.get(source.name)
            if move is not None and source.position <= move.position and place(source) not in taken:
                metrics.RECORDS_DUPLICATE.labels(self._name, source.topic).inc()

    def _gauge(self, parked: Mapping[str, int]) -> None:
        # A topic that has none parked any more must be told too.
        self._topics |= parked.keys()
        for topic in self._topics:
            metrics.RECORDS_PARKED.labels(self._name, topic).set(parked.get(topic, 0))


def _source_of(event: Recorded, batch: Plan, decoded: Decoded) -> Source:
    return next(source for source in batch.apply if decoded.events.get(place(source)) is event)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, Unappliable) else f"it failed by a defect: {type(error).__name__}"
