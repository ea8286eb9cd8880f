"""The bench itself: that it runs through every path. No figure is asserted here."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench.__main__ import PATHS
from tests.bench.document.growth import curves, table
from tests.bench.population import COLUMNS, Population, chunks

PROJECT = Path(__file__).parents[2]
SYSTEM = ("import", "visible", "rebuild", "possible", "past", "erasure")
PEERS = ("append_peers", "read_peers", "consume_peers", "crud")
SERVERS = tuple(name for name in PATHS if name not in (*SYSTEM, *PEERS))


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.parametrize(
    "paths", [SERVERS, PEERS, SYSTEM], ids=["on servers alone", "beside peers", "on a whole system"]
)
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

    answer: dict[str, Any] = (
        json.loads(done.stdout.splitlines()[-1]) if done.stdout else {"failed": done.stderr[-3000:]}
    )
    assert answer["failed"] == {}
    assert done.returncode == 0
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


@pytest.mark.server
@pytest.mark.slow
def test_a_small_growth_measures_every_size_and_can_be_told(tmp_path: Path) -> None:
    sizes = ("100", "200", "400")
    file = tmp_path / "growth.json"
    command = [sys.executable, "-m", "tests.bench.growth", "--seconds", "0.2", "--sizes", ",".join(sizes)]

    done = subprocess.run(
        [*command, "--output", str(file)], cwd=PROJECT, capture_output=True, text=True, timeout=400, check=False
    )

    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert [str(size["customers"]) for size in answer["sizes"]] == list(sizes)
    assert json.loads(file.read_text()) == answer
    assert table(answer["sizes"])
    assert curves(answer["sizes"])


def test_one_person_in_ten_is_told_twice_and_a_row_is_always_the_same() -> None:
    first, again, other = (Population.of(seed) for seed in (7, 7, 8))
    rows = [first.record(number) for number in range(5_000)]

    assert rows == [again.record(number) for number in range(5_000)]
    assert rows[:100] != [other.record(number) for number in range(100)]
    # One in ten rows is a repetition, and half of these still have the identifier, where there was one.
    identifiers = [row.identifier for row in rows if row.identifier]
    assert 100 < len(identifiers) - len(set(identifiers)) < 250


def test_a_file_of_people_is_cut_into_files_with_the_same_header(tmp_path: Path) -> None:
    files = Population.of(7).write(range(50), tmp_path)

    cut = [part.decode().splitlines() for part in chunks(files["crm"], 10)]

    assert {part[0] for part in cut} == {",".join(COLUMNS)}
    assert [len(part) - 1 for part in cut] == [10, 10, 5]
    assert [row for part in cut for row in part[1:]] == files["crm"].read_text().splitlines()[1:]
