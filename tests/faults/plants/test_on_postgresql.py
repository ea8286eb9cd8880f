"""Bugs that change statements of PostgreSQL: the log still works with them, and is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.faults.plants import PLANTS
from tests.support.servers import PostgresUrl

pytestmark = [pytest.mark.server, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
Run: TypeAlias = Callable[[str], object]
# What the others do shows only between several writers, after a crash or an outage.
SHOWN_AT_ONCE = ("reservation-unchecked", "reservation-kept-after-refusal", "gap-after-conflict")
PLACES = ("shared.eventlog.recorder:", "shared.privacy.keyring:ENSURE")
IN_SQL = [name for name, plant in PLANTS.items() if any(edit.target.startswith(PLACES) for edit in plant.edits)]


@pytest.fixture
def run_log(postgres_url: PostgresUrl, tmp_path: Path) -> Run:
    def run(plant: str) -> object:
        command = [sys.executable, "-m", "tests.faults.plants.trials.on_postgresql", plant]
        command += [postgres_url("log"), postgres_url("keyring"), str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        seen: object = json.loads(done.stdout.splitlines()[-1])
        return seen

    return run


@pytest.mark.parametrize("plant", IN_SQL)
def test_a_log_with_a_bug_in_its_statements_runs(plant: str, run_log: Run) -> None:
    sound, planted = run_log("none"), run_log(plant)

    assert (planted != sound) == (plant in SHOWN_AT_ONCE)
