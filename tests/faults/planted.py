"""`make plants`: plants one known bug after the other and runs storms until the harness catches it.

A bug that is not caught within ten minutes of its own time means that the harness cannot be believed: exit code 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deploy.embedded.home import PROJECT
from tests.faults.plants import PLANTS

LIMIT_SECONDS = 600.0
MINUTES = 0.35
EVERY = 4.0
RATE = 20.0


@dataclass(frozen=True)
class Caught:
    """What became of one plant: the invariants that it broke, after how many seconds and runs."""

    plant: str
    what: str
    faults: tuple[str, ...]
    caught_by: tuple[str, ...]
    first: str
    seconds: float
    runs: int


def hunt(name: str, first_seed: int) -> Caught:
    """Storms with this plant, each with the next seed and twice as long as the one before, until one is caught.

    Caught is a plant by an invariant that its bug breaks, not by one that something else in the storm has broken.
    """
    plant = PLANTS[name]
    began, minutes, runs = time.monotonic(), MINUTES, 0
    found: dict[str, Sequence[str]] = {}
    while not found and time.monotonic() - began < LIMIT_SECONDS:
        broken = _storm(name, plant.faults, plant.rate or RATE, first_seed + runs, minutes)
        found = broken if set(plant.expected) & set(broken) else {}
        runs, minutes = runs + 1, min(minutes * 2, 4.0)
    first = next((sentence for name in plant.expected for sentence in found.get(name, ())), "")
    seconds = round(time.monotonic() - began, 1)
    return Caught(name, plant.what, plant.faults, tuple(found), first, seconds, runs)


def _storm(plant: str, faults: Sequence[str], rate: float, seed: int, minutes: float) -> dict[str, Sequence[str]]:
    """The broken invariants of one run with some of their violations; nothing if the run was green or void."""
    with tempfile.TemporaryDirectory(prefix=f"custlog-plant-{plant}-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "tests.faults", f"--plant={plant}", f"--faults={','.join(faults) or 'none'}"]
        command += [f"--seed={seed}", f"--rate={rate}", f"--minutes={minutes}", f"--every={EVERY}"]
        command += [f"--folder={folder}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)
    try:
        answer: dict[str, Any] = json.loads(done.stdout.strip().rsplit("\n", 1)[-1])
    except json.JSONDecodeError:
        # On a machine that is busy otherwise the system may not even start: that catches nothing, it is tried again.
        sys.stderr.write(f"a storm with {plant} ended without a verdict: {done.stderr[-1000:]}\n")
        return {}
    judged = {name: found for name, found in answer["invariants"].items() if name != "checker"}
    broken = {name: found.get("violations", []) for name, found in judged.items() if found["ok"] is False}
    if not broken and answer["settled_seconds"] is None:
        return {"I12": [f"The system never came to rest: {answer['unsettled']}"]}
    return broken


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.planted", description=__doc__)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(PLANTS), help="some plants")
    parser.add_argument("--jobs", type=int, default=1, help="storms at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--output", type=Path, default=Path("plants.json"), help="written after every plant, gone on with"
    )
    given = parser.parse_args()
    caught: dict[str, Caught] = {}
    if given.output.exists():
        caught = {entry["plant"]: Caught(**entry) for entry in json.loads(given.output.read_text())}
    with ThreadPoolExecutor(given.jobs) as pool:
        # A file that is there is gone on with: hours are not lost when the machine is needed for something else.
        left = [name for name in given.only if name not in caught or not caught[name].caught_by]
        for hunting in as_completed([pool.submit(hunt, name, given.seed) for name in left]):
            one = hunting.result()
            caught[one.plant] = one
            by = ", ".join(one.caught_by) or "NOT CAUGHT"
            sys.stderr.write(f"{one.plant}: {by} after {one.seconds:.0f} s, {one.runs} runs. {one.first}\n")
            ordered = [asdict(caught[name]) for name in PLANTS if name in caught]
            given.output.write_text(json.dumps(ordered, indent=1) + "\n")
    missed = [one.plant for one in caught.values() if not one.caught_by]
    if missed:
        sys.stderr.write(f"not caught: {', '.join(missed)}\n")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
