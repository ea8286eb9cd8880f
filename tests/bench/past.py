"""The past: one customer as of an instant over HTTP, whole views as of an instant from the logs and over HTTP."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from deploy.client import Client, caught_up
from deploy.history import History, open_history
from deploy.reconstruction import reconstruct
from services.projections.views import VIEWS
from shared.as_of import AsOf
from shared.events.catalogue import FOLDED
from shared.events.envelope import instant
from tests.bench import imports
from tests.bench.measure import Goal, Plan, Result, Spread, beside, calm, percentiles, until
from tests.bench.stand import Stand

CUSTOMER = Goal("p99 <= 100 ms", 100, at_most=True)
VIEW = Goal("1 M events <= 5 min (extrapolated)", 5, at_most=True)
ASKED = 200
MOST_ROUNDS = 3
POLL_SECONDS = 0.1

_SOME = """
SELECT customer::text FROM events WHERE customer IS NOT NULL AND notification_id <= %s
ORDER BY notification_id DESC LIMIT %s"""
_WHEN = "SELECT (convert_from(state, 'UTF8')::json)->>'recorded_at' FROM events WHERE notification_id = %s"


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """What the paths before left in the system; an import first if they left nothing."""
    few = replace(plan, rounds=min(plan.rounds, MOST_ROUNDS))
    async with stand.client("bench", "manager", "import", "auditor") as client:
        with open_history(client.home) as history:
            if not history.heads()["customer"]:
                await imports.measure(stand, replace(plan, rounds=1))
            await caught_up(client)
            return [await _customers(client, history, few), *await _views(client, history, few)]


async def _customers(client: Client, history: History, plan: Plan) -> Result:
    half = max(1, history.heads()["customer"] // 2)
    log = history.connections["customer"]
    wanted = [row[0] for row in log.execute(_SOME, (half, min(ASKED, plan.size // 10))).fetchall()]
    then = log.execute(_WHEN, (half,)).fetchall()[0][0]
    latencies: list[float] = []
    waste: list[float] = []
    mine, limit, ratio = await beside(
        plan.rounds, lambda: _ask(client, wanted, latencies, as_of=then), lambda: _ask(client, wanted, waste)
    )
    times = percentiles(latencies)
    return Result(
        path="one customer as of an instant, over HTTP",
        unit="answers/s",
        ours=mine,
        limit=limit,
        ratio=ratio,
        limit_is="the same customer as of now",
        goals={CUSTOMER.text: CUSTOMER.met_by(times["p99_ms"])},
        more={**times, "customers": len(wanted), "events_in_logs": _events(history)},
    )


async def _ask(client: Client, customers: list[str], latencies: list[float], **query: str) -> float:
    """Answers per second, one question after the other."""
    began = time.perf_counter()
    for customer in customers:
        asked = time.perf_counter()
        await client.get("projections", f"/customers/{customer}", **query)
        latencies.append(time.perf_counter() - asked)
    return len(customers) / (time.perf_counter() - began)


async def _views(client: Client, history: History, plan: Plan) -> list[Result]:
    results = []
    for views in [[view] for view in VIEWS] + [list(VIEWS)]:
        with calm():
            mine, limit, ratio = await beside(
                plan.rounds, partial(_fold, client, history, views), partial(_read, history)
            )
        name = views[0] if len(views) == 1 else "all views"
        results.append(_told(f"{name} as of an instant, from the logs", mine, limit, ratio, _events(history)))
    over_http = Spread.of([await _over_http(client, history, "directory") for _ in range(plan.rounds)])
    return [*results, _told("directory as of an instant, over HTTP", over_http, None, None, _events(history))]


def _told(path: str, mine: Spread, limit: Spread | None, ratio: Spread | None, events: int) -> Result:
    minutes = round(1_000_000 / mine.median / 60, 2)
    return Result(
        path=path,
        unit="events/s",
        ours=mine,
        limit=limit,
        ratio=ratio,
        limit_is="" if limit is None else "reading and opening the same events",
        goals={VIEW.text: VIEW.met_by(minutes)},
        more={"events": events, "minutes_for_a_million_extrapolated": minutes},
    )


async def _fold(client: Client, history: History, views: list[str]) -> float:
    began = time.perf_counter()
    made = await reconstruct(history, client.state, views, AsOf(_now(), {}))
    return made.events / (time.perf_counter() - began)


async def _read(history: History) -> float:
    began = time.perf_counter()
    read = await asyncio.to_thread(lambda: sum(1 for _ in history.all_events(history.heads())))
    return read / (time.perf_counter() - began)


async def _over_http(client: Client, history: History, view: str) -> float:
    """From the first question until it is answered with a page: each time of another instant, so nothing is there."""
    then, began = _now(), time.perf_counter()

    async def answered() -> bool:
        return "items" in await client.get("projections", f"/views/{view}", as_of=then, limit=1)

    await until(answered, f"the view {view}", every=POLL_SECONDS)
    return _events(history) / (time.perf_counter() - began)


def _events(history: History) -> int:
    heads = history.heads()
    return sum(heads[log] for log in FOLDED)


def _now() -> str:
    return instant(datetime.now(UTC))
