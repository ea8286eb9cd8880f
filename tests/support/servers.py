"""Real servers for tests: given by address, else from Docker, else the embedded ones.

CUSTLOG_TEST_POSTGRES (a libpq URL whose user may create databases), CUSTLOG_TEST_MONGO (a URL that names the replica
set) and CUSTLOG_TEST_KAFKA (host:port) give an address each. A server is started when the first test asks for it and
stopped at the end of the session.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from deploy.embedded.kafka import KafkaServer
from deploy.embedded.mongo import MongoServer
from deploy.embedded.postgres import PostgresServer
from deploy.embedded.server import Server
from deploy.history import database_url
from tests.support import docker

PostgresUrl = Callable[[str], str]


class Servers:
    """Addresses of the three servers of this test session; asking for one starts it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = ExitStack()

    @cached_property
    def postgres(self) -> str:
        if given := os.environ.get("CUSTLOG_TEST_POSTGRES"):
            return given
        if docker.answers():
            return self._started.enter_context(docker.postgres())
        return self._embedded(PostgresServer(self._folder / "postgres"))

    @cached_property
    def mongo(self) -> str:
        if given := os.environ.get("CUSTLOG_TEST_MONGO"):
            return given
        if docker.answers():
            return self._started.enter_context(docker.mongo())
        return self._embedded(MongoServer(self._folder / "mongo"))

    @cached_property
    def kafka(self) -> str:
        if given := os.environ.get("CUSTLOG_TEST_KAFKA"):
            return given
        if docker.answers():
            return self._started.enter_context(docker.kafka())
        return self._embedded(KafkaServer(self._folder / "kafka"))

    def _embedded(self, server: Server) -> str:
        server.prepare()
        server.start()
        self._started.callback(server.stop)
        return server.url

    def stop(self) -> None:
        self._started.close()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    folder = Path(tempfile.mkdtemp(prefix="custlog-test-"))
    running = Servers(folder)
    try:
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(servers: Servers) -> PostgresUrl:
    """`postgres_url("customer")` makes a fresh, empty database and gives its URL."""

    def create(name: str) -> str:
        database = f"{name}_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(servers.postgres, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        return database_url(servers.postgres, database)

    return create


@pytest.fixture(scope="session")
def mongo_url(servers: Servers) -> str:
    """URL of a replica set. Use a database of your own name in it."""
    return servers.mongo


@pytest.fixture
def fresh_mongo_url(mongo_url: str) -> str:
    """The replica set's URL with a fresh, empty database as its default."""
    address, _, query = mongo_url.partition("?")
    return f"{address.rstrip('/')}/test_{uuid.uuid4().hex[:8]}?{query}"


@pytest.fixture(scope="session")
def kafka(servers: Servers) -> str:
    """Bootstrap server as host:port. Use topic names of your own."""
    return servers.kafka


@pytest.fixture
def keyring_url(postgres_url: PostgresUrl) -> str:
    """URL of a fresh, empty database for a keyring."""
    return postgres_url("keyring")
