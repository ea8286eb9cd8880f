"""docs/performance.md is made from the figures beside it, and nobody else says other figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.embedded.home import PROJECT
from tests.bench.document.curve import Chart, draw, spread, ticks
from tests.bench.document.files import PAGE, made
from tests.docs import markdown

REMEDY = "make it anew with `python -m tests.bench.document`"


@pytest.mark.parametrize("file", made(), ids=lambda file: file.name)
def test_the_page_is_what_its_figures_and_notes_make(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == made()[file], REMEDY


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_a_readme_repeats_figures_of_the_page_only(name: str) -> None:
    page = PAGE.read_text(encoding="utf-8").splitlines()
    known = {_path(line): line for line in page if line.startswith("| ")}
    told = [line for line in (PROJECT / name).read_text(encoding="utf-8").splitlines() if _path(line) in known]

    assert [line for line in told if line.startswith("| ") and line not in page] == []


def test_every_link_of_the_page_leads_to_a_file() -> None:
    links = markdown.links(PAGE.read_text(encoding="utf-8"))

    assert [str(link) for link in links if not (PAGE.parent / link).exists()] == []


def test_ticks_enclose_the_values() -> None:
    assert ticks([3, 40]) == [2, 5, 10, 20, 50]
    assert ticks([10, 10]) == [10, 20]
    assert ticks([0.3, 0.5]) == pytest.approx([0.2, 0.5])


def test_labels_stay_in_their_order_and_apart() -> None:
    places = spread([50, 10, 12], apart=14)

    assert places[1] + 14 <= places[2]
    assert places[2] + 14 <= places[0]


def test_a_chart_names_every_line_and_escapes_what_it_is_told() -> None:
    drawn = draw("all", [Chart("a & b", [10, 1000], {"one": [1, 2], "<two>": [4, 8]})])

    assert "a &amp; b" in drawn
    assert ">one<" in drawn
    assert ">&lt;two&gt;<" in drawn


def _path(line: str) -> str:
    """The first cell of a line of a table."""
    return line.split("|")[1].strip() if line.startswith("| ") else ""
