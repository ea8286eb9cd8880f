"""Rows of the trail as files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.errors import EmbeddedError
from deploy.trail import export

COLUMNS = ("actor", "fields")
ROWS: list[dict[str, Any]] = [
    {"actor": "user:u1", "fields": ["birth_date", "name"]},
    {"actor": "=HYPERLINK(1)", "fields": [], "more": 1},
]


def test_every_line_of_json_carries_the_watermark_and_the_whole_row(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"

    written = export.write(file, ROWS, COLUMNS, "w-1")

    assert written == 2
    assert [json.loads(line) for line in file.read_text().splitlines()] == [{"watermark": "w-1", **row} for row in ROWS]


def test_every_row_of_a_csv_carries_the_watermark_and_no_cell_begins_like_a_formula(tmp_path: Path) -> None:
    file = tmp_path / "out.csv"

    written = export.write(file, ROWS, COLUMNS, "w-1")

    assert written == 2
    assert list(csv.DictReader(file.read_text().splitlines())) == [
        {"watermark": "w-1", "actor": "user:u1", "fields": "birth_date name"},
        {"watermark": "w-1", "actor": "'=HYPERLINK(1)", "fields": ""},
    ]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"])  # noqa: RUF001
def test_a_cell_that_begins_like_a_formula_is_text(tmp_path: Path, sign: str) -> None:
    file = tmp_path / "out.csv"

    export.write(file, [{"actor": f"{sign}1", "fields": ()}], COLUMNS, "w-1")

    with file.open(newline="") as content:
        assert next(csv.DictReader(content))["actor"] == f"'{sign}1"


def test_a_file_that_is_not_finished_is_not_there(tmp_path: Path) -> None:
    def breaking() -> Iterator[dict[str, Any]]:
        yield ROWS[0]
        assert not (tmp_path / "out.csv").exists()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        export.write(tmp_path / "out.csv", breaking(), COLUMNS, "w-1")

    assert not list(tmp_path.iterdir())


def test_a_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "out.csv"

    export.write(file, ROWS, COLUMNS, "w-1")

    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("name", "sentence"), [("out.xlsx", "is neither"), ("nowhere/out.csv", "There is no folder")])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_recorded(
    tmp_path: Path, name: str, sentence: str
) -> None:
    with pytest.raises(EmbeddedError, match=sentence):
        export.checked(tmp_path / name)
