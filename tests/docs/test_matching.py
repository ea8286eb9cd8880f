"""docs/matching.md: its commands work, its tables are those of the code and of what was measured."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from deploy.embedded.home import PROJECT
from tests.bench.matchers import page
from tests.docs import markdown, tables
from tests.docs.shell import Shell

TEXT = (PROJECT / "docs" / "matching.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_commands_work_and_print_what_the_page_shows() -> None:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = Shell(PROJECT, {"COLUMNS": "160", "PATH": programs})

    for step in markdown.steps(TEXT):
        ran = shell.run(step.block.text)

        assert not ran.failed, ran.output
        assert step.shown is None or not markdown.missing(step.shown, ran.output), ran.output
    shell.close()


def test_the_page_lists_every_column() -> None:
    assert tables.rows_under("matching.md", "## Columns") == [tuple(row) for row in tables.matched_columns()]


def test_the_figures_are_those_that_were_measured() -> None:
    data = PROJECT / "docs" / "data" / "matching.json"

    assert page.made(TEXT, json.loads(data.read_bytes())) == TEXT, "make it anew with `make matchers`"


def test_a_matcher_that_could_not_be_run_says_why() -> None:
    told = {"set": "s", "matcher": "m", "failed": "it is not here"}

    row = page.table({"outcomes": [told]}).splitlines()[-1]

    assert row.startswith("| s | m | not run: it is not here |")
    assert row.count("|") == page.table({"outcomes": []}).splitlines()[0].count("|")
