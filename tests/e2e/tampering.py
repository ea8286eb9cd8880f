"""A whole system whose PostgreSQL somebody writes to, past the services, and the commands that auditors run on it."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, LiteralString

import orjson
import psycopg
from psycopg.sql import SQL, Identifier

from deploy import client
from deploy.cli import app
from deploy.client import running_state
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.history import database_url
from shared.audit.keys import AuditKeys
from shared.audit.note import BadNote, Verifier
from shared.audit.snapshot import snapshot
from shared.audit.store import Store
from shared.events.catalogue import LOGS
from tests.e2e.system import people, pid_of, send_until_taken

Database = psycopg.Connection[tuple[Any, ...]]
Attack = Callable[[Database, int], None]
"""Alters the log at and around a position."""

TABLES = ("events", "audit_tiles", "audit_heads", "audit_buckets", "audit_checkpoints")
_DERIVED: tuple[LiteralString, ...] = ("audit_tiles", "audit_heads", "audit_buckets", "audit_checkpoints")
_DISCONNECT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
_SIGNED_SECONDS = 120
_LOOKS = 5


class Tampered:
    """A running system of some customers, of which two states were saved: an older one and the last."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.sizes: dict[str, dict[str, int]] = {}

    @property
    def keys(self) -> AuditKeys:
        return AuditKeys.read(self.home.audit_keys)

    def url(self, log: str) -> str:
        return database_url(running_state(self.home).servers["postgres"].url, log)

    def bring(self, source: str, count: int) -> None:
        """Some people more, until every log is signed and countersigned to its end."""

        async def imported() -> None:
            async with client.connect(self.home, "importer", "import", "operator") as importer:
                await send_until_taken(importer, source, people(source, count))
                await client.caught_up(importer)

        asyncio.run(imported())
        deadline = time.monotonic() + _SIGNED_SECONDS
        while not all(self._is_signed(log) for log in LOGS):
            assert time.monotonic() < deadline, "not every log was signed to its end"
            time.sleep(0.2)

    def _is_signed(self, log: str) -> bool:
        keys = self.keys
        with psycopg.connect(self.url(log)) as database, snapshot(self.url(log), log, witnesses=keys.witnesses) as seen:
            head = database.execute("SELECT coalesce(max(notification_id), 0) FROM events").fetchone()
            try:
                Verifier(keys.witnesses).open(seen.note)
            except BadNote:
                return False
            return head == (seen.checkpoint.size,)

    def save(self, name: str) -> None:
        """The tables of all logs as they are, under this name."""
        self.sizes[name] = {}
        for log in LOGS:
            with psycopg.connect(self.url(log)) as database:
                database.execute(SQL("CREATE SCHEMA {}").format(Identifier(name)))
                for table in TABLES:
                    database.execute(
                        SQL("CREATE TABLE {} AS TABLE {}").format(Identifier(name, table), Identifier(table))
                    )
                row = database.execute("SELECT max(notification_id) FROM events").fetchone()
                self.sizes[name][log] = int(row[0] or 0) if row else 0

    @contextmanager
    def held_still(self, log: str) -> Iterator[None]:
        """As long as it lasts the log's service signs and publishes nothing, as if the attacker were faster."""
        service = pid_of(self.home, log)
        os.kill(service, signal.SIGSTOP)
        try:
            with psycopg.connect(self.url(log)) as database:
                # It may have been stopped in the middle of a transaction, whose locks it would keep.
                database.execute(_DISCONNECT)
            yield
        finally:
            os.kill(service, signal.SIGCONT)

    @contextmanager
    def altered(self, log: str, attack: Callable[[Database], None]) -> Iterator[None]:
        """The log after an attack; afterwards it is as it was saved last."""
        try:
            with psycopg.connect(self.url(log)) as database:
                attack(database)
            yield
        finally:
            self.put_back(log, "last")

    def put_back(self, log: str, name: str) -> None:
        with psycopg.connect(self.url(log)) as database:
            put_back(database, name)

    def sign_again(self, log: str) -> None:
        """What an operator does who has the log's keys: tree, map and checkpoint anew from the rows as they are."""
        keys = self.keys
        store = Store(
            self.url(log),
            log,
            origin=keys.origin(log),
            signers=keys.signers(log),
            verifiers=keys.verifiers(log),
        )
        try:
            store.open()
            while store.advance().more:
                pass
        finally:
            store.close()

    def custlog(self, *arguments: str) -> tuple[bool, dict[str, Any]]:
        """Whether a command ended well, and its JSON. In this process: starting one takes longer than what it does."""
        said = io.StringIO()
        ended_well = True
        with redirect_stdout(said):
            try:
                app()([*arguments, "--home", str(self.home.data), "--json"], standalone_mode=False)
            except EmbeddedError:
                ended_well = False
        content: dict[str, Any] = json.loads(said.getvalue())
        return ended_well, content

    def alarms(self, *arguments: str) -> list[dict[str, Any]]:
        """What the monitor finds in one round in which it can look at everything."""
        ended_well, said = self.custlog("monitor", "--once", *arguments)
        for _ in range(_LOOKS):
            if said["troubles"]:
                ended_well, said = self.custlog("monitor", "--once", *arguments)
        assert said["troubles"] == []
        assert ended_well == said["ok"] == (not said["alarms"])
        alarms: list[dict[str, Any]] = said["alarms"]
        return alarms


