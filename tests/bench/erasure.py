"""An erasure from the request to the certificate, and how soon every process refuses what the key had opened.

A process that is stopped and goes on later is asked at once: an answer that shows the value ends the bench.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.auditing import Trust
from deploy.client import Client, caught_up
from deploy.embedded.home import PROJECT
from deploy.erasure import certificate
from deploy.erasure.standing import standing
from deploy.history import History, open_history
from shared.ids import uuid7
from tests.bench.measure import Goal, Plan, Result, Spread, percentiles, until
from tests.bench.stand import Stand

WHOLE = Goal("<= 60 s", 60, at_most=True)
REFUSED = Goal("p99 <= 1 s", 1_000, at_most=True)
MOST = 20
LOOK_SECONDS = 0.05
ASK_SECONDS = 0.005
DUE = "2099-01-01T09:00:00Z"
WORD = "Xylograph"
STOPPED = ("projections", "notifications")


@dataclass(frozen=True, slots=True)
class _Person:
    """A customer of whom every service has something."""

    customer: str
    phone: str
    reminder: str


@dataclass(frozen=True, slots=True)
class _Desk:
    """Who requests, who approves, and the logs."""

    clerk: Client
    manager: Client
    history: History

    async def person(self) -> _Person:
        number = int(uuid7().replace("-", ""), 16) % 10**8
        phone = f"+614{number:08}"
        body = {"kind": "person", "source": "bench", "name": {"full": f"{WORD} {number}"}, "phones": [phone]}
        customer = (await self.manager.send("POST", "customer", "/customers", body)).json()["id"]
        await caught_up(self.manager)
        planned = {"customer": customer, "due_at": DUE, "note": f"call {WORD}"}
        reminder = (await self.manager.send("POST", "notifications", "/reminders", planned)).json()["id"]
        await caught_up(self.manager)
        return _Person(customer, phone, reminder)

    async def request(self, person: _Person) -> None:
        path = f"/customers/{person.customer}/request-erasure"
        await self.clerk.send("POST", "customer", path, {"reason": "asked"})

    async def approve(self, person: _Person) -> None:
        await self.manager.send("POST", "customer", f"/customers/{person.customer}/approve-erasure", {})

    async def destroyed(self, person: _Person) -> bool:
        return await asyncio.to_thread(self.history.keyring.destroyed_at, person.customer) is not None

    def asked(self, person: _Person) -> Mapping[str, Callable[[], Awaitable[bool]]]:
        """Service -> whether it shows, or finds, nothing of the person."""
        return {
            "projections": partial(self._hides, "projections", f"/customers/{person.customer}/golden"),
            "notifications": partial(self._hides, "notifications", f"/reminders/{person.reminder}"),
            "identity": partial(self._finds_nobody, person.phone),
        }

    async def _hides(self, service: str, path: str) -> bool:
        answer = await self.manager.http.get(self.manager.url(service, path), headers=self.manager.headers())
        return WORD not in answer.text

    async def _finds_nobody(self, phone: str) -> bool:
        asked = {"field": "phone", "value": phone}
        return not (await self.manager.send("POST", "identity", "/lookups", asked)).json()["customers"]


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """Some customers, one after the other, on a system that has what the paths before left in it."""
    async with (
        stand.client("clerk", "service") as clerk,
        stand.client("bench", "manager", "operator") as manager,
    ):
        with open_history(manager.home) as history:
            desk = _Desk(clerk, manager, history)
            count = max(1, min(MOST, plan.size // 500))
            return [
                _told("erasure, from the request to the certificate", [await _certified(desk) for _ in range(count)]),
                _told("erasure by custlog erase, with sweep and two scans", [await _scanned(desk)]),
                *await _refused(desk, count),
                *[await _after_a_stop(desk, service, count) for service in STOPPED],
            ]


def _told(path: str, seconds: list[float]) -> Result:
    return Result(
        path=path,
        unit="s",
        ours=Spread.of(seconds),
        goals={WHOLE.text: WHOLE.met_by(max(seconds))},
        more={"erasures": len(seconds)},
    )


async def _certified(desk: _Desk) -> float:
    """Seconds from the request until the certificate is there."""
    person, home = await desk.person(), desk.manager.home
    began = time.perf_counter()
    await desk.request(person)
    await desk.approve(person)

    async def done() -> bool:
        return (await standing(desk.history, home, person.customer)).word == "done"

    await until(done, "an erasure", every=LOOK_SECONDS)
    now = await standing(desk.history, home, person.customer)
    await asyncio.to_thread(certificate.issue, desk.history, home, Trust.of_system(home.audit_keys), now)
    return time.perf_counter() - began


async def _scanned(desk: _Desk) -> float:
    """The same by the command, which scans everything before and after it and has the servers let go of the rest."""
    person = await desk.person()
    began = time.perf_counter()
    await desk.request(person)
    with TemporaryDirectory() as folder:
        await asyncio.to_thread(_custlog, desk.manager.home.data, person.customer, Path(folder) / "certificate.zip")
    return time.perf_counter() - began


def _custlog(home: Path, customer: str, file: Path) -> None:
    asked = ("erase", customer, "--approve", "--scan", "--certificate", str(file), "--user", "bench-approver")
    command = [sys.executable, "-c", "from deploy.cli import main; main()", *asked, "--home", str(home), "--json"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"custlog erase failed: {done.stderr[-1000:]}")


async def _refused(desk: _Desk, count: int) -> list[Result]:
    """From the first sight of a destroyed key until each service has nothing to show."""
    taken: dict[str, list[float]] = {}
    for _ in range(count):
        person = await desk.person()
        asked = desk.asked(person)
        if any([await question() for question in asked.values()]):
            raise RuntimeError("a service shows nothing of somebody who lives; the bench would measure nothing")
        await desk.request(person)
        await desk.approve(person)
        destroyed, *refused = await asyncio.gather(
            _first(partial(desk.destroyed, person)), *(_first(question) for question in asked.values())
        )
        for service, at in zip(asked, refused, strict=True):
            taken.setdefault(service, []).append(max(0.0, at - destroyed))
    return [_latency(f"destroyed key refused by {service}", seconds) for service, seconds in taken.items()]


async def _after_a_stop(desk: _Desk, service: str, count: int) -> Result:
    """From the moment a stopped process goes on until its first answer, which must show nothing."""
    taken = []
    for _ in range(max(1, count // 4)):
        person = await desk.person()
        await desk.request(person)
        pid = desk.manager.state.services[service].pid
        if pid is None:
            raise RuntimeError(f"the {service} service has no process; the bench cannot go on")
        os.kill(pid, signal.SIGSTOP)
        try:
            await desk.approve(person)
            await _first(partial(desk.destroyed, person))
        finally:
            os.kill(pid, signal.SIGCONT)
        began = time.perf_counter()
        if not await desk.asked(person)[service]():
            raise RuntimeError(f"the {service} service showed an erased value after it had been stopped")
        taken.append(time.perf_counter() - began)
    return _latency(f"first answer of {service} after a stop, nothing shown", taken)


async def _first(met: Callable[[], Awaitable[bool]]) -> float:
    await until(met, "an erasure", every=ASK_SECONDS)
    return time.perf_counter()


def _latency(path: str, seconds: list[float]) -> Result:
    times = percentiles(seconds)
    return Result(
        path=path,
        unit="ms",
        ours=Spread.of([each * 1000 for each in seconds]),
        goals={REFUSED.text: REFUSED.met_by(times["p99_ms"])},
        more={**times, "erasures": len(seconds)},
    )
