"""Which pairs of a large file are compared, and that several processes find the same."""

from __future__ import annotations

from itertools import combinations

import msgspec
import numpy as np
import pytest

from services.identity.matching import blocks, estimate, resolve
from services.identity.matching.blocks import Keyed, candidates, joined, keyed
from services.identity.matching.columns import columns
from services.identity.matching.compare import Levels, compare, total
from services.identity.matching.model import Caps, Model, shipped
from services.identity.matching.normalise.record import normalise
from services.identity.matching.record import Normal, Raw
from services.identity.matching.rows import Rows
from tests.identity.matching.people import named
from tests.support.population import generate
from tests.support.population.records import COLUMNS

MODEL = shipped()


NAMES = ("name", "birth", "door")


def entries(*blocks_: tuple[int, ...], kinds: str = "") -> Keyed:
    """One key per block of rows; of `kinds`, if they are given, else names."""
    numbers = [NAMES.index(kind) for kind in kinds.split()] or [0] * len(blocks_)
    entered = [(hash(("key", n)), row, numbers[n]) for n, block in enumerate(blocks_) for row in block]
    hashes, rows, of_kinds = zip(*entered, strict=True)
    return Keyed(np.array(hashes, np.int64), np.array(rows, np.int32), np.array(of_kinds, np.int8), NAMES)


def compared(found: Keyed, most: int, monkeypatch: pytest.MonkeyPatch) -> set[tuple[int, int]]:
    """The pairs that are compared of a large file of which so many can be."""
    monkeypatch.setattr(blocks, "AFFORDABLE", most)
    told = candidates(found, blocks.ALL_PAIRS + 1, msgspec.structs.replace(MODEL, caps=Caps(compared=0)))
    return set(zip(told.left.tolist(), told.right.tolist(), strict=True))


def test_where_not_all_can_be_compared_those_are_that_share_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "AFFORDABLE", 2)
    crowd = tuple(range(30))
    found = entries(crowd, (0, 1), (0, 1), (40, 41))
    model = msgspec.structs.replace(MODEL, caps=Caps(compared=0))

    told = candidates(found, blocks.ALL_PAIRS + 1, model)

    pairs = set(zip(told.left.tolist(), told.right.tolist(), strict=True))
    assert pairs == {(0, 1), (40, 41)}
    assert told.weak + len(pairs) == 30 * 29 // 2 + 1


def test_those_who_share_a_birthday_or_a_door_alone_go_last(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = tuple(range(10, 20))
    found = entries((0, 1), (2, 3), (4, 5), (4, 5), crowd, kinds="birth door birth door name")

    assert compared(found, 46, monkeypatch) == {(4, 5), *combinations(crowd, 2)}
    assert compared(found, 48, monkeypatch) >= {(0, 1), (2, 3)}


def test_keys_made_in_parts_are_the_keys_of_the_whole() -> None:
    normals = [named(given=name) for name in ("Anna", "Bob", "Carl", "Dora")]

    whole = keyed(normals)
    parts = joined([keyed(normals[:1]), keyed((), 1), keyed(normals[1:], 1)])

    assert parts.rows.tolist() == whole.rows.tolist()
    assert parts.hashes.tolist() == whole.hashes.tolist()
    assert [parts.names[n] for n in parts.kinds] == [whole.names[n] for n in whole.kinds]


def test_two_processes_find_what_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    made = generate(900, 4)
    records = [
        (row["id"], normalise(Raw(full=row.get("full_name", ""), emails=(row.get("email", ""),)))) for row in made.rows
    ]
    monkeypatch.setattr(resolve, "RECORDS", 100)
    monkeypatch.setattr(resolve, "CHUNK", 500)

    alone = resolve.resolve(records, MODEL)

    assert len(alone.pairs) > 20
    assert resolve.resolve(records, MODEL, processes=2) == alone


def test_a_model_is_fitted_to_some_pairs_of_a_large_file_and_weighs_all(monkeypatch: pytest.MonkeyPatch) -> None:
    made = generate(900, 4)
    read = columns(COLUMNS)
    records = [(row["id"], normalise(read.raw([row.get(name, "") for name in COLUMNS]))) for row in made.rows]
    monkeypatch.setattr(estimate, "MOST_PAIRS", 700)
    looked_at = []

    def compared(a: Normal, b: Normal, model: Model) -> Levels:
        looked_at.append((a, b))
        return compare(a, b, model)

    monkeypatch.setattr(resolve, "compare", compared)

    found = resolve.resolve(records, MODEL)

    rows = Rows(records)
    model = found.model
    every = candidates(keyed(rows.normals()), len(rows), model)
    told = zip(every.left.tolist(), every.right.tolist(), strict=True)
    weights = {
        (rows.ids[a], rows.ids[b]): total(compare(rows.normal(a), rows.normal(b), model), model) for a, b in told
    }
    assert len(looked_at) <= 700 < found.compared == len(weights)
    assert {(p.a, p.b): p.weight for p in found.pairs} == {k: w for k, w in weights.items() if w >= model.review}
    assert found.pairs
