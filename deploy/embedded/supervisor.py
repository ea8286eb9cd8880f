"""Runs the three servers, the witness and the services, restarts what dies, and takes all of it down again."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home, Running, State
from deploy.embedded.kafka import KafkaServer
from deploy.embedded.mongo import MongoServer
from deploy.embedded.postgres import PostgresServer
from deploy.embedded.server import Server
from deploy.embedded.service import SERVICES, Servers, ServiceProcess, ServiceSpec
from deploy.embedded.witness import WitnessProcess
from shared.log import configure, get_logger

_log = get_logger(__name__)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WATCH = 0.2
_LOOK = 1.0
_FIRST_PAUSE = 0.5
_HEALTHY = 60.0


class Interrupted(BaseException):
    """A signal asked the supervisor to stop. Fate: everything is stopped in order."""


@dataclass
class _Watched:
    """One process under watch: how often it was restarted and when it may be tried again."""

    process: Server
    restarts: int = 0
    failures: int = 0
    started: float = 0
    next_try: float = 0
    next_look: float = 0
    """When to look whether it has recovered from being started again; 0 once it has."""


class Supervisor:
    """One system on one home. Must be used in the main thread: all children end with the thread that started them."""

    longest_pause: float = 30.0
    """Seconds to wait at most before a process that dies again and again is started once more."""

    def __init__(
        self,
        home: Home,
        *,
        services: Sequence[ServiceSpec] = SERVICES,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.home = home
        self._tell = tell
        self.servers = self.make_servers()
        self.services = [
            ServiceProcess(spec, home.data / "services" / spec.name, log=home.logs / f"{spec.name}.log")
            for spec in services
        ]
        self._servers = [_Watched(server) for server in self.servers.each]
        self._watched = [*self._servers, *(_Watched(service) for service in self.services)]

    def make_servers(self) -> Servers:
        """The servers of this home, not started."""
        return Servers(
            postgres=PostgresServer(self.home.data / "postgres", log=self.home.logs / "postgres.log"),
            mongo=MongoServer(self.home.data / "mongo", log=self.home.logs / "mongo.log"),
            kafka=KafkaServer(self.home.data / "kafka", log=self.home.logs / "kafka.log"),
            witness=WitnessProcess(self.home.witness, self.home.audit_keys, log=self.home.logs / "witness.log"),
        )

    def settings(self, service: str) -> dict[str, str]:
        """The environment variables of a service, once the servers are launched."""
        return self.servers.settings(service, self.home)

    def run(self) -> None:
        """Start everything, keep it running, return when a signal asked to stop and all is stopped.

        EmbeddedError if the start fails; nothing is left running then either.
        """
        self.home.prepare()
        with self.home.locked(), _signals_interrupt():
            try:
                self.start()
                while True:
                    self.watch()
                    time.sleep(_WATCH)
            except Interrupted:
                self.stop()
            except EmbeddedError as error:
                self.stop(error=str(error))
                raise
            except BaseException as error:
                self.stop(error=f"The supervisor failed ({type(error).__name__}); see {self.home.logs}.")
                raise

    def start(self) -> None:
        """All servers, then all services. EmbeddedError names the one that did not start."""
        for watched in self._servers:
            self._say(f"Preparing {watched.process.title}")
            watched.process.prepare()
        for watched in self._servers:
            watched.process.launch()
        for watched in self._servers:
            self._say(f"Starting {watched.process.title}")
            watched.process.settle()
        self._start_services()
        for watched in self._watched:
            watched.started = time.monotonic()
        self._write("ready")
        _log.info("system ready")

    def watch(self) -> None:
        """Look once at every process; start again what has died, with growing pauses if it dies again and again."""
        for watched in self._watched:
            now = time.monotonic()
            if watched.process.alive():
                self._mend(watched, now)
                continue
            if watched.next_try == 0:
                self._schedule(watched, now)
            elif now >= watched.next_try:
                self._restart(watched, now)

    def stop(self, *, error: str = "") -> None:
        """Services first, then the servers, each with a deadline, then by force. Never raises for a dead process."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self._write("stopping", step="Stopping")
        for group in (self.services, [watched.process for watched in self._servers]):
            for process in group:
                process.ask_to_stop()
            for process in group:
                process.stop()
        self._write("failed" if error else "stopped", error=error)
        _log.info("system stopped")

    def _start_services(self) -> None:
        for service in self.services:
            service.prepare()
            service.configure(self.settings(service.name))
            service.launch()
        for service in self.services:
            self._say(f"Starting the {service.name} service")
            service.settle()

    def _schedule(self, watched: _Watched, now: float) -> None:
        watched.failures = 0 if now - watched.started > _HEALTHY else watched.failures + 1
        pause = min(_FIRST_PAUSE * 2.0**watched.failures, self.longest_pause) if watched.failures > 1 else 0.0
        watched.next_try = now + pause
        _log.warning("process ended", process=watched.process.name, pause_seconds=pause, log=str(watched.process.log))

    def _mend(self, watched: _Watched, now: float) -> None:
        if watched.next_look and now >= watched.next_look:
            watched.next_look = 0 if watched.process.recovered() else now + _LOOK

    def _restart(self, watched: _Watched, now: float) -> None:
        process = watched.process
        before = process.url
        watched.next_try = 0
        watched.started = now
        watched.next_look = now + _LOOK
        watched.restarts += 1
        try:
            process.launch()
            if process.url != before:
                self._follow(process)
        except (EmbeddedError, OSError) as error:
            _log.error("process could not be started again", process=process.name, reason=str(error))
        else:
            _log.warning("process started again", process=process.name, restarts=watched.restarts)
        self._write("ready")

    def _follow(self, moved: Server) -> None:
        """A process came back on another port. Services learn of a server's move by being started again."""
        moved.settle()
        if moved in self.services:
            return
        for service in self.services:
            service.stop()
        self._start_services()

    def _say(self, step: str) -> None:
        self._write("starting", step=step)
        self._tell(step)

    def _write(self, status: str, *, step: str = "", error: str = "") -> None:
        described = {watched.process.name: _describe(watched) for watched in self._watched if watched.process.launched}
        services = {service.name for service in self.services}
        state = State(
            status=status,
            pid=os.getpid(),
            step=step,
            error=error,
            servers={name: entry for name, entry in described.items() if name not in services},
            services={name: entry for name, entry in described.items() if name in services},
        )
        try:
            self.home.write_state(state)
        except OSError as full:  # a full disk must not keep us from stopping or restarting
            _log.error("state not written", reason=str(full.strerror))


def _describe(watched: _Watched) -> Running:
    process = watched.process
    return Running(
        name=process.name,
        pid=process.pid,
        port=process.port,
        url=process.url,
        log=str(process.log),
        restarts=watched.restarts,
    )


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """The first of SIGINT, SIGTERM, SIGHUP raises Interrupted; later ones do not disturb the stopping."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise Interrupted

    before = [(number, signal.signal(number, interrupt)) for number in _SIGNALS]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def main() -> None:
    """`python -m deploy.embedded.supervisor --home FOLDER [--service NAME=MODULE ...]`; the default is all services."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--service", action="append", metavar="NAME=MODULE")
    parser.add_argument("--servers-only", action="store_true")
    arguments = parser.parse_args()
    specs = [ServiceSpec(*pair.split("=", 1)) for pair in arguments.service or ()]
    configure("supervisor", "INFO")
    try:
        Supervisor(Home.at(arguments.home), services=() if arguments.servers_only else specs or SERVICES).run()
    except EmbeddedError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
