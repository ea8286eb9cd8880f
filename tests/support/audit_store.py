"""Audit keys, and stores of a log's tree on real databases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from shared.audit import keys
from shared.audit.keys import AuditKeys
from shared.audit.store import Store
from shared.eventlog.log import Log
from shared.events.customer import CustomerArchived
from tests.support.logs import commit

LOG = "customer"


def audit_keys(folder: Path) -> AuditKeys:
    """The audit keys of a folder, made if there are none."""
    keys.make(folder)
    return AuditKeys.read(folder)


@contextmanager
def running_store(url: str, given: AuditKeys) -> Iterator[Store]:
    """A store of the log in a database, with its tables."""
    origin, signers, verifiers = given.origin(LOG), given.signers(LOG), given.verifiers(LOG)
    store = Store(url, LOG, origin=origin, signers=signers, verifiers=verifiers)
    store.open()
    try:
        yield store
    finally:
        store.close()


async def fill(log: Log, customers: int, events: int = 1) -> list[str]:
    """Registers customers, each with so many events; answers their ids."""
    made = [commit() for _ in range(customers)]
    ids = [each.appends[0].customer for each in made]
    await log.commit_many(made)
    for seq in range(1, events):
        await archive(log, ids, expected=seq)
    return ids


async def archive(log: Log, customers: Sequence[str], expected: int) -> None:
    """One more event about each of the customers, whose streams are at version `expected`."""
    again = [commit(CustomerArchived(reason="x"), customer=each, expected=expected) for each in customers]
    await log.commit_many(again)


def rows(url: str, statement: str, *given: object) -> list[tuple[object, ...]]:
    """What somebody with the rights of the database does behind the log's back, or sees there."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), given)
        return cursor.fetchall() if cursor.description else []
