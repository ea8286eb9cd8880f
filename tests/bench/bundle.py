"""The bundle that proves one customer's events out of a large log: how long to build and to verify, how large.

`python -m tests.bench --only bundle --rounds 3 --size 1000000` has a log of a million events.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from shared.audit import bundle, verify
from shared.audit.snapshot import snapshot
from shared.eventlog.commit import MAX_EVENTS, Commit
from shared.eventlog.log import Log
from tests.bench import commands
from tests.bench.audit import SIGNER, sealed_by
from tests.bench.measure import Goal, Plan, Result, Spread, calm
from tests.bench.stand import Stand

EVENTS = 1_000
"""Of the customer; in a small run a tenth of the log."""
BUILT = Goal("built in <= 1 s", 1, at_most=True)
VERIFIED = Goal("verified in <= 1 s", 1, at_most=True)
SMALL = Goal("<= 2 MB", 2, at_most=True)


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """A log of `size` events, those of one customer spread over it; verified by verify.py as a process of its own."""
    stand.start(stand.postgres)
    url = stand.database("bundled")
    customer, events = commands.KNOWN[0], min(EVENTS, plan.size // 10)
    with stand.log(url) as log, closing(sealed_by(url)) as store:
        await _fill(log, customer, plan.size, events)
        store.open()
        while store.advance().more:
            pass
        size = log.head()
    built, verified, megabytes = [], [], 0.0
    for _ in range(plan.rounds):
        with calm(), snapshot(url, "customer") as seen:
            began = time.perf_counter()
            packed = bundle.make(customer, [customer], {"customer": seen})
            built.append(time.perf_counter() - began)
        verified.append(_verify(packed, customer))
        megabytes = len(packed) / 1e6
    more = {"events_in_log": size, "events_in_bundle": events, "megabytes": round(megabytes, 3)}
    return [
        Result(
            "bundle of one customer, built", "s", Spread.of(built), {BUILT.text: BUILT.met_by(max(built))}, more=more
        ),
        Result(
            "bundle of one customer, verified by its program",
            "s",
            Spread.of(verified),
            {VERIFIED.text: VERIFIED.met_by(max(verified)), SMALL.text: SMALL.met_by(megabytes)},
            more=more,
        ),
    ]


async def _fill(log: Log, customer: str, size: int, events: int) -> None:
    every = max(1, size // events)
    told = 0
    for start in range(0, size, MAX_EVENTS):
        commits: list[Commit] = []
        for number in range(start, min(start + MAX_EVENTS, size)):
            if number % every == 0 and told < events:
                told += 1
                commits.append(commands.ticket(0))
            else:
                commits.append(commands.ticket(1 + number % (len(commands.KNOWN) - 1)))
        await log.commit_many(commits)


def _verify(packed: bytes, customer: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bundle.zip"
        file.write_bytes(packed)
        command = [sys.executable, verify.__file__, str(file), "--key", str(SIGNER.key)]
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        taken = time.perf_counter() - began
    if done.returncode or "PASS" not in done.stdout:
        raise RuntimeError(f"the bundle of {customer} was not believed: {done.stdout[-500:]}{done.stderr[-500:]}")
    return taken
