"""Every planted bug can still be planted, makes a difference, and is known to nobody but the tests."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.faults.plan import KINDS, targets_of
from tests.faults.plants import PLANTS, Edit, Gone, consumer, edge, identity, log, notifications, privacy, relay, views
from tests.faults.plants.plant import SERVICES, Plant

ROOT = Path(__file__).parents[3]
MODULES = (log, relay, consumer, views, identity, notifications, privacy, edge)


@pytest.fixture(scope="module")
def tried() -> Mapping[str, str | None]:
    """What became of planting every bug in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.plants.trials"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_every_bug_can_be_planted_and_makes_a_difference(tried: Mapping[str, str | None]) -> None:
    assert {name: why for name, why in tried.items() if why is not None} == {}
    assert tried.keys() == PLANTS.keys()


def test_there_are_many_bugs_and_no_two_of_one_name() -> None:
    names = Counter(plant.name for module in MODULES for plant in module.PLANTS)

    assert [name for name, times in names.items() if times > 1] == []
    assert len(names) >= 34


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
def test_a_bug_names_services_faults_and_invariants_that_there_are(plant: Plant) -> None:
    assert set(plant.services) <= set(SERVICES)
    assert {targets_of(named)[0] for named in plant.faults} <= KINDS.keys()
    assert plant.expected
    assert all(re.fullmatch(r"I([1-9]|1[0-4])", invariant) for invariant in plant.expected)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", plant.name)
    assert plant.what.endswith(".")


def test_a_bug_whose_code_has_changed_says_so() -> None:
    with pytest.raises(Gone, match=r"shared.ids:uuid7 has 0 times, not once, 'old'; write this plant anew"):
        Edit("shared.ids:uuid7", {"old": "new"}).apply()
    with pytest.raises(Gone, match=r"there is no shared\.ids:uuid8 any more"):
        Edit("shared.ids:uuid8", {"old": "new"}).apply()
    with pytest.raises(Gone, match="does not know nobody any more"):
        Edit("shared.ids:is_uuid", {"_UUID.fullmatch(text)": "nobody(text)"}).apply()


def test_no_production_code_knows_of_planted_bugs() -> None:
    paths = [path for folder in ("services", "shared", "deploy") for path in (ROOT / folder).rglob("*.py")]

    assert [path for path in paths if re.search(r"tests\.faults|CUSTLOG_PLANT", path.read_text())] == []
