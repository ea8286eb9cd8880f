"""One run: a real system under load, faults by plan, time to come to rest, and the checker's judgement."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson

from deploy.client import caught_up, connect
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import PROJECT
from shared.events.envelope import instant
from tests.bench import machine
from tests.faults.backup import Backups
from tests.faults.folder import RunFolder
from tests.faults.injectors import AWAY, INJECTORS, Impossible, Scene
from tests.faults.load import Load
from tests.faults.plan import KINDS, LAST_SECONDS, Fault, plan
from tests.faults.sampler import Sampler
from tests.faults.stand import Stand
from tests.faults.verdict import done_by_kind, judge, timeline

SETTLE_SECONDS = 180.0
"""So long everything may take to catch up after the last fault."""
CHECK_SECONDS = 600.0
LATE_SECONDS = 2.0
BELIEVED_SECONDS = 6.0
"""What a process knows of the topics may be five seconds old: before that it may not know yet what it missed."""


@dataclass(frozen=True)
class Options:
    """What a run is told. `rate` is commands per second, `every` seconds from one fault to the next on average."""

    seed: int
    minutes: float
    rate: float = 15.0
    every: float = 5.0
    kinds: Sequence[str] = tuple(KINDS)
    plant: str | None = None


def storm(options: Options, folder: Path, *, tell: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Runs it and answers the verdict with everything that supports it. Use it in the main thread."""
    with Stand(folder / "system", options.seed, options.plant) as stand:
        tell("starting the system")
        stand.start()
        run = RunFolder(folder)
        run.write(
            "run",
            {
                "seed": options.seed,
                "minutes": options.minutes,
                "rate": options.rate,
                "plant": options.plant,
                "home": str(stand.home.data),
                "started": instant(datetime.now(UTC)),
            },
        )
        with asyncio.Runner() as runner:
            answer = runner.run(_Storm(options, stand, run, tell).run())
        run.write("verdict", answer)
        return answer


class _Storm:
    def __init__(self, options: Options, stand: Stand, run: RunFolder, tell: Callable[[str], None]) -> None:
        self._options = options
        self._stand = stand
        self._run = run
        self._tell = tell
        self._unsettled = ""
        self._planned = plan(options.seed, options.minutes * 60, kinds=options.kinds, every=options.every)
        self._told = run.lines("faults")
        self._sampler = Sampler(run, stand.home)
        self._load = Load(run, stand.home, options.seed, options.rate)
        backups = Backups(run.path / "backup", stand.home)
        self._scene = Scene(stand, run, backups, random.Random(options.seed))

    async def run(self) -> dict[str, Any]:
        over, quiet = asyncio.Event(), asyncio.Event()
        load = asyncio.create_task(self._load.run(over))
        sampling = asyncio.create_task(self._sampler.run(quiet))
        await self._blow()
        over.set()
        await self._stand.heal()
        await load
        settled = await self._settle()
        quiet.set()
        await sampling
        return await self._answer(settled)

    async def _blow(self) -> None:
        """Every fault at its time; what still lasts at the end is cut off."""
        began = self._run.now()
        running: list[asyncio.Task[None]] = []
        for fault in self._planned:
            await asyncio.sleep(max(0.0, began + fault.at - self._run.now()))
            # While the whole system was down nothing could go wrong: the rest of the plan comes so much later.
            behind = self._run.now() - began - fault.at
            began += behind if behind > LATE_SECONDS else 0.0
            self._tell(f"{self._run.now():6.1f} s  {fault.kind} {fault.target}")
            running.append(asyncio.create_task(self._do(fault)))
        await asyncio.sleep(max(0.0, began + self._options.minutes * 60 - self._run.now()))
        _, late = await asyncio.wait(running, timeout=LAST_SECONDS) if running else (set(), set())
        for task in late:
            task.cancel()
        for task in running:
            with suppress(asyncio.CancelledError):
                await task

    async def _do(self, fault: Fault) -> None:
        line: dict[str, Any] = {"n": fault.n, "kind": fault.kind, "target": fault.target}
        self._told.write({"at": self._run.now(), **line, "event": "begin", "details": dict(fault.details)})
        event, evidence = "failed", {}
        try:
            evidence = await INJECTORS[fault.kind](self._scene, fault)
            event = "end"
        except Impossible as why:
            event, evidence = "skipped", {"why": str(why)}
        except AWAY as away:
            event, evidence = "skipped", {"why": f"another fault is in the way: {type(away).__name__}"}
        except asyncio.CancelledError:
            event, evidence = "skipped", {"why": "the run was over"}
            raise
        except Exception as error:  # noqa: BLE001 - another fault may be in the way: the run goes on, the line tells it
            evidence = {"why": f"{type(error).__name__}: {error}"[:300]}
        finally:
            self._told.write({"at": self._run.now(), **line, "event": event, "evidence": evidence})

    async def _settle(self) -> float | None:
        """Seconds until nothing was behind any more, None if that took longer than SETTLE_SECONDS."""
        self._tell("coming to rest")
        began = self._run.now()
        await asyncio.sleep(BELIEVED_SECONDS)
        try:
            async with connect(self._stand.home, "load-operator", "operator") as operator:
                operator.http.timeout = httpx.Timeout(10)
                await caught_up(operator, seconds=SETTLE_SECONDS)
                await self._load.come_due()
                await caught_up(operator, seconds=SETTLE_SECONDS)
        except EmbeddedError as why:
            self._unsettled = str(why)
            self._tell(f"never came to rest: {why}")
            return None
        return round(self._run.now() - began, 2)

    async def _answer(self, settled: float | None) -> dict[str, Any]:
        counters = self._sampler.counters()
        self._run.write("counters", counters)
        self._run.write("run", {**self._run.read("run"), "settled_seconds": settled})
        self._tell("checking")
        checked = await asyncio.to_thread(_check, self._run.path)
        told = self._run.read_lines("faults")
        void = checked.get("void", [])
        return {
            "verdict": judge(settled=settled is not None, invariants=checked["invariants"], void=void),
            "void": void,
            **_options_as_json(self._options),
            "machine": machine.describe(),
            "load_average": round(os.getloadavg()[0], 2),
            "settled_seconds": settled,
            "unsettled": self._unsettled,
            "load": self._load.statistics(),
            "faults": done_by_kind(told),
            "counters": counters,
            "invariants": checked["invariants"],
            "figures": checked.get("figures", {}),
            "timeline": timeline(self._planned, told),
        }


def _options_as_json(options: Options) -> dict[str, Any]:
    return {
        "seed": options.seed,
        "minutes": options.minutes,
        "rate": options.rate,
        "plant": options.plant,
        "kinds": list(options.kinds),
    }


def _check(folder: Path) -> dict[str, Any]:
    """The checker is another program: it shares nothing with this process, and no plant is in it."""
    command = [sys.executable, "-m", "tests.faults.checker", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=CHECK_SECONDS, cwd=PROJECT)
    try:
        answer: dict[str, Any] = orjson.loads(done.stdout.strip().rsplit("\n", 1)[-1])
    except orjson.JSONDecodeError:
        return {"invariants": {"checker": {"ok": False, "violations": [done.stderr.strip()[-2000:]]}}}
    return answer
