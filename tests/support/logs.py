"""A real log with its keyring, and commands to put into it."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from deploy.client import running_state
from deploy.embedded.home import Home
from deploy.history import database_url
from shared.clock import SystemClock
from shared.eventlog.commit import Append, Commit, digest
from shared.eventlog.log import Log
from shared.events.customer import CustomerRegistered, Identifier, Name
from shared.events.envelope import Actor, Cause, Contract
from shared.ids import uuid7
from shared.privacy.keyring import KeyEncryptionKeys, Keyring


def key_encryption_keys(folder: Path) -> KeyEncryptionKeys:
    """Fresh key-encryption keys, by way of a file as in every set-up."""
    file = folder / f"kek-{uuid7()}.json"
    file.write_bytes(orjson.dumps({"current": 1, "keys": {"1": base64.b64encode(os.urandom(32)).decode()}}))
    return KeyEncryptionKeys.read(file)


@contextmanager
def running_keyring(url: str, folder: Path) -> Iterator[Keyring]:
    keyring = Keyring(url, key_encryption_keys(folder))
    keyring.open()
    try:
        yield keyring
    finally:
        keyring.close()


@contextmanager
def running_log(name: str, url: str, keyring: Keyring) -> Iterator[Log]:
    log = Log(name, url, keyring, SystemClock())
    try:
        log.open()
        yield log
    finally:
        log.close()


@contextmanager
def log_of_system(home: Home, name: str) -> Iterator[Log]:
    """A log of a running system, beside its service. EmbeddedError if none runs."""
    address = running_state(home).servers["postgres"].url
    keyring = Keyring(database_url(address, "keyring"), KeyEncryptionKeys.read(home.kek_file), pool_size=1)
    keyring.open()
    try:
        with running_log(name, database_url(address, name), keyring) as log:
            yield log
    finally:
        keyring.close()


def cause(command: str | None = None) -> Cause:
    """Somebody at the counter."""
    command = command or uuid7()
    return Cause(Actor(id="u1", kind="user"), "counter", "service", command, command, command)


def registered(full: str = "Example Person", **fields: object) -> CustomerRegistered:
    """A registration with the fields a test cares about."""
    return CustomerRegistered.model_validate(
        {"kind": "person", "source": "crm", "name": Name(full=full), "identifiers": (Identifier(type="x", value="1"),)}
        | fields
    )


def commit(
    *events: Contract, customer: str | None = None, expected: int = 0, body: bytes = b"body", command: str | None = None
) -> Commit:
    """One command that writes these events to one customer's stream."""
    customer = customer or uuid7()
    return Commit(
        cause(command),
        (Append(f"customer-{customer}", customer, expected, events or (registered(),)),),
        digest=digest(body),
        result={"id": customer},
    )
