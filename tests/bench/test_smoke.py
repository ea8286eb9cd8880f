"""The bench itself: that it runs through every path. No figure is asserted here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.__main__ import PATHS

PROJECT = Path(__file__).parents[2]
SYSTEM = ("import", "visible", "rebuild")
SERVERS = tuple(name for name in PATHS if name not in SYSTEM)


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize("paths", [SERVERS, SYSTEM], ids=["on servers alone", "on a whole system"])
def test_a_small_bench_prints_every_path_as_json(paths: tuple[str, ...], tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.bench",
        "--smoke",
        "--only",
        ",".join(paths),
        "--output",
        str(tmp_path / "b"),
    ]

    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert tuple(answer["paths"]) == paths
    assert all(answer["paths"].values())
    assert json.loads((tmp_path / "b").read_text()) == answer


def test_an_unknown_path_is_refused_with_the_known_ones() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--only", "teleport"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "there is no path teleport; there are append," in done.stderr
