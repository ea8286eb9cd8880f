"""The embedded system with the proxy in between: `python -m tests.faults.supervisor --home FOLDER --service ...`.

Everything else is told by environment variables of the services: they pass through.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.embedded.kafka import KafkaServer
from deploy.embedded.mongo import MongoServer
from deploy.embedded.ports import LOOPBACK
from deploy.embedded.postgres import PostgresServer
from deploy.embedded.service import SERVICES, Servers, ServiceSpec
from deploy.embedded.supervisor import Supervisor
from deploy.embedded.witness import WitnessProcess
from shared.log import configure
from tests.faults import clock
from tests.faults.links import PROXIED, Links

LINKS = "CUSTLOG_FAULTS_LINKS"
"""The variable that names the file of the links."""
SPECS = tuple(ServiceSpec(service.name, "tests.faults.service", (service.name,)) for service in SERVICES)


class ProxiedKafka(KafkaServer):
    """One more listener, whose clients are told the proxy's address. The other one is the harness's own way."""

    roles = ("port", "controller", PROXIED)

    def __init__(self, folder: Path, *, log: Path, advertised: str) -> None:
        super().__init__(folder, log=log)
        self._advertised = advertised

    def _properties(self, chosen: dict[str, int]) -> dict[str, str]:
        plain = super()._properties(chosen)
        return plain | {
            "listeners": f"{plain['listeners']},PROXIED://{LOOPBACK}:{chosen[PROXIED]}",
            "advertised.listeners": f"{plain['advertised.listeners']},PROXIED://{self._advertised}",
            "listener.security.protocol.map": f"{plain['listener.security.protocol.map']},PROXIED:PLAINTEXT",
        }


class ProxiedMongo(MongoServer):
    """The replica set shows its clients the proxy's address. The server's own URL goes past it."""

    def __init__(self, folder: Path, *, log: Path, advertised: str) -> None:
        super().__init__(folder, log=log)
        self._advertised = advertised

    @property
    def member(self) -> str:
        return self._advertised

    @property
    def url(self) -> str:
        return f"{super().url}&directConnection=true"


class FaultSupervisor(Supervisor):
    """Services reach their servers by the links; the harness, which reads the state file, goes past them."""

    longest_pause = 1.0  # the harness kills more often than anything that deserves to be left alone

    def __init__(self, home: Home, links: Links) -> None:
        self._links = links
        super().__init__(home, services=SPECS)

    def make_servers(self) -> Servers:
        data, logs = self.home.data, self.home.logs
        return Servers(
            postgres=PostgresServer(data / "postgres", log=logs / "postgres.log"),
            mongo=ProxiedMongo(data / "mongo", log=logs / "mongo.log", advertised=self._links.address("mongo")),
            kafka=ProxiedKafka(data / "kafka", log=logs / "kafka.log", advertised=self._links.address("kafka")),
            witness=WitnessProcess(self.home.witness, self.home.audit_keys, log=logs / "witness.log"),
        )

    def settings(self, service: str) -> dict[str, str]:
        """As without the proxy, with the addresses of the service's links, and with its own clock."""
        return proxied(super().settings(service), service, self._links) | clock.variables(service)


def proxied(settings: dict[str, str], service: str, links: Links) -> dict[str, str]:
    """Settings of a service with the addresses of its links in place of the servers' own."""
    through = settings | {
        "CUSTLOG_MONGO_URL": f"mongodb://{links.address('mongo')}/?replicaSet=rs0",
        "CUSTLOG_KAFKA": links.address("kafka"),
    }
    for name in ("CUSTLOG_POSTGRES_URL", "CUSTLOG_KEYRING_URL", "CUSTLOG_ACCESS_URL"):
        if name in settings:
            parts = urlsplit(settings[name])
            login = parts.netloc.rpartition("@")[0]
            through[name] = parts._replace(netloc=f"{login}@{links.address(f'postgres-{service}')}").geturl()
    return through


def main() -> None:
    """Runs until SIGTERM. The services are always all four, so `--service` is read and not heeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--service", action="append")
    arguments = parser.parse_args()
    configure("supervisor", "INFO")
    try:
        FaultSupervisor(Home.at(arguments.home), Links.read(Path(os.environ[LINKS]))).run()
    except EmbeddedError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
