"""One command on an idle system, until a search of the directory finds what it did."""

from __future__ import annotations

import time
from functools import partial

from deploy.client import Client, caught_up
from shared.ids import uuid7
from tests.bench.measure import Goal, Plan, Result, Spread, percentiles, until
from tests.bench.stand import Stand

GOALS = (Goal("p50 <= 50 ms", 50, at_most=True), Goal("p99 <= 150 ms", 150, at_most=True))
COMMANDS = 100
WARM_UP = 10
LOOK_SECONDS = 0.01


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """A hundred registrations, one after the other; the times include the answer to the search."""
    async with stand.client("bench", "manager") as client:
        await caught_up(client)
        for _ in range(WARM_UP):
            await _seen(client)
        both = [await _seen(client) for _ in range(min(COMMANDS, plan.size // 10))]
    answered, seen = zip(*both, strict=True)
    times = percentiles(seen)
    return [
        Result(
            path="command to visible in the directory",
            unit="ms",
            ours=Spread.of([second * 1000 for second in seen]),
            goals={goal.text: goal.met_by(time) for goal, time in zip(GOALS, times.values(), strict=True)},
            more={**times, "commands": len(seen), "answer_p50_ms": percentiles(answered)["p50_ms"]},
        )
    ]


async def _seen(client: Client) -> tuple[float, float]:
    """Seconds until the command was answered, and until it was found."""
    name = "".join(chr(ord("a") + int(digit, 16)) for digit in uuid7().replace("-", ""))
    began = time.perf_counter()
    command = {"kind": "person", "source": "bench", "name": {"full": f"Visible {name}"}}
    await client.send("POST", "customer", "/customers", command)
    answered = time.perf_counter() - began
    await until(partial(_found, client, name), "being found", every=LOOK_SECONDS)
    return answered, time.perf_counter() - began


async def _found(client: Client, name: str) -> bool:
    return bool((await client.get("projections", "/directory", name=name))["items"])
