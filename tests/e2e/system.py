"""A whole system for end-to-end tests, and imports that go on until every row is taken."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson

from deploy.client import Client
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import PROJECT, Home

DEADLINE_SECONDS = 240


def people(source: str, count: int) -> bytes:
    """NDJSON of people of whom every third is the one before it again."""
    rows = []
    for n in range(count):
        person = n - 1 if n % 3 == 2 else n
        rows.append(
            {
                "external_id": f"{source}-{n:05}",
                "kind": "person",
                "name": {
                    "full": f"Given{person} Family{person}",
                    "given": f"Given{person}",
                    "family": f"Family{person}",
                },
                "birth_date": f"19{person % 90 + 10}-0{person % 9 + 1}-1{person % 9}",
                "identifiers": [{"type": "social", "value": f"{source}-{person:09}"}],
            }
        )
    return b"\n".join(orjson.dumps(row) for row in rows)


async def send_until_taken(client: Client, source: str, content: bytes) -> int:
    """Sends the same import again and again until every row is taken; answers how often it was sent."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    for attempt in range(1, 1000):
        if await _send(client, source, content):
            return attempt
        assert time.monotonic() < deadline, f"the import of {source} was not taken in {DEADLINE_SECONDS} s"
        await asyncio.sleep(0.2)
    raise AssertionError("unreachable")


async def _send(client: Client, source: str, content: bytes) -> bool:
    statuses: list[int] = []
    try:
        async with client.http.stream(
            "POST",
            client.url("customer", "/intake"),
            params={"source": source},
            content=content,
            headers=client.headers({"Content-Type": "application/x-ndjson"}),
        ) as answer:
            if answer.status_code != httpx.codes.OK:
                return False
            async for line in answer.aiter_lines():
                row = orjson.loads(line)
                if "row" in row:
                    statuses.append(row["status"])
    except (httpx.HTTPError, orjson.JSONDecodeError):
        return False
    return len(statuses) == content.count(b"\n") + 1 and all(status < 400 for status in statuses)


def pid_of(home: Home, name: str) -> int:
    """The process of a server or service as the supervisor knows it now."""
    state = home.read_state()
    assert state is not None
    entry = {**state.servers, **state.services}[name]
    assert entry.pid is not None
    return entry.pid


def files_in(folder: Path) -> Sequence[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def custlog(home: Home, *arguments: str) -> dict[str, Any]:
    """One command on a system, with its JSON; fails with its sentence."""
    return on_files(*arguments, "--home", str(home.data))


def on_files(*arguments: str) -> dict[str, Any]:
    """As `custlog`, of a command that needs no system."""
    command = [sys.executable, "-c", "from deploy.cli import main; main()", *arguments, "--json"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EmbeddedError(done.stderr)
    said: dict[str, Any] = json.loads(done.stdout)
    return said
