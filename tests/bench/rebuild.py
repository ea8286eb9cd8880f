"""All views anew from the topics, beside the live ones."""

from __future__ import annotations

import time
from functools import partial

from deploy.client import Client, caught_up
from tests.bench.measure import Goal, Plan, Result, Spread, until
from tests.bench.stand import Stand

GOAL = Goal("1 M events <= 5 min (extrapolated)", 5, at_most=True)
MOST_ROUNDS = 3
POLL_SECONDS = 0.05


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """What the paths before left in the system, rebuilt. A million events are not imported: the time is projected."""
    async with stand.client("bench", "operator") as client:
        await caught_up(client)
        rates, events = [], 0
        for _ in range(min(plan.rounds, MOST_ROUNDS)):
            seconds, events = await all_views(client)
            rates.append(events / seconds)
    ours = Spread.of(rates)
    minutes = round(1_000_000 / ours.median / 60, 2)
    return [
        Result(
            path="rebuild of all views",
            unit="events/s",
            ours=ours,
            goals={GOAL.text: GOAL.met_by(minutes)},
            more={"events": events, "minutes_for_a_million_extrapolated": minutes},
        )
    ]


async def all_views(client: Client, patience: float = 600) -> tuple[float, int]:
    """Seconds of one rebuild, and the events it applied. RuntimeError if it fails or takes longer than `patience`."""
    began = time.perf_counter()
    build = (await client.send("POST", "projections", "/ops/rebuild", {"views": "all"})).json()["id"]
    await until(partial(_done, client, build), "the rebuild", every=POLL_SECONDS, seconds=patience)
    seconds = time.perf_counter() - began
    return seconds, (await client.get("projections", "/ops/rebuild"))[0]["applied"]


async def _done(client: Client, build: str) -> bool:
    newest = (await client.get("projections", "/ops/rebuild"))[0]
    if newest["id"] != build or newest["error"]:
        raise RuntimeError(f"the rebuild failed: {newest['error']}")
    return bool(newest["state"] != "running")
