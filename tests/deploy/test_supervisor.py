"""The supervisor: starts, restarts, stops, and leaves nothing behind however it ends."""

import http.client
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.embedded import running
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home, Running, State
from deploy.embedded.service import ServiceSpec

pytestmark = [pytest.mark.server, pytest.mark.slow]

FAKE = (ServiceSpec("customer", "tests.support.fake_service"),)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home.at(tmp_path / "one")
    yield home
    running.down(home)


def processes(home: Home) -> list[int]:
    """Every process that works for this home."""
    found = []
    for process in psutil.process_iter(["cmdline", "status", "environ"]):
        words = [*(process.info["cmdline"] or ()), (process.info["environ"] or {}).get("CUSTLOG_KEK_FILE", "")]
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(str(home.data) in word for word in words):
            found.append(process.pid)
    return found


def await_true(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.05)


def ask(service: Running) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=5)
    connection.request("GET", "/health/ready")
    with connection.getresponse() as response:
        content: dict[str, Any] = json.loads(response.read())
    connection.close()
    return content


def state_of(home: Home) -> State:
    state = home.read_state()
    assert state is not None
    return state


def restarted(home: Home, kind: str, name: str) -> bool:
    entry: Running = getattr(state_of(home), kind)[name]
    return entry.restarts == 1


def kill_supervisor(state: State) -> None:
    os.kill(state.pid, signal.SIGKILL)
    running._DETACHED.pop(state.pid).wait()


def test_a_killed_server_and_a_killed_service_come_back_at_the_same_address(home: Home) -> None:
    state = running.up(home, services=FAKE, settings={"CUSTLOG_CLOCK": "test"})
    settings = ask(state.services["customer"])["settings"]
    assert settings["CUSTLOG_CLOCK"] == "test"
    assert settings["CUSTLOG_POSTGRES_URL"].endswith("/customer")
    assert Path(settings["CUSTLOG_KEK_FILE"]).stat().st_mode & 0o777 == 0o600
    assert home.data not in home.kek_file.parents

    for kind, name in (("services", "customer"), ("servers", "mongo")):
        old: Running = getattr(state, kind)[name]
        assert old.pid is not None
        os.kill(old.pid, signal.SIGKILL)
        await_true(partial(restarted, home, kind, name))
        new: Running = getattr(state_of(home), kind)[name]
        assert new.url == old.url
        assert new.pid != old.pid
    assert running.down(home)
    assert processes(home) == []
    assert state_of(home).status == "stopped"


def test_nothing_is_left_when_the_supervisor_is_killed_and_the_next_start_finds_its_data(home: Home) -> None:
    first = running.up(home, services=FAKE)
    with pytest.raises(EmbeddedError, match="running already"):
        running.up(home, services=FAKE)

    kill_supervisor(first)

    second = running.up(home, services=FAKE)
    assert {name: it.port for name, it in second.servers.items()} == {n: it.port for n, it in first.servers.items()}
    kill_supervisor(second)
    await_true(lambda: processes(home) == [])


def test_a_start_that_fails_says_why_and_leaves_nothing(home: Home) -> None:
    with pytest.raises(EmbeddedError, match="The broken service ended while starting"):
        running.up(home, services=[ServiceSpec("broken", "tests.support.no_such_module")])

    assert processes(home) == []
    assert state_of(home).status == "failed"


def test_two_systems_run_side_by_side_and_a_tied_one_ends_with_its_block(home: Home, tmp_path: Path) -> None:
    other = Home.at(tmp_path / "two")
    with running.running(home, services=()) as one, running.running(other, services=()) as two:
        ports_of = [{server.port for server in state.servers.values()} for state in (one, two)]
        assert ports_of[0].isdisjoint(ports_of[1])

    assert processes(home) == []
    assert processes(other) == []


def test_data_without_its_keys_is_not_started(home: Home) -> None:
    home.prepare()
    (home.data / "postgres" / "data").mkdir(parents=True)
    home.kek_file.unlink()

    with pytest.raises(EmbeddedError, match=r"keys of .* are missing"):
        home.prepare()
