"""Reads the logs as an auditor does: straight from their databases, in order, up to any instant.

Read-only: nothing is created, and nothing depends on a service that runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from deploy.client import running_state
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from services.projections.views.membership import MOVES, members_at, moves_of
from shared.as_of import Asked, AsOf
from shared.audit.trail import filled, moved
from shared.eventlog.mapper import open_record, parse, subjects
from shared.events.catalogue import CATALOGUE, FOLDED, LOGS
from shared.events.envelope import Recorded
from shared.events.survivorship import POLICY
from shared.privacy.keyring import KeyEncryptionKeys, Keyring

BATCH = 5_000

_PAGE = "SELECT notification_id, state FROM events WHERE notification_id > %s ORDER BY notification_id LIMIT %s"
_OF_CUSTOMERS = "SELECT notification_id, state FROM events WHERE customer = ANY(%s::uuid[]) ORDER BY notification_id"
_OF_TOPICS = "SELECT notification_id, state FROM events WHERE topic = ANY(%s) ORDER BY notification_id"
_OF_TOPICS_AFTER = """
SELECT notification_id, state FROM events WHERE topic = ANY(%s) AND notification_id > %s ORDER BY notification_id"""
_AT_POSITIONS = "SELECT notification_id, state FROM events WHERE notification_id = ANY(%s) ORDER BY notification_id"
_AT = "SELECT state FROM events WHERE notification_id = %s"
_HEAD = "SELECT coalesce(max(notification_id), 0) FROM events"
_LAST_OF_TYPES = """
SELECT customer::text, topic, max(convert_from(state, 'UTF8')::json ->> 'occurred_at') FROM events
WHERE customer IS NOT NULL GROUP BY customer, topic"""
_FIRST_OF = "SELECT state FROM events WHERE originator_id = ANY(%s) AND originator_version = 1"
_HOLDER = "SELECT owner FROM reservations WHERE key = %s"
_MEMBERSHIP = [contract.stored_type() for (name, _), contract in CATALOGUE.items() if name in MOVES]


@dataclass(frozen=True, slots=True)
class History:
    """All logs of one system, with the keyring that opens their personal fields."""

    connections: Mapping[str, psycopg.Connection[tuple[Any, ...]]]
    keyring: Keyring

    def heads(self) -> dict[str, int]:
        """The number of events in each log."""
        return {log: self._rows(log, _HEAD, ())[0][0] for log in self.connections}

    def all_events(self, heads: Mapping[str, int], as_of: AsOf | None = None) -> Iterator[Recorded]:
        """What views are made of: every event up to `heads` (recorded not after `as_of`), log by log, in log order."""
        for log in FOLDED:
            after = 0
            while rows := self._rows(log, _PAGE, (after, min(BATCH, heads[log] - after))):
                yield from self._open(rows, as_of)
                after = rows[-1][0]

    def of_customers(self, customers: Collection[str], as_of: AsOf | None = None) -> list[Recorded]:
        """What the logs hold about these customers, oldest first; not who looked at them."""
        events = [
            event for log in FOLDED for event in self._open(self._rows(log, _OF_CUSTOMERS, (list(customers),)), as_of)
        ]
        return sorted(events, key=lambda event: (event.recorded_at, event.log, event.position or 0))

    def policies(self, as_of: AsOf | None = None) -> list[Recorded]:
        """Every event that set a survivorship policy, in the order of the log."""
        return list(self._open(self._rows("customer", _OF_CUSTOMERS, ([POLICY],)), as_of))

    def reads(self, customers: Collection[str], as_of: AsOf | None = None) -> list[Recorded]:
        """What the access log holds about these customers: who was shown which of their fields, oldest first."""
        return list(self._open(self._rows("access", _OF_CUSTOMERS, (list(customers),)), as_of))

    def last_of_types(self) -> list[tuple[str, str, str]]:
        """(customer, stored type, when it happened last) of everything in the customer log."""
        return [(row[0], row[1], row[2]) for row in self._rows("customer", _LAST_OF_TYPES, ())]

    def members(self, customer: str, as_of: AsOf | None = None) -> list[str]:
        """The customers of the identity that this customer belonged to at the instant, itself included."""
        return sorted(members_at(self.membership(as_of), customer))

    def former(self, customer: str, members: Collection[str]) -> list[str]:
        """Who ever was one with the customer and is not among these members: their events may tell of the parting."""
        return sorted({customer}.union(*map(_named, self.together(customer))) - set(members))

    def together(self, customer: str, as_of: AsOf | None = None, *, whole: bool = False) -> list[Recorded]:
        """The events that moved this customer or anybody who was ever one with it, in log order.

        Those that the index of the trail names, and what came after it; with `whole` every event is read instead.
        """
        upto = 0 if whole else filled(self.connections["identity"])
        after = self._rows("identity", _OF_TOPICS_AFTER, (_MEMBERSHIP, upto))
        later = list(self._open(after, as_of))
        known: dict[int | None, Recorded] = {}
        seen, coming = set[str](), {customer}
        while coming:
            found = [at for at in moved(self.connections["identity"], coming, upto) if at not in known]
            fresh = [*self._open(self._rows("identity", _AT_POSITIONS, (found,)), as_of)] if found else []
            fresh += [e for e in later if e.position not in known and not coming.isdisjoint(_named(e))]
            known |= {event.position: event for event in fresh}
            seen |= coming
            coming = {each for event in fresh for each in _named(event)} - seen
        return [known[at] for at in sorted(known, key=lambda at: at or 0)]

    def membership(self, as_of: AsOf | None = None) -> list[Recorded]:
        """Every event that moved customers between identities, in log order."""
        return list(self._open(self._rows("identity", _OF_TOPICS, (_MEMBERSHIP,)), as_of))

    def customer(self, reference: str) -> str:
        """The customer behind a number, an alias, a customer id or `source:external-id`. EmbeddedError if unknown."""
        for log, key in (("identity", f"number:{reference}"), ("customer", f"source:{reference}")):
            if found := self._rows(log, _HOLDER, (key,)):
                return str(found[0][0]).partition("-")[2]
        try:
            known = self._rows("customer", "SELECT 1 FROM events WHERE originator_id = %s", (f"customer-{reference}",))
        except psycopg.DataError:
            known = []
        if not known:
            raise EmbeddedError(f"No customer has the number, id or source:id {reference!r}.")
        return reference

    def sources(self, customers: Collection[str]) -> dict[str, tuple[str, str]]:
        """Source and external id of those of these customers that have one; nothing personal is opened."""
        given = ([f"customer-{customer}" for customer in customers],)
        records = (parse(state) for (state,) in self._rows("customer", _FIRST_OF, given))
        return {
            record.customer: (record.data["source"], record.data["external_id"])
            for record in records
            if record.data.get("external_id")
        }

    def as_of(self, asked: Asked) -> AsOf:
        """Which records count as of then. EmbeddedError if a log has not come to one of the positions."""
        recorded_at = []
        for log, position in asked.positions.items():
            rows = self._rows(log, _AT, (position,))
            if not rows:
                raise EmbeddedError(f"The {log} log has no position {position} yet; it has {self.heads()[log]}.")
            recorded_at.append(parse(rows[0][0]).recorded_at)
        return asked.found(recorded_at)

    def _rows(self, log: str, statement: Any, given: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            return self.connections[log].execute(statement, given, binary=True).fetchall()
        except psycopg.errors.UndefinedTable:
            return [(0,)] if statement is _HEAD else []

    def _open(self, rows: Sequence[tuple[Any, ...]], as_of: AsOf | None) -> Iterator[Recorded]:
        parsed = [(position, parse(state)) for position, state in rows]
        if as_of is not None:
            parsed = [
                (position, record)
                for position, record in parsed
                if as_of.takes(record.log, position, record.recorded_at)
            ]
        keys = self.keyring.fetch(subjects(record for _, record in parsed))
        for position, record in parsed:
            yield open_record(record, keys, position)


def _named(event: Recorded) -> set[str]:
    """The customers that an event moves, and the identities that it moves them to."""
    return {each for change in moves_of(event) for each in (change.customer, change.identity)}


def database_url(url: str, database: str) -> str:
    """The URL of another database of the same server."""
    base, _, query = url.partition("?")
    return f"{base.rsplit('/', 1)[0]}/{database}" + (f"?{query}" if query else "")


@contextmanager
def open_keyring(home: Home) -> Iterator[Keyring]:
    """The keyring of a system that is up. EmbeddedError if it is not."""
    address = running_state(home).servers["postgres"].url
    keyring = Keyring(database_url(address, "keyring"), KeyEncryptionKeys.read(home.kek_file), pool_size=1)
    keyring.open()
    try:
        yield keyring
    finally:
        keyring.close()


@contextmanager
def open_history(home: Home) -> Iterator[History]:
    """The history of a system that is up. EmbeddedError if it is not."""
    state = running_state(home)
    address = state.servers["postgres"].url
    keyring = Keyring(database_url(address, "keyring"), KeyEncryptionKeys.read(home.kek_file), pool_size=1)
    keyring.open()
    connections: dict[str, psycopg.Connection[tuple[Any, ...]]] = {}
    try:
        for log in LOGS:
            connection = psycopg.connect(database_url(address, log), autocommit=True)
            connection.execute("SET default_transaction_read_only = on")
            connections[log] = connection
        yield History(connections, keyring)
    finally:
        for connection in connections.values():
            connection.close()
        keyring.close()
