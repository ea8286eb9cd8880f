"""How cost grows: one running system that is filled step by step, and measured at each size.

    python -m tests.bench.growth --sizes 10000,100000,1000000 --output growth.json

Every figure is of the whole system on this machine, the client included. The file holds every size that was finished.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import structlog
import uvloop

from deploy.client import Client, caught_up
from shared.topics import ensure_topics
from tests.bench import footprint, machine, rebuild, relay
from tests.bench.filling import fill
from tests.bench.measure import calm, percentiles, short
from tests.bench.population import Population
from tests.bench.questions import QUERIES, Known, orders, questions
from tests.bench.stand import Stand, stand
from tests.bench.system import fresh_database, restarted
from tests.bench.wire import Load, Request, send
from tests.support.logs import log_of_system

SIZES = (10_000, 100_000, 1_000_000)
LOADED = 500
PATIENCE_SECONDS = 4 * 3600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How long each kind of request is sent, the seed of the people, and how many connections ask at once."""

    sizes: tuple[int, ...]
    seconds: float
    seed: int
    readers: int = 4


def main() -> None:
    """Measure at each size, the smallest first; what is finished is in the file even if a later size fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.growth", description=__doc__)
    parser.add_argument("--sizes", type=_sizes, default=SIZES, help="customers, rising")
    parser.add_argument("--seconds", type=float, default=5, help="of each kind of request")
    parser.add_argument("--seed", type=int, default=7, help="of the people")
    parser.add_argument("--output", type=Path, default=Path("growth.json"))
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    plan = Plan(given.sizes, given.seconds, given.seed)
    answer: dict[str, Any] = {"machine": machine.describe(), "plan": asdict(plan), "sizes": []}
    with stand() as built, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        growing = Growing(built, plan)
        for size in plan.sizes:
            _tell(f"{size:,} customers")
            answer["sizes"].append(runner.run(growing.to(size)))
            given.output.write_text(json.dumps(answer, indent=1) + "\n")
    print(json.dumps(answer))


class Growing:
    """One system and how many customers it holds by now."""

    def __init__(self, built: Stand, plan: Plan) -> None:
        self._stand = built
        self._plan = plan
        self._random = Random(plan.seed)
        self._known = Known(Population.of(plan.seed), 0, ())

    async def to(self, size: int) -> dict[str, Any]:
        """Imports up to so many customers and measures everything."""
        async with self._stand.client("bench", "manager", "operator") as client:
            found: dict[str, Any] = {"customers": size, "import": await self._import(client, size)}
            for name, measure in {
                "append": self._append,
                "load": self._load,
                "queries": self._queries,
                "relay": self._relay,
                "footprint": self._footprint,
                "rebuild": self._rebuild,
                "start": self._start,
            }.items():
                _tell(f"  {name} ...")
                found |= await measure(client)
            return found

    async def _import(self, client: Client, size: int) -> dict[str, Any]:
        rows = range(self._known.rows, size)
        files = self._known.population.write(rows, self._stand.folder)
        figures, customers = await fill(client, files, len(rows), PATIENCE_SECONDS)
        self._known = Known(self._known.population, size, (*self._known.customers, *customers))
        return figures

    async def _append(self, client: Client) -> dict[str, Any]:
        found = {}
        for callers in (64, 1):
            load = await self._ask(client, "customer", orders(self._known, self._random), callers)
            found[str(callers)] = {"events_per_second": short(load.rate), **percentiles(load.seconds)}
        await caught_up(client, seconds=PATIENCE_SECONDS)
        return {"append": found}

    async def _load(self, client: Client) -> dict[str, Any]:
        """One customer after the other out of the log, opened."""
        seconds = []
        with log_of_system(client.home, "customer") as log:
            for customer in self._random.choices(self._known.customers, k=LOADED):
                began = time.perf_counter()
                await log.load(f"customer-{customer}")
                seconds.append(time.perf_counter() - began)
        return {"load": percentiles(seconds)}

    async def _queries(self, client: Client) -> dict[str, Any]:
        found = {}
        for name, ask in QUERIES.items():
            load = await self._ask(client, "projections", questions(ask, self._known, self._random), self._plan.readers)
            times = percentiles(load.seconds) if load.seconds else {}
            found[name] = {**times, "answers": len(load.seconds), "refused": sum(load.refused.values())}
        return {"queries": found}

    async def _ask(self, client: Client, service: str, requests: Iterable[Request], callers: int) -> Load:
        url = client.state.services[service].url
        with calm():
            return await send(url, client.token(), requests, callers=callers, seconds=self._plan.seconds)

    async def _relay(self, client: Client) -> dict[str, Any]:
        """The whole customer log once more into a topic of its own, by a relay beside the one of the service."""
        kafka, topic = client.state.servers["kafka"].url, f"bench.{self._known.rows}"
        await ensure_topics(kafka, [topic], partitions=relay.PARTITIONS, replication=1)
        with log_of_system(client.home, "customer") as log:
            size = log.head()
            seconds = await relay.publish(log, fresh_database(client), kafka, topic, size)
        return {"relay": {"events": size, "events_per_second": short(size / seconds)}}

    async def _footprint(self, client: Client) -> dict[str, Any]:
        held = await footprint.disk(client.home, client.state)
        events = footprint.events(client.state)
        total = sum(events.values())
        return {
            "events": events,
            "memory_mb": footprint.memory(client.state),
            "disk_bytes_per_event": {name: short(size / total) for name, size in held.items()},
        }

    async def _rebuild(self, client: Client) -> dict[str, Any]:
        seconds, events = await rebuild.all_views(client, PATIENCE_SECONDS)
        return {"rebuild": {"seconds": short(seconds), "events": events, "events_per_second": short(events / seconds)}}

    async def _start(self, client: Client) -> dict[str, Any]:
        """Each service in turn is ended and started by its supervisor: seconds from its birth until it is ready."""
        return {"start_seconds": {name: await restarted(client, name) for name in client.state.services}}


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(part) for part in text.split(","))
    if list(sizes) != sorted(set(sizes)) or sizes[0] < 1:
        raise argparse.ArgumentTypeError("sizes have to rise")
    return sizes


def _tell(step: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {step}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
