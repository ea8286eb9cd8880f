"""The load: an open-loop client. Arrivals follow a seeded clock and never wait for earlier answers."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from deploy.embedded.home import Home
from shared.events.envelope import moment
from shared.ids import derive
from tests.faults.calls import Calls, Told
from tests.faults.figures import Figures
from tests.faults.folder import RunFolder
from tests.faults.history import Writer
from tests.faults.operation import Body, Moment, Operation
from tests.faults.operations import altered, draw
from tests.faults.world import World

IN_FLIGHT = 200
"""So many calls at once; arrivals beyond them are dropped."""
PERSISTENT = 0.8
"""So many of the commands whose outcome is unknown are sent again, the others never."""
ATTEMPTS = 5
BACKOFF_SECONDS = 0.5
"""Before the first retry; twice as long before each one after it."""
REPEATED = 0.05
REPEATED_FILES = 0.3
REUSED = 0.01
REPEAT_WITHIN_SECONDS = 3.0
BEHIND_SECONDS = 5.0
END_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Sent:
    """A command under its number; `chance` decides its fate, the same for the same seed and number."""

    n: int
    key: str
    operation: Operation
    chance: random.Random
    reuse_of: int | None = None


class Load:
    """A client of the system in `home`, `rate` arrivals a second on average. Writes the run's history."""

    def __init__(self, run: RunFolder, home: Home, seed: int, rate: float, *, in_flight: int = IN_FLIGHT) -> None:
        self._run = run
        self._home = home
        self._seed = seed
        self._rate = rate
        self._in_flight = in_flight
        self._rng = random.Random(f"mix {seed}")
        self._arrivals = random.Random(f"arrivals {seed}")
        self._world = World(f"load{seed}", random.Random(f"world {seed}"))
        self._figures = Figures()
        self._tasks: set[asyncio.Task[None]] = set()
        self._calling = 0
        self._numbers = 0
        self._last_due = datetime.now(UTC)
        self._seconds = 0.0
        self._defect: BaseException | None = None

    async def run(self, until: asyncio.Event) -> None:
        """Goes on until the event; then outstanding commands get END_SECONDS, and what is left is cut off.

        Raises what is a defect of the load itself; whatever the services do ends up in the history.
        """
        lines = self._run.lines("history")
        self._writer = Writer(lines, self._run.now)
        self._calls = Calls(self._home)
        began = self._run.now()
        try:
            await self._arrive_until(until)
            self._seconds = self._run.now() - began
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=END_SECONDS)
        finally:
            await self._cut_off()
            lines.close()
        if self._defect is not None:
            raise self._defect

    async def come_due(self) -> None:
        """Returns once the last planned reminder is due."""
        await asyncio.sleep((self._last_due - datetime.now(UTC)).total_seconds())

    def first_ok_after(self, service: str, at: float) -> float | None:
        """When the first call that began at `at` or later was answered well, both in seconds of the run."""
        return self._figures.first_ok_after(service, at)

    def statistics(self) -> dict[str, Any]:
        """Counts by operation and outcome, latencies of good answers in milliseconds, what was dropped."""
        told = self._figures.told()
        rate = round((self._numbers + self._figures.dropped) / self._seconds, 2) if self._seconds else None
        return {**told, "rate_asked": self._rate, "rate_reached": rate}

    async def _arrive_until(self, until: asyncio.Event) -> None:
        at = self._run.now() + self._arrivals.expovariate(self._rate)
        while not until.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(until.wait(), max(0.001, at - self._run.now()))
            # While the system is taken down and up again nothing here runs: what is older had no client to send it.
            at = max(at, self._run.now() - BEHIND_SECONDS)
            # Where this process had to wait, all that came meanwhile is sent now: a slow client must not spare anybody.
            while at <= self._run.now() and not until.is_set():
                self._arrive()
                at += self._arrivals.expovariate(self._rate)

    def _arrive(self) -> None:
        if self._calling >= self._in_flight:
            self._figures.dropped += 1
            self._writer.dropped()
            return
        for operation in draw(self._rng, self._world, Moment(self._run.now(), datetime.now(UTC))):
            sent = self._numbered(operation)
            for known in operation.held:
                known.busy += 1
            self._begin(sent)

    def _numbered(self, operation: Operation, first: _Sent | None = None) -> _Sent:
        self._numbers += 1
        n = self._numbers
        chance = random.Random(f"{self._seed} {n}")
        if first is not None:
            return _Sent(n, first.key, operation, chance, first.n)
        return _Sent(n, f"load-{self._seed}-{n}", operation, chance)

    def _begin(self, sent: _Sent) -> None:
        task = asyncio.create_task(self._perform(sent))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (defect := task.exception()) is not None:
            self._defect = self._defect or defect

    async def _perform(self, sent: _Sent) -> None:
        operation = sent.operation
        try:
            told, attempts = await self._persist(sent)
            self._conclude(operation, told)
        except asyncio.CancelledError:
            self._conclude(operation, Told(why="cut off"))
            raise
        finally:
            for known in operation.held:
                known.busy -= 1
        if told.ok:
            await self._play(sent, told, attempts)

    async def _persist(self, sent: _Sent) -> tuple[Told, int]:
        attempts = ATTEMPTS if sent.chance.random() < PERSISTENT else 1
        for attempt in range(1, attempts + 1):
            told = await self._attempt(sent, attempt)
            if not told.unknown or attempt == attempts:
                return told, attempt
            await asyncio.sleep(BACKOFF_SECONDS * 2 ** (attempt - 1) * sent.chance.uniform(0.5, 1.5))
        raise AssertionError("there is at least one attempt")

    async def _play(self, sent: _Sent, first: Told, attempts: int) -> None:
        """What careless clients do: they send a command that was answered again, or its key with something else."""
        if sent.operation.method == "GET":
            return
        fate = sent.chance.random()
        repeated = REPEATED_FILES if sent.operation.op == "import" else REPEATED
        other = altered(sent.operation)
        if fate < repeated:
            await asyncio.sleep(sent.chance.uniform(0, REPEAT_WITHIN_SECONDS))
            told = await self._attempt(sent, attempts + 1, repeat=True, replayed=True)
            self._figures.repeats[_compared(first, told)] += 1
        elif fate < repeated + REUSED and other is not None:
            reuse = self._numbered(replace(sent.operation, body=other), sent)
            told = await self._attempt(reuse, 1)
            self._figures.reuses["ok" if told.ok else "unknown" if told.unknown else "refused"] += 1

    async def _attempt(self, sent: _Sent, attempt: int, *, repeat: bool = False, replayed: bool = False) -> Told:
        invoked = self._writer.invoke(sent.n, attempt, {**_about(sent), **({"repeat": True} if repeat else {})})
        self._figures.attempts += 1
        self._calling += 1
        try:
            told = await self._calls.send(sent.operation, sent.operation.body, sent.key)
        except asyncio.CancelledError:
            self._writer.info(sent.n, attempt, None, "cut off")
            raise
        finally:
            self._calling -= 1
        self._tell(sent, attempt, told, invoked, replayed=replayed)
        return told

    def _tell(self, sent: _Sent, attempt: int, told: Told, invoked: float, *, replayed: bool) -> None:
        operation = sent.operation
        self._figures.statuses[str(told.status) if told.status is not None else told.why] += 1
        if told.unknown:
            self._writer.info(sent.n, attempt, told.status, told.why, told.rows)
        elif told.ok:
            assert told.status is not None
            answered = self._writer.ok(sent.n, attempt, told.status, told.answer, replayed=replayed, rows=told.rows)
            self._figures.answered_ok(operation.op, operation.service, invoked, answered)
        else:
            assert told.status is not None
            self._writer.fail(sent.n, attempt, told.status, told.code)

    def _conclude(self, operation: Operation, told: Told) -> None:
        if told.ok:
            operation.learn(told.rows or told.answer, self._run.now())
            self._figures.outcome(operation.op, "ok")
            if operation.op == "reminder.plan":
                self._last_due = max(self._last_due, moment(operation.body["due_at"]))
            return
        self._figures.outcome(operation.op, "unknown" if told.unknown else "refused")
        provoked = not told.unknown and told.status in operation.may_refuse
        if not told.unknown and not provoked:
            self._figures.unexpected[f"{operation.op} {told.status} {told.code}"] += 1
        # Too late or too early says nothing against what was asked for.
        if operation.target is not None and not (provoked and told.status in (404, 412)):
            operation.target.gone = True

    async def _cut_off(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _about(sent: _Sent) -> dict[str, Any]:
    operation = sent.operation
    about: Body = {
        "op": operation.op,
        "service": operation.service,
        "user": operation.user,
        "key": sent.key,
        "command": derive("command", operation.user, sent.key),
        "method": operation.method,
        "path": operation.path,
        "body": operation.body,
        "customer": operation.customer,
        "expect": operation.expect,
    }
    return about if sent.reuse_of is None else {**about, "reuse_of": sent.reuse_of}


def _compared(first: Told, again: Told) -> str:
    if again.unknown:
        return "unknown"
    if not again.ok:
        return "refused"
    same_rows = [(row["row"], row.get("id")) for row in first.rows] == [
        (row["row"], row.get("id")) for row in again.rows
    ]
    return "same" if first.answer == again.answer and same_rows else "differs"
