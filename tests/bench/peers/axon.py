"""Axon Framework's JDBC event store, run by the Java runtime that runs our Kafka."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deploy.embedded.jars import listed
from tests.bench.peers import install
from tests.bench.peers.program import Program
from tests.bench.stand import Stand

CONNECTIONS = 20


class Axon(Program):
    name = "Axon Framework"
    what = "EmbeddedEventStore on JdbcEventStorageEngine, Jackson, a unit of work a commit, a pool of 20 connections"
    bundled = False

    def command(self) -> Sequence[str]:
        return [str(self._java), "-cp", ":".join(map(str, self._path)), "Axon"]

    def install(self) -> None:
        self._java: Path
        self._path: Sequence[Path]
        self._java, self._path = install.java()

    def options(self, stand: Stand) -> Mapping[str, Any]:
        url = urlsplit(stand.database("peer"))
        return {
            "url": f"jdbc:postgresql://{url.hostname}:{url.port}{url.path}",
            "user": url.username,
            "password": url.password,
            "connections": CONNECTIONS,
        }

    async def start(self, stand: Stand, sample: dict[str, Any]) -> None:
        await super().start(stand, sample)
        known = {jar.artifact: jar.version for jar in listed(install.AXON_JARS)}
        self.versions |= {name: known[name] for name in ("axon-eventsourcing", "postgresql")}
