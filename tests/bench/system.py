"""A running system from beside its services: a database for the bench, the start of one service."""

from __future__ import annotations

import os
import time

import psutil
import psycopg
from psycopg import sql

from deploy.client import Client
from deploy.history import database_url
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


def fresh_database(client: Client) -> str:
    """The URL of an empty database beside those of the services."""
    name = f"bench_{os.urandom(4).hex()}"
    with psycopg.connect(client.state.servers["postgres"].url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return database_url(client.state.servers["postgres"].url, name)
