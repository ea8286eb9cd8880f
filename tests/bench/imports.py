"""From the rows of a CSV file, sent to the customer service, until nothing is behind in any view."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from deploy.client import Client, caught_up
from tests.bench.measure import Goal, Plan, Result, Spread, calm
from tests.bench.population import Population
from tests.bench.processes import cpu_seconds
from tests.bench.stand import Stand

GOAL = Goal(">= 2000 rows/s", 2_000)
MOST_ROUNDS = 3
SEED = 3


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """People as a large base has them, one in ten told twice; all four services at work."""
    rates, importing, computed = [], [], []
    async with stand.client("bench", "import") as client:
        for turn in range(min(plan.rounds, MOST_ROUNDS)):
            files, rows = _files(plan.size, turn), plan.size
            before = cpu_seconds(client.state)
            with calm():
                began = time.perf_counter()
                await asyncio.gather(*(_send(client, source, content) for source, content in files.items()))
                importing.append(rows / (time.perf_counter() - began))
                await caught_up(client, seconds=600)
                rates.append(rows / (time.perf_counter() - began))
            after = cpu_seconds(client.state)
            computed.append({name: (after[name] - before[name]) * 1000 / rows for name in after})
    ours = Spread.of(rates)
    return [
        Result(
            path="CSV row to visible in every view",
            unit="rows/s",
            ours=ours,
            goals={GOAL.text: GOAL.met_by(ours.median)},
            more={
                "rows": plan.size,
                "rows_per_second_until_taken": Spread.of(importing).median,
                "cpu_ms_per_row": {name: Spread.of([turn[name] for turn in computed]).median for name in computed[0]},
            },
        )
    ]


async def _send(client: Client, source: str, content: bytes) -> None:
    headers = client.headers({"Content-Type": "text/csv"})
    url = client.url("customer", "/intake")
    async with client.http.stream("POST", url, params={"source": source}, content=content, headers=headers) as answer:
        lines = [orjson.loads(line) async for line in answer.aiter_lines()]
    refused = [line for line in lines if line.get("status", 201) >= 400]
    if answer.is_error or refused:
        raise RuntimeError(f"{answer.status_code}, {len(refused)} rows of {source} were refused: {lines[:1]}")


def _files(rows: int, turn: int) -> dict[str, bytes]:
    """Two files with so many rows together; each turn has the rows that follow those of the turn before."""
    with TemporaryDirectory() as folder:
        written = Population.of(SEED).write(range(turn * rows, (turn + 1) * rows), Path(folder))
        return {source: file.read_bytes() for source, file in written.items()}
