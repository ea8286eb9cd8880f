"""The page on reliability is what its template and the committed runs make."""

from __future__ import annotations

import json

from tests.faults.document import DATA, PAGE, page
from tests.faults.plants import PLANTS


def test_the_page_is_as_it_is_made() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.faults.document"


def test_every_plant_that_was_tried_was_caught() -> None:
    found = {entry["plant"]: entry["caught_by"] for entry in json.loads((DATA / "plants.json").read_text())}

    assert found.keys() <= PLANTS.keys()
    assert found
    assert all(found.values())


def test_three_seeds_were_green() -> None:
    storms = json.loads((DATA / "storms.json").read_text())

    assert len({storm["seed"] for storm in storms}) >= 3
    assert {storm["verdict"] for storm in storms} == {"green"}
