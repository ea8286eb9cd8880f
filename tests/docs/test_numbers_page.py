"""The rules that docs/numbers.md shows can be set, and it lists every field and command there is."""

from __future__ import annotations

from pathlib import Path

from deploy.cli import COMMANDS
from deploy.embedded.home import PROJECT
from deploy.numbering import read_rules
from services.identity.numbering.check import SCHEMES
from services.identity.numbering.lint import lint
from services.identity.numbering.rule import render
from services.identity.numbering.rulebook import RuleBook
from shared.events.numbering import NumberingRule

PAGE = (PROJECT / "docs" / "numbers.md").read_text(encoding="utf-8")


def test_the_rules_that_the_page_shows_may_be_set(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(PAGE.split("```toml\n")[1].split("```")[0], encoding="utf-8")

    assert lint(read_rules(file), RuleBook()) == []


def test_the_number_that_the_page_shows_is_the_first_one() -> None:
    assert f"`{render(1)}`" in PAGE


def test_the_page_tells_every_field_check_and_command() -> None:
    told = [*NumberingRule.model_fields, *SCHEMES]
    named = [f"custlog {name}" for name in COMMANDS if name.startswith("numbers ")]

    assert not [name for name in told if f"`{name}`" not in PAGE]
    assert not [name for name in named if name not in PAGE]