def put_back(database: Database, name: str) -> None:
    """The tables of a log as they were saved under a name."""
    for table in TABLES:
        database.execute(SQL("DELETE FROM {}").format(Identifier(table)))
        database.execute(SQL("INSERT INTO {} TABLE {}").format(Identifier(table), Identifier(name, table)))


def forget_signatures(database: Database) -> None:
    for table in _DERIVED:
        database.execute(SQL("DELETE FROM {}").format(Identifier(table)))


def edit(database: Database, position: int) -> None:
    """The record says that somebody else did it."""
    record = orjson.loads(_state(database, position))
    record["actor"] = {"id": "somebody-else", "kind": "user"}
    _store(database, position, record)


def flip_a_bit(database: Database, position: int) -> None:
    state = bytearray(_state(database, position))
    state[len(state) // 2] ^= 1
    database.execute("UPDATE events SET state = %s WHERE notification_id = %s", (bytes(state), position))


def delete(database: Database, position: int) -> None:
    database.execute("DELETE FROM events WHERE notification_id = %s", (position,))


def delete_and_renumber(database: Database, position: int) -> None:
    delete(database, position)
    _shift(database, position, -1)


def insert(database: Database, position: int) -> None:
    """One more record of the same customer, in a stream of its own, between those that were there."""
    record = orjson.loads(_state(database, position))
    record |= {"stream": f"forged-{record['customer']}", "seq": 1}
    _shift(database, position, 1)
    database.execute(
        "INSERT INTO events (originator_id, originator_version, topic, state, notification_id, customer) "
        "SELECT %s, 1, topic, %s, %s, customer FROM events WHERE notification_id = %s",
        (record["stream"], _canonical(record), position, position + 1),
    )


def reorder(database: Database, position: int) -> None:
    """The record and the next one change places."""
    move = "UPDATE events SET notification_id = %s WHERE notification_id = %s"
    for to, at in ((-1, position), (position, position + 1), (position + 1, -1)):
        database.execute(move, (to, at))


def cut_the_tail(database: Database, position: int) -> None:
    database.execute("DELETE FROM events WHERE notification_id >= %s", (position,))


def swap_streams(database: Database, position: int) -> None:
    """What was about one customer is now about another, and the other way round."""
    one = orjson.loads(_state(database, position))
    rows = database.execute("SELECT notification_id, state FROM events WHERE notification_id > %s", (position,))
    other_position, other = next(
        (at, record)
        for at, state in rows.fetchall()
        if (record := orjson.loads(state))["customer"] != one["customer"] and record["type"] == one["type"]
    )
    places = {at: _place(database, at) for at in (position, other_position)}
    names = ("stream", "seq", "customer")
    changed = (one | {name: other[name] for name in names}, other | {name: one[name] for name in names})
    _put(database, position, "", -1, changed[0]["customer"])
    _put(database, other_position, *places[position], changed[1]["customer"])
    _put(database, position, *places[other_position], changed[0]["customer"])
    for at, record in zip((position, other_position), changed, strict=True):
        _store(database, at, record)


ATTACKS: dict[str, Attack] = {
    "edited": edit,
    "one bit flipped": flip_a_bit,
    "deleted": delete,
    "deleted and the rest renumbered": delete_and_renumber,
    "inserted": insert,
    "reordered": reorder,
    "tail cut": cut_the_tail,
    "streams swapped": swap_streams,
}


def _state(database: Database, position: int) -> bytes:
    row = database.execute("SELECT state FROM events WHERE notification_id = %s", (position,)).fetchone()
    assert row is not None
    return bytes(row[0])


def _store(database: Database, position: int, record: object) -> None:
    database.execute("UPDATE events SET state = %s WHERE notification_id = %s", (_canonical(record), position))


def _canonical(record: object) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)


def _place(database: Database, position: int) -> tuple[str, int]:
    statement = "SELECT originator_id, originator_version FROM events WHERE notification_id = %s"
    row = database.execute(statement, (position,)).fetchone()
    assert row is not None
    return row[0], row[1]


def _put(database: Database, position: int, stream: str, version: int, customer: str) -> None:
    database.execute(
        "UPDATE events SET originator_id = %s, originator_version = %s, customer = %s WHERE notification_id = %s",
        (stream, version, customer, position),
    )


def _shift(database: Database, position: int, by: int) -> None:
    """Moves what stands from a position on; over negative numbers, since every position is there once."""
    database.execute(
        "UPDATE events SET notification_id = -(notification_id + %s) WHERE notification_id >= %s", (by, position)
    )
    database.execute("UPDATE events SET notification_id = -notification_id WHERE notification_id < 0")
