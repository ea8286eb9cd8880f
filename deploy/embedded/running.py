"""Bring an embedded system up, beside this process or tied to it, and take it down."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from deploy.embedded.child import Child, birth
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import PROJECT, Home, State
from deploy.embedded.service import SERVICES, ServiceSpec

_POLL = 0.05
_STOP_SECONDS = 120
_DETACHED: dict[int, "subprocess.Popen[bytes]"] = {}
"""Supervisors that this process started to go on without it: reaped by `down` if we are still there."""


def up(
    home: Home,
    *,
    services: Sequence[ServiceSpec] = SERVICES,
    settings: Mapping[str, str] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> State:
    """Start a system that goes on without us; returns when it is ready. EmbeddedError if it cannot start.

    `settings` are environment variables for the services, for example CUSTLOG_CLOCK=test.
    """
    home.prepare()
    if home.is_locked():
        raise EmbeddedError(f"The system in {home.data} is running already; see custlog status.")
    log = home.logs / "supervisor.log"
    with log.open("ab") as output:
        supervisor = subprocess.Popen(
            _command(home, services),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=PROJECT,
            env=_environment(settings),
            start_new_session=True,
        )
    try:
        state = _await_ready(home, supervisor.pid, lambda: supervisor.poll() is None, tell)
    except BaseException:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait(_STOP_SECONDS)
        raise
    _DETACHED[supervisor.pid] = supervisor
    return state


def down(home: Home) -> bool:
    """Stop the system of this home and wait until it is gone. False if none was running."""
    state = home.read_state()
    if not home.is_locked() or state is None:
        return False
    _signal(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while home.is_locked():
        if time.monotonic() > deadline:
            _signal(state.pid, signal.SIGKILL)  # its children go with it
            deadline += _STOP_SECONDS
        time.sleep(_POLL)
    if supervisor := _DETACHED.pop(state.pid, None):
        supervisor.wait()
    while birth(state.pid) is not None and time.monotonic() < deadline:
        time.sleep(_POLL)
    return True


@contextmanager
def running(
    home: Home,
    *,
    services: Sequence[ServiceSpec] = SERVICES,
    settings: Mapping[str, str] | None = None,
    supervisor_module: str = "deploy.embedded.supervisor",
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[State]:
    """A system for as long as the block lasts. It also ends with this process, even if that is killed.

    Use it in the main thread.
    """
    home.prepare()
    supervisor = Child(
        _command(home, services, supervisor_module),
        output=home.logs / "supervisor.log",
        env=_environment(settings),
        folder=PROJECT,
        death_signal=signal.SIGTERM,
    )
    try:
        yield _await_ready(home, supervisor.pid, supervisor.alive, tell)
    finally:
        supervisor.stop(signal.SIGTERM, seconds=_STOP_SECONDS)


def _command(home: Home, services: Sequence[ServiceSpec], module: str = "deploy.embedded.supervisor") -> list[str]:
    chosen = [f"--service={service.name}={service.module}" for service in services] or ["--servers-only"]
    return [sys.executable, "-m", module, "--home", str(home.data), *chosen]


def _environment(settings: Mapping[str, str] | None) -> dict[str, str]:
    return {**os.environ, **(settings or {})}


def _await_ready(home: Home, pid: int, alive: Callable[[], bool], tell: Callable[[str], None]) -> State:
    step = ""
    while True:
        going_on = alive()
        state = home.read_state()
        mine = state if state and state.pid == pid else None
        if mine and mine.status == "ready":
            return mine
        if not going_on:
            sentence = mine.error if mine else ""
            raise EmbeddedError(sentence or f"The system ended while starting; see {home.logs / 'supervisor.log'}.")
        if mine and mine.step not in ("", step):
            step = mine.step
            tell(step)
        time.sleep(_POLL)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
