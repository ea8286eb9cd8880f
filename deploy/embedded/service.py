"""One custlog service as a child process: `python -m services.<name>.main` told everything by environment variables."""

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.child import Child
from deploy.embedded.home import PROJECT, Home
from deploy.embedded.mongo import MongoServer
from deploy.embedded.ports import LOOPBACK, lives
from deploy.embedded.postgres import DATABASES, PostgresServer
from deploy.embedded.server import Server
from deploy.embedded.witness import WitnessProcess


@dataclass(frozen=True)
class ServiceSpec:
    """Which module is run as which service."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()


SERVICES = tuple(
    ServiceSpec(name, f"services.{name}.main") for name in ("customer", "identity", "notifications", "projections")
)


@dataclass(frozen=True)
class Servers:
    """The servers that the services are pointed at."""

    postgres: PostgresServer
    mongo: MongoServer
    kafka: Server
    witness: WitnessProcess

    @property
    def each(self) -> tuple[Server, ...]:
        """All of them, in the order in which they are started."""
        return self.postgres, self.mongo, self.kafka, self.witness

    def settings(self, service: str, home: Home) -> dict[str, str]:
        """The environment variables that connect one service, see shared/settings.py."""
        settings = {
            "CUSTLOG_KEYRING_URL": self.postgres.database_url("keyring"),
            "CUSTLOG_ACCESS_URL": self.postgres.database_url("access"),
            "CUSTLOG_MONGO_URL": self.mongo.url,
            "CUSTLOG_KAFKA": self.kafka.url,
            "CUSTLOG_KEK_FILE": str(home.kek_file),
            "CUSTLOG_JWKS_FILE": str(home.jwks_file),
            "CUSTLOG_AUDIT_KEYS": str(home.audit_keys),
            "CUSTLOG_ERASURES": str(home.erasures),
            # Ours, and those in other hands that our environment names.
            "CUSTLOG_WITNESSES": ",".join(filter(None, (self.witness.url, os.environ.get("CUSTLOG_WITNESSES")))),
            "CUSTLOG_SPOOL": str(home.spool),
            "CUSTLOG_INSTANCE": "1",
        }
        if service in DATABASES:
            settings["CUSTLOG_POSTGRES_URL"] = self.postgres.database_url(service)
        return settings


class ServiceProcess(Server):
    """A service on a port of its own. Settings that are not about connections pass through from our environment."""

    stop_signal = signal.SIGTERM
    stop_seconds = 15
    start_seconds = 60

    def __init__(self, spec: ServiceSpec, folder: Path, *, log: Path) -> None:
        super().__init__(folder, log=log)
        self.name = spec.name
        self.title = f"The {spec.name} service"
        self._command = [sys.executable, "-m", spec.module, *spec.arguments]
        self._settings: Mapping[str, str] = {}

    def configure(self, settings: Mapping[str, str]) -> None:
        """Where the servers are. Heeded at the next start."""
        self._settings = settings

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def _spawn(self) -> Child:
        own = {"CUSTLOG_HOST": LOOPBACK, "CUSTLOG_PORT": str(self.port), "PYTHONUNBUFFERED": "1"}
        env = {**os.environ, **self._settings, **own}
        return Child(self._command, output=self.log, env=env, folder=PROJECT)

    def _answers(self) -> bool:
        return lives(self.port)
