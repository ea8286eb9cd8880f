"""`custlog numbers` on a whole system: tried on paper, taken over, given by a rule, and asked about."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import client
from deploy.embedded.home import Home
from deploy.embedded.running import running
from services.identity.numbering.rule import render

pytestmark = [pytest.mark.server, pytest.mark.slow]

RULES = """
[[rules]]
id = "crm.v1"
when = [{ fact = "source", is_in = ["crm"] }, { fact = "kind", is_in = ["organisation"] }]
template = "F{seq:4}{check:damm}"
overflow = "widen"

[[rules]]
id = "numbering.default.v1"
template = "C{seq:7}{check:damm}"
overflow = "widen"
"""
PEOPLE = """external_id,name,birth_date,phone,locality,country
1,Ann Example,1980-11-25,+1 555 0100,Springfield,US
2,Bob Sample,1970-05-05,+1 555 0101,Shelbyville,US
"""
EARLIER = f"""customer,number,kind
source:crm:1,K-1,former
source:crm:2,1980-01-02,former
,K-3,former
source:crm:9,K-4,foreign
{render(1)},K-5,foreign
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home.at(tmp_path_factory.mktemp("numbers") / "home")
    with running(home):
        yield home


def custlog(home: Home, *words: str) -> tuple[int, str]:
    """The code and everything that was said."""
    done = subprocess.run(
        [sys.executable, "-c", "from deploy.cli import main; main()", *words, "--home", str(home.data)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


async def test_numbers_are_tried_taken_over_given_and_asked_about(home: Home, tmp_path: Path) -> None:
    files = {"people.csv": PEOPLE, "rules.toml": RULES, "earlier.csv": EARLIER, "empty.csv": "customer,number\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert custlog(home, "import", str(tmp_path / "people.csv"), "--source", "crm")[0] == 0
    async with client.connect(home, "reader", "viewer") as reader:
        await client.caught_up(reader)

    code, said = custlog(home, "numbers", "dry-run", str(tmp_path / "rules.toml"), "--json")
    tried = json.loads(said)
    assert (code, tried["by_rule"], tried["collided"]) == (0, {"crm.v1": 0, "numbering.default.v1": 2}, 0)

    code, said = custlog(home, "numbers", "import", str(tmp_path / "earlier.csv"))
    assert code == 1
    assert "5 rows: 2 changed, 3 refused." in said
    assert "row 3, no customer: it names no customer" in said
    assert "row 4, source:crm:9: no customer" in said
    assert "this is a date" in said
    assert custlog(home, "numbers", "check", "K-5")[0] == 0

    code, said = custlog(home, "numbers", "import", str(tmp_path / "empty.csv"))
    assert code != 0
    assert "holds no rows below its header" in said
    code, said = custlog(home, "numbers", "backfill", "--rule", "nope")
    assert code != 0
    assert said.count("there is no numbering rule nope") == 1

    assert custlog(home, "numbers", "set", str(tmp_path / "rules.toml"), "--reason", "companies")[0] == 0
    assert "numbers look like F####" in custlog(home, "numbers", "check", "X1")[1]
    assert "2 used" in custlog(home, "numbers", "capacity")[1]
