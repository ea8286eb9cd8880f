"""Looks at every process of a run every few seconds: what it holds, and what it counts."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from deploy.embedded.home import Home, Running
from tests.faults.folder import RunFolder

EVERY_SECONDS = 2.0
COUNTED: Mapping[str, str] = {
    "custlog_consumer_duplicates": "consumer_duplicates",
    "custlog_consumer_forged": "forged",
    "custlog_consumer_rewinds": "rewinds",
    "custlog_consumer_retries": "consumer_retries",
    "custlog_consumer_rebalances": "rebalances",
    "custlog_log_conflicts": "conflicts",
    "custlog_relay_published": "published",
    "custlog_relay_fenced": "relay_fenced",
    "custlog_relay_republished": "republished",
}
"""Counter of a service -> its name in the counters of a run."""
GAUGED: Mapping[str, str] = {"custlog_consumer_parked": "parked"}
"""Gauges, of which the greatest sum of one service counts."""


class Sampler:
    """Counters are kept per process, so that a killed one does not take along what it had counted (but for the last
    seconds)."""

    def __init__(self, folder: RunFolder, home: Home) -> None:
        self._folder = folder
        self._home = home
        self._counted: dict[tuple[str, int], dict[str, float]] = {}
        self._gauged: dict[tuple[str, str], float] = defaultdict(float)
        self._restarts: dict[tuple[str, int], int] = {}

    async def run(self, until: asyncio.Event) -> None:
        """Until told to end. A process that does not answer is passed over."""
        lines = self._folder.lines("samples")
        async with httpx.AsyncClient(timeout=1.5) as http:
            while not until.is_set():
                await self._look(http, lines.write)
                try:
                    async with asyncio.timeout(EVERY_SECONDS):
                        await until.wait()
                except TimeoutError:
                    continue
            await self._look(http, lines.write)
        lines.close()

    def counters(self) -> dict[str, int]:
        """What was counted up to now, and how often the supervisor started a dead process again."""
        totals: dict[str, float] = defaultdict(float, dict.fromkeys([*COUNTED.values(), *GAUGED.values()], 0.0))
        for counted in self._counted.values():
            for name, value in counted.items():
                totals[name] += value
        for (name, _), value in self._gauged.items():
            totals[name] += value
        totals["crash_recoveries"] = sum(self._restarts.values())
        return {name: int(value) for name, value in sorted(totals.items())}

    async def _look(self, http: httpx.AsyncClient, write: Callable[[Mapping[str, Any]], None]) -> None:
        state = self._home.read_state()
        if state is None:
            return
        for entry in (*state.servers.values(), *state.services.values()):
            self._restarts[entry.name, state.pid] = entry.restarts
            if (held := _held(entry)) is not None:
                write({"at": self._folder.now(), "process": entry.name, **held})
        await asyncio.gather(*(self._count(http, entry) for entry in state.services.values()))

    async def _count(self, http: httpx.AsyncClient, entry: Running) -> None:
        try:
            text = (await http.get(f"{entry.url}/metrics")).text
            families = list(text_string_to_metric_families(text))
        except (httpx.HTTPError, ValueError, OSError):
            return
        counted = {
            COUNTED[family.name]: sum(sample.value for sample in family.samples if sample.name.endswith("_total"))
            for family in families
            if family.name in COUNTED
        }
        self._counted[entry.name, entry.pid or 0] = counted
        for family in families:
            if family.name in GAUGED:
                key = (GAUGED[family.name], entry.name)
                self._gauged[key] = max(self._gauged[key], sum(sample.value for sample in family.samples))


def _held(entry: Running) -> dict[str, int] | None:
    if entry.pid is None:
        return None
    try:
        process = psutil.Process(entry.pid)
        with process.oneshot():
            return {
                "pid": entry.pid,
                "rss": process.memory_info().rss,
                "fds": process.num_fds(),
                "threads": process.num_threads(),
            }
    except psutil.Error:
        return None
