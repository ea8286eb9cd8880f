"""Where a bench runs: servers of its own, started when first asked for, and fresh databases in them."""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import psycopg
from psycopg import sql

from deploy.client import Client, connect
from deploy.embedded.home import Home
from deploy.embedded.kafka import KafkaServer
from deploy.embedded.mongo import MongoServer
from deploy.embedded.postgres import PostgresServer
from deploy.embedded.running import running
from deploy.embedded.server import Server
from shared.clock import SystemClock
from shared.eventlog.log import Log
from shared.privacy.keyring import KeyEncryptionKeys, Keyring


@dataclass(slots=True)
class Stand:
    """The servers of one bench run. Start each before the first measurement that needs it, in the main thread."""

    folder: Path
    postgres: PostgresServer
    mongo: MongoServer
    kafka: KafkaServer
    system: ExitStack = field(default_factory=ExitStack)

    def start(self, *servers: Server) -> None:
        for server in servers:
            if not server.alive():
                server.prepare()
                server.start()

    @asynccontextmanager
    async def client(self, user: str, *roles: str) -> AsyncIterator[Client]:
        """A client of a whole system, which is started at the first call; the single servers are stopped for it."""
        home = Home(self.folder / "system")
        if not home.is_locked():
            self._stop_servers()
            self.system.enter_context(running(home))
        async with connect(home, user, *roles) as client:
            yield client

    def stop(self) -> None:
        self.system.close()
        self._stop_servers()

    def _stop_servers(self) -> None:
        for server in (self.kafka, self.mongo, self.postgres):
            server.stop()

    def database(self, name: str) -> str:
        """The URL of a fresh PostgreSQL database."""
        database = f"{name}_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        return self.postgres.database_url(database)

    @contextmanager
    def log(self, url: str) -> Iterator[Log]:
        """A customer log in the given database, with a keyring of its own."""
        file = self.folder / f"kek-{uuid.uuid4().hex[:8]}.json"
        file.write_bytes(orjson.dumps({"current": 1, "keys": {"1": base64.b64encode(os.urandom(32)).decode()}}))
        keyring = Keyring(self.database("keyring"), KeyEncryptionKeys.read(file))
        keyring.open()
        log = Log("customer", url, keyring, SystemClock())
        try:
            log.open()
            yield log
        finally:
            log.close()
            keyring.close()


@contextmanager
def stand() -> Iterator[Stand]:
    """A stand in a temporary folder; nothing of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="custlog-bench-"))
    built = Stand(
        folder, PostgresServer(folder / "postgres"), MongoServer(folder / "mongo"), KafkaServer(folder / "kafka")
    )
    try:
        yield built
    finally:
        built.stop()
        shutil.rmtree(folder, ignore_errors=True)
