"""What leaves a system as a file by a command of this machine: recorded in the access log before it is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deploy.client import running_state
from deploy.embedded.home import Home
from deploy.history import database_url
from shared.access import exports
from shared.access.exports import Export
from shared.access.journal import Access, Disclosed, Journal
from shared.access.recording import NAME
from shared.clock import SystemClock
from shared.eventlog.log import Log
from shared.events.access import TokenIssued
from shared.events.envelope import Actor
from shared.ids import uuid7
from shared.privacy.keyring import KeyEncryptionKeys, Keyring

CHANNEL = "command-line"


def asked_by(user: str, purpose: str, command: str) -> Access:
    """Who runs a command of `custlog` and what for, such as `EXPORT subject`."""
    return Access(Actor(id=user, kind="user"), CHANNEL, purpose, uuid7(), command)


async def record(home: Home, access: Access, export: Export) -> str:
    """The watermark of an export that is recorded now; write the file afterwards.

    Raises Unavailable (retry) and EmbeddedError if no system is up: then nothing may leave.
    """
    with _journal(home) as journal:
        return await exports.record(journal, access, export)


async def shown(home: Home, access: Access, disclosed: Disclosed) -> None:
    """Makes durable whose fields a command shows in the clear, before it does. Raises what `record` raises."""
    if any(disclosed.values()):
        with _journal(home) as journal:
            await journal.read(access, disclosed)


async def issued(home: Home, access: Access, token: TokenIssued) -> None:
    """Makes durable that a token is given to an account. Raises as `record` does: then give none."""
    with _journal(home) as journal:
        await journal.issued(access, token)


@contextmanager
def _journal(home: Home) -> Iterator[Journal]:
    address = running_state(home).servers["postgres"].url
    keyring = Keyring(database_url(address, "keyring"), KeyEncryptionKeys.read(home.kek_file), pool_size=1)
    log = Log(NAME, database_url(address, NAME), keyring, SystemClock())
    log.open()
    try:
        yield Journal(log)
    finally:
        log.close()
