"""A short storm on a real system: every kind of fault that fits, judged by the checker. `make faults` blows longer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.plan import KINDS, plan

pytestmark = [pytest.mark.server, pytest.mark.slow]

MINUTES = 2.2
EVERY = 4.5
SEED = 20
"""Of the storm that every change has to stand."""


def blow(folder: Path, *arguments: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--folder", str(folder / "run"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.stdout, done.stderr[-3000:]
    answer: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    assert done.returncode == (0 if answer["verdict"] == "green" else 3 if answer["verdict"] == "void" else 1)
    assert answer["verdict"] == "green", done.stderr[-3000:]
    return answer


def test_a_short_storm_breaks_nothing_and_is_not_void(tmp_path: Path) -> None:
    answer = blow(tmp_path, f"--seed={SEED}", f"--minutes={MINUTES}", f"--every={EVERY}", "--rate=10")

    planned = {fault.kind for fault in plan(SEED, MINUTES * 60, every=EVERY)}
    assert planned == {*KINDS, "backup"}
    faults = answer["faults"]
    assert isinstance(faults, dict)
    assert len(faults) > len(KINDS) * 0.8
