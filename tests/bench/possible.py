"""Possible duplicates of somebody who is about to be created, asked while the form is filled in."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from deploy.client import Client, caught_up
from deploy.demo import febrl
from deploy.history import open_history
from tests.bench import imports
from tests.bench.measure import Goal, Plan, Result, Spread, percentiles
from tests.bench.stand import Stand

GOAL = Goal("p99 <= 50 ms", 50, at_most=True)
ASKED = 500


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """One question after the other about people who are there, without identifiers; an import first if need be."""
    async with stand.client("bench", "manager", "import") as client:
        with open_history(client.home) as history:
            if not history.heads()["customer"]:
                await imports.measure(stand, replace(plan, rounds=1))
            await caught_up(client)
            customers = history.heads()["customer"]
        latencies: list[float] = []
        rates, found = [], 0
        for _ in range(plan.rounds):
            asked = list(islice(_people(), min(ASKED, plan.size // 10)))
            began = time.perf_counter()
            found = sum([await _ask(client, person, latencies) for person in asked])
            rates.append(len(asked) / (time.perf_counter() - began))
    times = percentiles(latencies)
    return [
        Result(
            path="possible duplicates while creating, over HTTP",
            unit="answers/s",
            ours=Spread.of(rates),
            goals={GOAL.text: GOAL.met_by(times["p99_ms"])},
            more={**times, "asked": len(asked), "found": found, "customer_events": customers},
        )
    ]


def _people() -> Iterator[dict[str, Any]]:
    """Those of an import's first rows, as somebody at a desk would type them."""
    for file in febrl.load().files:
        for row in csv.DictReader(io.StringIO(file.content.decode())):
            address = {"line": f"{row['street_number']} {row['address_1']}".strip(), "city": row["locality"]}
            given = {name: row[f"{name}_name"] for name in ("given", "family") if row[f"{name}_name"]}
            if given and all(address.values()):
                born = {"birth_date": row["birth_date"]} if row["birth_date"] else {}
                yield {"name": given, "addresses": [{**address, "country": "AU"}], **born}


async def _ask(client: Client, person: dict[str, Any], latencies: list[float]) -> bool:
    began = time.perf_counter()
    answer = await client.send("POST", "identity", "/matches", person)
    latencies.append(time.perf_counter() - began)
    return bool(answer.json()["matches"])
