"""Follows the customer and identity topics: each batch is one PostgreSQL transaction with its positions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import Cursor
from psycopg_pool import PoolTimeout

from services.notifications import reporting
from services.notifications.effects import Effects, Rejected, Tally
from shared import metrics
from shared.errors import CustlogError, Unavailable
from shared.eventlog.log import Log, Transaction
from shared.inbox import Fenced, Inbox, ParkedRecord
from shared.log import get_logger
from shared.streaming import Plan, Received, Source, parse_sources, plan, source_name
from shared.subscription import Stop

NAME = "notifications"
PARKED_CAP = 1000

_INFRASTRUCTURE = (Unavailable, Fenced, Stop, psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)
_log = get_logger(__name__)


class Consumer:
    """The batch handler of this service, and the re-drive of what it parked."""

    def __init__(self, log: Log, effects: Effects, *, parked_cap: int = PARKED_CAP) -> None:
        self._log = log
        self._effects = effects
        self._inbox = Inbox(NAME)
        self._parked_cap = parked_cap

    async def handle(self, records: list[Received]) -> Plan:
        """Applies a batch or nothing of it. Raises Stop above the cap of parked records, else only to be retried."""
        sources = parse_sources(records)
        return await self._log.in_thread(lambda: self._take(sources))

    async def resume(self, partitions: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int | None]:
        """The offset at which to go on per partition; None for its beginning."""

        def read() -> Mapping[tuple[str, int], int | None]:
            with self._log.transaction() as tx:
                stored = self._inbox.positions(tx.cursor, [source_name(*place) for place in partitions])
            return {place: at.next_offset if (at := stored.get(source_name(*place))) else None for place in partitions}

        return await self._log.in_thread(read)

    async def parked(self) -> tuple[int, list[str]]:
        """How many records are put aside, and their keys, the longest waiting first."""

        def read() -> tuple[int, list[str]]:
            with self._log.transaction() as tx:
                return self._inbox.parked_count(tx.cursor), self._inbox.parked_keys(tx.cursor)

        return await self._log.in_thread(read)

    async def redrive(self, key: str | None = None) -> dict[str, int]:
        """Applies parked records again, key by key; a key of which one fails again stays parked as a whole."""
        keys = [key] if key is not None else (await self.parked())[1]
        applied = 0
        for waiting in keys:
            applied += await self._log.in_thread(lambda waiting=waiting: self._redrive_key(waiting))  # type: ignore[misc]
        return {"applied": applied, "parked": (await self.parked())[0]}

    def _take(self, sources: Sequence[Source]) -> Plan:
        names, keys = {source.name for source in sources}, {source.key for source in sources}
        tally: Tally
        try:
            with self._log.transaction() as tx:
                todo = self._plan(tx.cursor, sources, names, keys)
                tally = self._effects.take(tx, todo.apply)
                self._settle(tx.cursor, todo)
        except _INFRASTRUCTURE:
            raise
        except Exception as error:  # noqa: BLE001 - one record of the batch is at fault: find it, spare the others
            _log.warning("batch failed, applying one by one", records=len(sources), error=type(error).__name__)
            with self._log.transaction() as tx:
                todo, tally = self._take_singly(tx, self._plan(tx.cursor, sources, names, keys))
                self._settle(tx.cursor, todo)
        _report(todo)
        reporting.count(tally)
        return todo

    def _plan(self, cursor: Cursor[Any], sources: Sequence[Source], names: set[str], keys: set[str]) -> Plan:
        positions = {name: at.position for name, at in self._inbox.positions(cursor, names).items()}
        return plan(sources, positions, self._inbox.blocked(cursor, keys))

    def _take_singly(self, tx: Transaction, todo: Plan) -> tuple[Plan, Tally]:
        tally: Tally = Counter()
        for source in tuple(todo.apply):
            if source not in todo.apply:
                continue
            try:
                with tx.cursor.connection.transaction():
                    news = self._effects.take(tx, [source])
            except _INFRASTRUCTURE:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it parks and is seen
                reason = _reason(error)
                _log.warning("record parked", source=source.name, position=source.position, reason=reason)
                todo = todo.parking(source, reason)
            else:
                tally += news
        return todo, tally

    def _settle(self, cursor: Cursor[Any], todo: Plan) -> None:
        self._inbox.park(cursor, todo.park)
        self._inbox.advance(cursor, todo.positions)
        if todo.park and (count := self._inbox.parked_count(cursor)) > self._parked_cap:
            raise Stop(
                f"{count} records would be parked, more than {self._parked_cap}. Look at GET /ops/parked, correct the "
                "cause, re-drive, and start this service again."
            )

    def _redrive_key(self, key: str) -> int:
        try:
            with self._log.transaction() as tx:
                # Before taking: a batch that plans now sees the key either parked or done.
                tx.lock()
                records = self._inbox.take_parked(tx.cursor, key)
                tally = self._effects.take(tx, [_usable(record) for record in records])
        except _INFRASTRUCTURE:
            raise
        except Exception as error:  # noqa: BLE001 - it stays parked, as before
            _log.warning("re-drive failed", parked_key=key, reason=_reason(error))
            return 0
        reporting.count(tally)
        for record in records:
            metrics.RECORDS_PARKED.labels(NAME, record.source.rpartition("/")[0]).dec()
        return len(records)


def _usable(record: ParkedRecord) -> Source:
    topic, _, partition = record.source.rpartition("/")
    source = Source(record.source, topic, int(partition), record.offset, record.position, 0, record.key, record.value)
    if record.position == 0:
        raise Rejected(source, record.reason)
    return source


def _reason(error: Exception) -> str:
    if isinstance(error, Rejected):
        return error.reason
    if isinstance(error, CustlogError):
        return f"it was refused: {type(error).__name__}"
    return f"it failed by a defect: {type(error).__name__}"


def _report(todo: Plan) -> None:
    for topic, count in Counter(source.topic for source in todo.apply).items():
        metrics.RECORDS_APPLIED.labels(NAME, topic).inc(count)
    for topic, count in Counter(parked.source.topic for parked in todo.park).items():
        metrics.RECORDS_PARKED.labels(NAME, topic).inc(count)
        _log.warning("records parked", topic=topic, count=count)
