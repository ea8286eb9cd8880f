"""From the rows of a CSV file, sent to the customer service, until nothing is behind in any view."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from datetime import date

import orjson

from deploy.client import Client, caught_up
from deploy.demo import febrl
from tests.bench.measure import Goal, Plan, Result, Spread, calm
from tests.bench.processes import cpu_seconds
from tests.bench.stand import Stand

GOAL = Goal(">= 2000 rows/s", 2_000)
MOST_ROUNDS = 3
YEARS_APART = 4
"""Between the birth dates of two copies: leap days stay in the calendar."""


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """FEBRL's dirty people, copied under other names until there are enough; all four services at work."""
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
    """Two files with so many rows together; no two turns name the same people."""
    known = {file.source: list(csv.DictReader(io.StringIO(file.content.decode()))) for file in febrl.load().files}
    files = {}
    for source, records in known.items():
        wanted = rows // len(known)
        first = turn * -(-wanted // len(records))
        copied = [_copy(records[n % len(records)], first + n // len(records)) for n in range(wanted)]
        text = io.StringIO()
        writer = csv.DictWriter(text, febrl.COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(copied)
        files[source] = text.getvalue().encode()
    return files


def _copy(record: dict[str, str], copy: int) -> dict[str, str]:
    """Somebody else with the same errors."""
    letters = "".join(chr(ord("a") + int(digit)) for digit in str(copy))
    born = record["birth_date"]
    if born:
        day = date.fromisoformat(born)
        born = day.replace(year=day.year - YEARS_APART * copy).isoformat()
    return {
        **record,
        "external_id": f"{record['external_id']}-{copy}",
        "family_name": record["family_name"] and record["family_name"] + letters,
        "birth_date": born,
        "id_value": f"{record['id_value']}{copy:02}",
    }
