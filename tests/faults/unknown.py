"""An event of a version that this build does not know, in a log as a newer build would have written it."""

from __future__ import annotations

from typing import ClassVar

from deploy.client import running_state
from deploy.embedded.home import Home
from shared.clock import SystemClock
from shared.eventlog.commit import Append, Commit
from shared.eventlog.log import Log
from shared.events.envelope import Actor, Cause, Contract, General
from shared.ids import uuid7
from shared.privacy.keyring import KeyEncryptionKeys, Keyring

VERSION = 99
_ACTOR = Actor(id="newer-build", kind="service")


class FromTheFuture(Contract):
    """Nothing in it is sealed: what is wrong is only that nobody knows it."""

    TYPE: ClassVar[str] = "customer.tagged"
    VERSION: ClassVar[int] = VERSION

    tag: General[str]


def append(home: Home, log_name: str) -> tuple[str, int]:
    """Appends one to a log, for a customer of its own; answers that customer and the event's position. Blocks.

    Raises what the log raises while PostgreSQL is away.
    """
    keyring = Keyring(_address(home, "keyring"), KeyEncryptionKeys.read(home.kek_file), pool_size=1)
    keyring.open()
    log = Log(log_name, _address(home, log_name), keyring, SystemClock())
    customer, command = uuid7(), uuid7()
    cause = Cause(_ACTOR, "test", "service", command, command, command)
    commit = Commit(cause, (Append(f"customer-{customer}", customer, 0, (FromTheFuture(tag="future"),)),))
    try:
        log.open()
        with log.transaction() as tx:
            tx.lock()
            (answer,) = tx.append([commit])
    finally:
        log.close()
        keyring.close()
    if isinstance(answer, Exception):
        raise answer
    return customer, answer.position


def _address(home: Home, database: str) -> str:
    base, mark, query = running_state(home).servers["postgres"].url.partition("?")
    return f"{base.rsplit('/', 1)[0]}/{database}{mark}{query}"
