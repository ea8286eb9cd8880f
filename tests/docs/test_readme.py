"""Both READMEs and the pages beside them: level with each other, and no link leads nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.cli import COMMANDS
from deploy.demo.run import Result
from deploy.embedded.home import PROJECT
from tests.docs import markdown

ENGLISH = (PROJECT / "README.md").read_text(encoding="utf-8")
CHINESE = (PROJECT / "README.zh-CN.md").read_text(encoding="utf-8")
PAGES = [
    PROJECT / name
    for name in (
        "README.md",
        "README.zh-CN.md",
        "CHANGELOG.md",
        "docs/api.md",
        "docs/audit.md",
        "docs/golden.md",
        "docs/matching.md",
        "docs/operations.md",
    )
]


def test_both_readmes_have_the_same_headings() -> None:
    assert markdown.headings(CHINESE) == markdown.headings(ENGLISH)


def test_both_readmes_have_the_same_code_blocks() -> None:
    def content(text: str) -> list[tuple[str, str]]:
        return [(block.info, block.text) for block in markdown.blocks(text)]

    assert content(CHINESE) == content(ENGLISH)


def test_both_readmes_have_the_same_links_and_tables() -> None:
    def rows(text: str) -> int:
        return sum(line.startswith("|") for line in text.splitlines())

    english = [link for link in markdown.links(ENGLISH) if not link.name.startswith("README")]
    chinese = [link for link in markdown.links(CHINESE) if not link.name.startswith("README")]
    assert chinese == english
    assert rows(CHINESE) == rows(ENGLISH)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    absent = [
        str(link) for link in markdown.links(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()
    ]

    assert not absent


def test_the_readme_names_every_command() -> None:
    absent = [name for name in COMMANDS if f"custlog {name}" not in ENGLISH and f"make {name}" not in ENGLISH]

    assert not absent


def test_the_demo_shown_ends_with_the_line_that_the_demo_prints() -> None:
    shown = next(block.text for block in markdown.blocks(ENGLISH) if block.text.startswith("$ make demo"))

    last = json.loads(shown.splitlines()[-1])

    assert list(last) == list(Result().as_json())
    assert last["views_equal_fold"]


def test_ids_times_and_ports_may_differ_from_what_is_shown() -> None:
    shown = '...\n{"id":"01a20178-c8b6-77f3-b4ae-1a0e29257b5b","at":"2026-11-22T04:17:02.648500Z",...}\n'
    printed = 'first\n{"id":"01b30178-c8b6-77f3-b4ae-1a0e29257b5b","at":"2027-01-01T00:00:00.000001Z","more":1}\n'

    assert markdown.missing(shown, printed) == []
    assert markdown.missing("second\n", printed) == ["second"]
