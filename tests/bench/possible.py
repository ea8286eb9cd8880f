"""Possible duplicates of somebody who is about to be created, asked while the form is filled in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from deploy.client import Client, caught_up
from deploy.history import open_history
from tests.bench import imports
from tests.bench.measure import Goal, Plan, Result, Spread, percentiles
from tests.bench.population import Population
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
        asked = list(_people(min(ASKED, plan.size // 10)))
        for _ in range(plan.rounds):
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


def _people(count: int) -> Iterator[dict[str, Any]]:
    """Those of an import's first rows, as somebody at a desk would type them."""
    known = Population.of(imports.SEED)
    for number in range(count):
        person = known.record(number)
        address = {"line": f"{person.house} {person.street}", "city": person.place[0], "country": "AU"}
        born = {"birth_date": person.born} if person.born else {}
        yield {"name": {"given": person.given, "family": person.family}, "addresses": [address], **born}


async def _ask(client: Client, person: dict[str, Any], latencies: list[float]) -> bool:
    began = time.perf_counter()
    answer = await client.send("POST", "identity", "/matches", person)
    latencies.append(time.perf_counter() - began)
    return bool(answer.json()["matches"])
