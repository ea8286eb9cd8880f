"""The service as a process: signals, failed starts and background tasks that die."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from shared.access.tokens import make_issuer

ROOT = Path(__file__).parents[2]
SERVICE = """
import asyncio, sys
from contextlib import asynccontextmanager
from pathlib import Path
from fastapi import APIRouter
from shared import log
from shared.access.tokens import Verifier
from shared.http import Readiness, create_app, serve
from shared.settings import Settings

log.configure("customer")
how, jwks, port = sys.argv[1:]

async def work():
    try:
        while how not in ("dies", "is cancelled within"):
            await asyncio.sleep(0.05)
        if how == "dies":
            raise RuntimeError("relay lost its mind")
        answer = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(answer.cancel)
        await answer
    finally:
        log.get_logger("main").info("work stopped")

@asynccontextmanager
async def running():
    if how == "cannot start":
        raise RuntimeError("no database")
    yield {"relay": work}
    log.get_logger("main").info("closed")

async def ready():
    if how == "answers slowly":
        log.get_logger("main").info("asked")
        await asyncio.sleep(60)
    return Readiness(ok=True)

settings = Settings(service="customer", port=int(port), stop_seconds=2)
verifier = Verifier.from_file(Path(jwks), "custlog", "custlog")
serve(create_app(settings, verifier, [APIRouter()], ready, running), settings)
"""


class Process:
    def __init__(self, how: str, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        jwks = str(make_issuer(folder))
        command = [sys.executable, "-c", SERVICE, how, jwks, str(self.port)]
        self.popen = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    def wait_until_alive(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/health/live").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        pytest.fail("the service did not come up")

    def end(self) -> tuple[int, list[dict[str, object]]]:
        _, errors = self.popen.communicate(timeout=30)
        return self.popen.returncode, [json.loads(line) for line in errors.splitlines()]


Start = Callable[[str], Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Process] = []

    def make(how: str) -> Process:
        started.append(Process(how, tmp_path))
        return started[-1]

    yield make
    for process in started:
        process.popen.kill()
        process.popen.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_tasks_then_resources_and_ends_with_success(start: Start, number: int) -> None:
    process = start("runs")
    process.wait_until_alive()
    process.popen.send_signal(number)

    status, lines = process.end()

    assert status == 0
    assert [line["event"] for line in lines if line["logger"] == "main"] == ["work stopped", "closed"]


@pytest.mark.parametrize("how", ["dies", "is cancelled within"])
def test_a_background_task_that_dies_stops_the_process_with_failure(start: Start, how: str) -> None:
    status, lines = start(how).end()

    assert status == 1
    (death,) = [line for line in lines if line["level"] == "critical"]
    assert (death["task"], death["service"]) == ("relay", "customer")
    assert "closed" in [line["event"] for line in lines]


def test_a_request_that_outlasts_the_stop_is_answered_in_a_problem_that_says_what_to_do(start: Start) -> None:
    process = start("answers slowly")
    process.wait_until_alive()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(httpx.get, f"http://127.0.0.1:{process.port}/health/ready", timeout=30)
        assert process.popen.stderr is not None
        assert any("asked" in line for line in process.popen.stderr)
        process.popen.send_signal(signal.SIGTERM)
        answer = asking.result()

    assert (answer.status_code, answer.json()["type"]) == (503, "urn:custlog:problem:stopping")
    assert "Idempotency-Key" in answer.json()["detail"]
    status, lines = process.end()
    assert status == 0
    assert not [line for line in lines if "Exception" in str(line["event"])]


def test_a_failed_start_ends_with_failure(start: Start) -> None:
    status, lines = start("cannot start").end()

    assert status == 3
    assert any("no database" in json.dumps(line) for line in lines)
