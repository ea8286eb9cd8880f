"""How long a kill is felt: one process after the other is killed under a light load, and nothing else goes wrong.

`python -m tests.faults.recovery` prints, for each process and kind of kill, the seconds until its users got the first
good answer after the kill, and until nothing was behind any more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from deploy.client import Client, connect, progress
from deploy.embedded.errors import EmbeddedError
from shared.ids import uuid7
from tests.faults.folder import RunFolder
from tests.faults.injectors import clean_end
from tests.faults.load import Load
from tests.faults.plan import SERVERS, SERVICES
from tests.faults.stand import Stand

RATE = 5.0
CALM_SECONDS = 4.0
ASK_SECONDS = 3.0
LAG_SECONDS = 120.0
UNDER_WAY = 20
"""Records of the load that are between two services at any moment: about a second of them."""
LOOK_SECONDS = 0.2
"""Between two looks at how far all are behind. Each costs every service some milliseconds, which it lacks then."""
ASKED: Mapping[str, tuple[str, str]] = {
    "customer": ("customer", "/customers"),
    "identity": ("identity", "/numbers/C00000000"),
    "notifications": ("notifications", "/reminders/00000000-0000-0000-0000-000000000000"),
    "projections": ("projections", "/directory"),
    "postgres": ("customer", "/customers"),
    "kafka": ("customer", "/customers"),
    "mongo": ("projections", "/directory"),
}
"""Killed process -> the service whose users feel it, and what they ask."""
GOOD = frozenset({200, 201, 404})


async def measure(stand: Stand, folder: RunFolder, rounds: int) -> list[dict[str, Any]]:
    """Kills each process `rounds` times with signal 9; the servers also with their own clean end."""
    over = asyncio.Event()
    load = Load(folder, stand.home, seed=1, rate=RATE)
    loading = asyncio.create_task(load.run(over))
    found = []
    async with connect(stand.home, "probe", "admin", "operator", "sales") as client:
        client.http.timeout = httpx.Timeout(ASK_SECONDS)
        for kind in ("kill", "restart"):
            for target in (*SERVICES, *SERVERS):
                measured = [await _one(stand, client, target, kind) for _ in range(rounds)]
                found.append(
                    {
                        "kind": kind,
                        "target": target,
                        "first_ok_seconds": [first for first, _ in measured],
                        "lag0_seconds": [lag for _, lag in measured],
                    }
                )
                sys.stderr.write(f"{found[-1]}\n")
    over.set()
    await loading
    return found


async def _one(stand: Stand, client: Client, target: str, kind: str) -> tuple[float, float]:
    await asyncio.sleep(CALM_SECONDS)
    pid = stand.pid(target)
    os.kill(pid, signal.SIGKILL if kind == "kill" else clean_end(target))
    began = time.monotonic()
    while _there(pid):  # noqa: ASYNC110 - a clean end takes its time, and answers well until then
        await asyncio.sleep(0.005)
    while not await _answers(client, target):  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.02)
    first = time.monotonic() - began
    await _caught_up(client)
    return round(first, 2), round(time.monotonic() - began, 2)


async def _caught_up(client: Client) -> None:
    """Waits until no more is behind than the load has just sent."""
    deadline = time.monotonic() + LAG_SECONDS
    while True:
        now = await progress(client)
        if now.answered and now.behind <= UNDER_WAY:
            return
        if time.monotonic() > deadline:
            raise EmbeddedError(f"Still {now.behind} events behind after {LAG_SECONDS:.0f} s.")
        await asyncio.sleep(LOOK_SECONDS)


def _there(pid: int) -> bool:
    try:
        with Path(f"/proc/{pid}/stat").open() as stat:
            return stat.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


async def _answers(client: Client, target: str) -> bool:
    service, path = ASKED[target]
    try:
        if service == "customer":
            body = {"kind": "person", "source": "probe", "external_id": uuid7(), "name": "Probe"}
            answer = await client.http.post(client.url(service, path), json=body, headers=client.headers())
        else:
            answer = await client.http.get(client.url(service, path), headers=client.headers())
    except (httpx.HTTPError, EmbeddedError):
        return False
    return answer.status_code in GOOD


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.recovery", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("recovery.json"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="custlog-recovery-") as name:
        folder = Path(name)
        with Stand(folder / "system", 1) as stand, asyncio.Runner() as runner:
            stand.start()
            found = runner.run(measure(stand, RunFolder(folder), given.rounds))
    given.output.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
