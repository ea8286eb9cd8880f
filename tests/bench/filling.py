"""People into a running system: files sent to the intake, until nothing is behind in any view."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import orjson

from deploy.client import Client, caught_up
from tests.bench.measure import calm, short
from tests.bench.population import chunks
from tests.bench.processes import cpu_seconds

FILE_ROWS = 20_000
KNOWN = 10_000
"""Customers of each step whose ids are kept, to ask for them."""


async def fill(client: Client, files: dict[str, Path], rows: int, patience: float) -> tuple[dict[str, Any], list[str]]:
    """Sends the files of all sources at once; answers the figures, and the ids of some of the customers."""
    every = max(1, rows // KNOWN)
    before, began = cpu_seconds(client.state), time.perf_counter()
    with calm():
        sent = await asyncio.gather(*(_send(client, source, file, every) for source, file in files.items()))
        taken = time.perf_counter() - began
        await caught_up(client, seconds=patience)
    seen, after = time.perf_counter() - began, cpu_seconds(client.state)
    figures = {
        "rows": rows,
        "rows_per_second_taken": short(rows / taken),
        "rows_per_second_visible": short(rows / seen),
        "cpu_ms_per_row": {name: short((after[name] - before[name]) * 1000 / rows) for name in after},
    }
    return figures, [customer for ids in sent for customer in ids]


async def _send(client: Client, source: str, file: Path, every: int) -> list[str]:
    """Sends a file in parts; answers the id of every so-manieth customer. RuntimeError if a row is refused."""
    kept, url = [], client.url("customer", "/intake")
    for content in chunks(file, FILE_ROWS):
        headers = client.headers({"Content-Type": "text/csv"})
        request = client.http.stream("POST", url, params={"source": source}, content=content, headers=headers)
        async with request as answer:
            lines = [orjson.loads(line) async for line in answer.aiter_lines()]
        refused = [line for line in lines if line.get("status", 201) >= 400]
        if answer.is_error or refused:
            raise RuntimeError(f"{answer.status_code}, {len(refused)} rows of {source} were refused: {refused[:1]}")
        kept += [line["id"] for line in lines[:-1:every]]
    return kept
