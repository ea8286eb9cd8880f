"""The logs and the tables beside them, straight from PostgreSQL, and the keyring that opens them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import psycopg

from deploy.history import History
from shared.eventlog.mapper import Record, open_record, parse, subjects
from shared.privacy.sealing import DataKey
from tests.faults.checker.evidence import Logged, Parked

BATCH = 5_000

_EVENTS = """
SELECT notification_id, originator_id, originator_version, customer::text, state FROM events
WHERE notification_id > %s ORDER BY notification_id, originator_id, originator_version LIMIT %s"""


@dataclass(frozen=True, slots=True)
class Tables:
    """Read-only questions to the databases of the three logs."""

    history: History
    keyring_url: str = ""

    def heads(self) -> dict[str, int]:
        return self.history.heads()

    def log(self, name: str) -> list[Logged]:
        """A whole log in order, every record opened as far as this build can."""
        rows: list[Logged] = []
        after = 0
        while page := self._rows(name, _EVENTS, (after, BATCH)):
            rows += self._opened(name, page)
            after = page[-1][0]
        return rows

    def remembered(self, log: str) -> dict[str, Any]:
        """Command id -> stored answer."""
        rows = self._rows(log, "SELECT id::text, result FROM commands")
        return {command: orjson.loads(result) for command, result in rows}

    def reservations(self, log: str) -> dict[str, str]:
        return dict(self._rows(log, "SELECT key, owner FROM reservations"))

    def members(self) -> dict[str, str]:
        return dict(self._rows("identity", "SELECT customer::text, identity::text FROM members"))

    def links(self) -> frozenset[tuple[str, str]]:
        return frozenset((a, b) for a, b in self._rows("identity", "SELECT a::text, b::text FROM links"))

    def deliveries(self) -> dict[str, datetime]:
        return dict(self._rows("notifications", "SELECT message_id::text, next_try_at FROM deliveries"))

    def keys(self) -> frozenset[str]:
        """The subjects that have a data key."""
        with psycopg.connect(self.keyring_url, autocommit=True) as keyring:
            rows = keyring.execute("SELECT subject::text FROM data_keys WHERE wrapped IS NOT NULL").fetchall()
        return frozenset(str(subject) for (subject,) in rows)

    def left(self, log: str, statement: str) -> frozenset[str]:
        """The customers of which a table of a service still has something; told by a statement of ours."""
        return frozenset(str(customer) for (customer,) in self._rows(log, statement))

    def positions(self, consumer: str) -> dict[str, int]:
        return dict(
            self._rows(consumer, "SELECT source, position FROM inbox_position WHERE consumer = %s", (consumer,))
        )

    def parked(self, consumer: str) -> list[Parked]:
        statement = 'SELECT source, position, "offset", key FROM inbox_parked WHERE consumer = %s'
        return [Parked(*row) for row in self._rows(consumer, statement, (consumer,))]

    def _rows(self, log: str, statement: Any, given: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self.history.connections[log].execute(statement, given, binary=True).fetchall()
        except psycopg.errors.UndefinedTable:
            return []

    def _opened(self, log: str, page: Sequence[tuple[Any, ...]]) -> list[Logged]:
        parsed: list[Record | Exception] = [_tried(parse, row[4]) for row in page]
        keys = self.history.keyring.fetch(subjects(record for record in parsed if isinstance(record, Record)))
        return [_logged(log, row, record, keys) for row, record in zip(page, parsed, strict=True)]


def _logged(log: str, row: tuple[Any, ...], record: Record | Exception, keys: dict[str, DataKey]) -> Logged:
    position, stream, seq, customer, state = row
    event = _tried(open_record, record, keys, position) if isinstance(record, Record) else record
    if isinstance(event, Exception):
        # The reason's class only: its text may quote what the record holds.
        return Logged(log, position, stream, seq, customer, state, None, type(event).__name__)
    return Logged(log, position, stream, seq, customer, state, event)


def _tried(work: Any, *given: Any) -> Any:
    try:
        return work(*given)
    except Exception as error:  # noqa: BLE001 - an unreadable record is evidence too
        return error
