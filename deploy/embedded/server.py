"""What the embedded servers share: a data folder, ports that stay the same, a child process, waiting until ready."""

import json
import os
import signal
import time
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path

from deploy.embedded import ports
from deploy.embedded.child import Child, birth, end_leftover, last_line
from deploy.embedded.errors import EmbeddedError, PortTaken
from shared.atomic_file import replace_json

_POLL = 0.05
_PORT_TRIES = 5
_MUCH = 1024 * 1024


@dataclass(frozen=True)
class _State:
    """What the data folder remembers of the last run."""

    ports: dict[str, int] = field(default_factory=dict)
    pid: int | None = None
    born: float = 0


class Server(ABC):
    """A real server run from an installed package, on loopback, with its data under one folder.

    `prepare` once (again does no harm), then `start` and `stop` as often as wanted; it may be killed with signal 9 at
    any time and started again on the same data. Ports are kept in the folder and used again while they are free, so
    that a restart does not move the server. One folder belongs to one instance at a time: the caller sees to that.
    `start` must be called in the main thread: the server ends with the thread that started it.
    """

    name: str
    title: str
    roles: tuple[str, ...] = ("port",)
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 20
    start_seconds: float = 90

    def __init__(self, folder: Path, *, log: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.log = log or self.folder / f"{self.name}.log"
        self._state_file = self.folder / "server.json"
        self._child: Child | None = None
        self._ports: dict[str, int] = {}
        self._log_start = 0

    @abstractmethod
    def prepare(self) -> None:
        """Make the data folder ready: what must be fetched or formatted, once. EmbeddedError if that is impossible."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect."""

    @abstractmethod
    def _spawn(self) -> Child: ...

    @abstractmethod
    def _answers(self) -> bool:
        """Whether the server can serve now. Called again and again while it starts."""

    def recovered(self) -> bool:
        """Whether nothing is left to be done after it was started again. Asked now and then until it says so."""
        return True

    @property
    def port(self) -> int:
        return self._ports["port"]

    @property
    def launched(self) -> bool:
        """Whether it was started at all, so that it has a port and an address."""
        return bool(self._ports)

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def alive(self) -> bool:
        return self._child is not None and self._child.alive()

    def start(self) -> None:
        """Start and wait until it serves. EmbeddedError with the server's own last words if it does not."""
        if self.alive() and self._answers():
            return
        self.kill()  # it may be dying at this moment
        self.launch()
        self.settle()

    def settle(self) -> None:
        """Wait until the launched server serves; on other ports if another process was faster to take them."""
        for _ in range(_PORT_TRIES):
            try:
                self.await_ready()
            except PortTaken:
                self.kill()
                self._write_state(_State())
                self.launch()
            else:
                return
        self.await_ready()

    def launch(self) -> None:
        """Start without waiting; `settle` must follow. An earlier run on this folder is waited for first."""
        if self.alive():
            return
        state = self._read_state()
        if state.pid is not None:
            end_leftover(state.pid, state.born)
        self._ports = self._choose_ports(state.ports)
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        self._child = self._spawn()
        pid = self._child.pid
        self._write_state(_State(ports=self._ports, pid=pid, born=birth(pid) or time.time()))

    def await_ready(self) -> None:
        """Wait until it serves; EmbeddedError if it ends before or the time is over (it is killed then)."""
        deadline = time.monotonic() + self.start_seconds
        while True:
            if not self.alive():
                raise self._failure()
            if self._answers():
                return
            if time.monotonic() > deadline:
                self.kill()
                raise EmbeddedError(
                    f"{self.title} did not answer within {self.start_seconds:.0f} seconds; see {self.log}."
                )
            time.sleep(_POLL)

    def ask_to_stop(self) -> None:
        """Begin to stop without waiting; `stop` must follow."""
        if self._child is not None:
            self._child.ask(self.stop_signal)

    def stop(self) -> None:
        """Stop in the server's own clean way, by force if that takes too long. No process is left."""
        if self._child is not None:
            self._child.stop(self.stop_signal, seconds=self.stop_seconds)
            self._child = None

    def kill(self) -> None:
        """Signal 9, as a crash would."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _failure(self) -> EmbeddedError:
        words = last_line(self.log, ("FATAL", "ERROR", "rror:", "cannot run"))
        text = self._words_since_start()
        if "address already in use" in text.lower() and any(not ports.is_free(port) for port in self._ports.values()):
            return PortTaken(f"{self.title} cannot start because port {self.port} is taken by another process.")
        if "error while loading shared libraries" in words:
            library = words.rpartition("libraries:")[2].partition(":")[0].strip()
            return EmbeddedError(
                f"{self.title} cannot start because the system library {library} is missing;"
                " install it with the package manager and try again."
            )
        if "No space left on device" in text:
            return EmbeddedError(f"{self.title} cannot start because no space is left on the disk of {self.folder}.")
        return EmbeddedError(f"{self.title} ended while starting, see {self.log}; its last words: {words}")

    def _words_since_start(self) -> str:
        try:
            with self.log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(self._log_start if self._log_start <= size else 0)
                return log.read(_MUCH).decode(errors="replace")
        except OSError:
            return ""

    def _choose_ports(self, kept: dict[str, int]) -> dict[str, int]:
        chosen: dict[str, int] = {}
        for role in self.roles:
            chosen[role] = ports.choose(kept.get(role), avoid=frozenset(chosen.values()))
        return chosen

    def _read_state(self) -> _State:
        try:
            return _State(**json.loads(self._state_file.read_text()))
        except (OSError, ValueError, TypeError):
            return _State()

    def _write_state(self, state: _State) -> None:
        replace_json(self._state_file, asdict(state))


def program(package: str, path: str, title: str) -> str:
    """The path of a program inside an installed package, made executable if the installer did not."""
    top = package.partition(".")[0]
    spec = find_spec(package) if find_spec(top) else None
    folders = spec.submodule_search_locations if spec else None
    found = Path(next(iter(folders))) / path if folders else None
    if found is None or not found.exists():
        raise EmbeddedError(f"{title} is not installed for this machine; run `make setup` on 64-bit x86 Linux.")
    if not os.access(found, os.X_OK):
        try:
            found.chmod(found.stat().st_mode | 0o111)
        except PermissionError:
            raise EmbeddedError(f"{found} may not be executed; ask its owner to run `chmod +x` on it.") from None
    return str(found)
