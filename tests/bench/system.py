"""A running system from beside its services: its log, a database for the bench, the start of one service."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import psycopg
from psycopg import sql

from deploy.client import Client
from shared.clock import SystemClock
from shared.eventlog.log import Log
from shared.privacy.keyring import KeyEncryptionKeys, Keyring
from tests.bench.footprint import database_url
from tests.bench.measure import short, until

LOOK_SECONDS = 0.02


async def restarted(client: Client, name: str) -> float:
    """Ends a service, which its supervisor starts again: seconds from its new birth until it is ready."""
    old = client.state.services[name]
    psutil.Process(old.pid).terminate()

    async def again() -> bool:
        return client.state.services[name].pid != old.pid and bool((await client.ready())[name].get("ok"))

    await until(again, f"the start of the {name} service", every=LOOK_SECONDS)
    return short(time.time() - psutil.Process(client.state.services[name].pid).create_time())


@contextmanager
def open_log(client: Client) -> Iterator[Log]:
    """The customer log of the running system, beside its service."""
    state = client.state
    keyring = Keyring(database_url(state, "keyring"), KeyEncryptionKeys.read(client.home.kek_file), pool_size=1)
    keyring.open()
    log = Log("customer", database_url(state, "customer"), keyring, SystemClock())
    try:
        log.open()
        yield log
    finally:
        log.close()
        keyring.close()


def fresh_database(client: Client) -> str:
    """The URL of an empty database beside those of the services."""
    name = f"bench_{os.urandom(4).hex()}"
    with psycopg.connect(client.state.servers["postgres"].url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return database_url(client.state, name)
