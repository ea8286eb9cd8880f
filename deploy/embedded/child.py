"""One child process: its own process group, tied to the life of this process, output in a file."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_LAUNCH = str(Path(__file__).with_name("launch.py"))
_POLL = 0.05
_LARGE_LOG = 16 * 1024 * 1024


@dataclass(frozen=True)
class Owner:
    """The user a child runs as instead of this process's own. Only root can change it."""

    user: int
    group: int


class Child:
    """A running program. It receives `death_signal` when the thread that made it ends: make it in the main thread."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        output: Path,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        owner: Owner | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        _keep_small(output)
        user, group = (owner.user, owner.group) if owner else (-1, -1)
        launch = [sys.executable, "-IS", _LAUNCH, str(os.getpid()), str(int(death_signal)), str(user), str(group)]
        with output.open("ab") as log:
            self._process = subprocess.Popen(
                [*launch, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=folder,
                process_group=0,
            )
        self.output = output
        self._asked = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        """Whether it still runs. A dead child is reaped here."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def ask(self, polite: signal.Signals) -> None:
        """Ask it to stop, once, without waiting."""
        if self.alive() and not self._asked:
            self._asked = True
            self._process.send_signal(polite)

    def stop(self, polite: signal.Signals, *, seconds: float) -> bool:
        """Ask with `polite`, wait, then kill the whole group. True if it went by itself."""
        self.ask(polite)
        try:
            self._process.wait(timeout=seconds)
            went = True
        except subprocess.TimeoutExpired:
            went = False
        self._kill_group()
        self._process.wait()
        return went

    def kill(self) -> None:
        """End it and its group at once and reap it."""
        self._kill_group()
        self._process.wait()

    def _kill_group(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def run(command: Sequence[str], *, output: Path, owner: Owner | None = None, seconds: float = 120) -> int:
    """Run a program to its end, tied to this process like every child; its exit code. Killed after `seconds`."""
    child = Child(command, output=output, owner=owner)
    deadline = time.monotonic() + seconds
    while child.alive():
        if time.monotonic() > deadline:
            child.kill()
        time.sleep(_POLL)
    return child.exit_code or 0


def birth(pid: int) -> float | None:
    """When the process with this number started (seconds since 1970), None if there is none.

    A number may be used again by another process; number and birth together name one.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return float(process.create_time())
    except psutil.NoSuchProcess:
        return None


def end_leftover(pid: int, born: float, *, seconds: float = 10) -> None:
    """Wait until the process (`pid`, `born`) of an earlier run is gone; kill it after `seconds`."""
    deadline = time.monotonic() + seconds
    killed = False
    while (found := birth(pid)) is not None and abs(found - born) < 1:
        if not killed and time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            killed = True
        time.sleep(_POLL)


def last_line(output: Path, containing: Sequence[str] = ()) -> str:
    """The last line of a log that is not empty, if possible one with one of the given words."""
    try:
        lines = [line.strip() for line in output.read_text(errors="replace")[-20_000:].splitlines() if line.strip()]
    except OSError:
        return ""
    chosen = [line for line in lines if any(word in line for word in containing)] or lines
    return chosen[-1][:300] if chosen else ""


def _keep_small(output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.exists() and output.stat().st_size > _LARGE_LOG:
        output.replace(output.with_suffix(output.suffix + ".1"))
