"""A real system whose processes, links, disks and clocks a test can break."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.embedded import ports
from deploy.embedded.child import Child
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import PROJECT, Home, State
from deploy.embedded.running import running
from deploy.embedded.service import ServiceProcess, ServiceSpec
from shared.crash import POINTS
from tests.faults import clock
from tests.faults.disk import SIZES, Disk, unmount_leftovers
from tests.faults.links import choose_links
from tests.faults.proxy import Proxies, command
from tests.faults.supervisor import LINKS, SPECS, FaultSupervisor

_PROXY_SECONDS = 20.0


class Stand:
    """One system in one folder; use it in the main thread: its processes end with the thread that started them.

        with Stand(folder, seed=7) as stand:
            stand.start()

    The proxy and the disks live as long as the block, the system from start() to stop(), as often as wanted, on the
    same data. `home` is the system's, and its state file names the servers' own addresses: the harness goes past the
    proxy. Where a disk is not `available` or `clocks` is False, that kind of fault cannot be done on this machine.
    """

    def __init__(
        self, folder: Path, seed: int, plant: str | None = None, *, disks: bool = True, clocks: bool = True
    ) -> None:
        self.home = Home(folder.absolute() / "home")
        self.seed = seed
        self.plant = plant
        self.clocks = clocks and clock.library() is not None
        self.proxies = Proxies(choose_links(self.home))
        self._folder = folder.absolute()
        self._disks = {name: Disk(self.home.data / name, size) for name, size in SIZES.items()}
        self._mount_disks = disks
        self._open = ExitStack()
        self._system = ExitStack()

    def __enter__(self) -> Self:
        unmount_leftovers()
        for folder in (self._crashes, self._clocks):
            folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as opening:
            opening.callback(clock.remove_leftovers)
            if self._mount_disks:
                for disk in self._disks.values():
                    opening.callback(disk.unmount)
                    disk.mount()
            self.proxies.links.write(self._links)
            child = Child(command(self._links, self.seed), output=self._folder / "proxy.log", folder=PROJECT)
            opening.callback(child.kill)
            self._await_proxy(child)
            opening.callback(self.stop)
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def start(self) -> State:
        """Starts the system on what is there; returns when it is ready. EmbeddedError if it cannot start."""
        for service in SPECS:
            if self.clocks:
                clock.move(self._clocks, service.name, 0.0)
        return self._system.enter_context(
            running(self.home, settings=self._settings(), supervisor_module="tests.faults.supervisor")
        )

    def stop(self) -> None:
        """Stops the system in its clean way; the data stays. Does nothing if none runs."""
        self._system.close()

    async def heal(self) -> None:
        """Links pass everything, disks have room, clocks are right."""
        await self.proxies.heal()
        for disk in self._disks.values():
            disk.free()
        for service in SPECS:
            if self.clocks:
                clock.move(self._clocks, service.name, 0.0)

    def pid(self, name: str) -> int:
        """The process of a server or service as the supervisor knows it now. KeyError if there is none."""
        state = self.home.read_state()
        entry = None if state is None else {**state.servers, **state.services}.get(name)
        if entry is None or entry.pid is None:
            raise KeyError(name)
        return entry.pid

    def arm(self, point: str) -> Path:
        """Lets the next process that comes by a crash point die there; the file is gone when one did."""
        if point not in POINTS:
            raise KeyError(point)
        armed = self._crashes / point
        armed.touch()
        return armed

    def clock_offset(self, service: str, seconds: float) -> None:
        """Lets the wall clock of a service stand before or behind the machine's, in up to two seconds from now.

        EmbeddedError where clocks cannot be moved.
        """
        if not self.clocks:
            raise EmbeddedError("The clocks of this system cannot be moved; install libfaketime.")
        clock.move(self._clocks, service, seconds)

    def disk(self, server: str) -> Disk:
        """The disk of "postgres", "kafka" or "mongo"."""
        return self._disks[server]

    def extra(self, service: str) -> ServiceProcess:
        """A second instance of a service, not started: launch() and settle(), ask_to_stop(), stop() or kill() it."""
        spec = ServiceSpec(service, "tests.faults.service", (service,))
        folder = self.home.data / "services" / f"{service}-2"
        process = ServiceProcess(spec, folder, log=self.home.logs / f"{service}-2.log")
        process.prepare()
        supervisor = FaultSupervisor(self.home, self.proxies.links)
        for server in supervisor.servers.each:
            server._ports = server._read_state().ports
        clocks = clock.variables(service, self._clocks) if self.clocks else {}
        process.configure({**supervisor.settings(service), **self._settings(), **clocks, "CUSTLOG_INSTANCE": "2"})
        return process

    @property
    def _links(self) -> Path:
        return self._folder / "links.json"

    @property
    def _crashes(self) -> Path:
        return self._folder / "crashes"

    @property
    def _clocks(self) -> Path:
        return self._folder / "clocks"

    def _settings(self) -> dict[str, str]:
        return {
            LINKS: str(self._links),
            "CUSTLOG_CRASH_FOLDER": str(self._crashes),
            **({clock.FOLDER: str(self._clocks)} if self.clocks else {}),
            **({"CUSTLOG_PLANT": self.plant} if self.plant else {}),
        }

    def _await_proxy(self, child: Child) -> None:
        deadline = time.monotonic() + _PROXY_SECONDS
        while not ports.accepts(self.proxies.links.control):
            if not child.alive() or time.monotonic() > deadline:
                raise EmbeddedError(f"The proxy did not start; see {child.output}.")
            time.sleep(0.05)
