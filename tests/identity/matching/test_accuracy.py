"""A gate: the shipped defaults do not get worse. The floors are a little under what was measured, not the goals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from services.identity.matching.columns import columns
from services.identity.matching.evaluate import confused, quality
from services.identity.matching.model import shipped
from services.identity.matching.normalise.record import normalise
from services.identity.matching.resolve import resolve
from tests.bench.matchers.sets import FEBRL, febrl_rows
from tests.support.population import generate
from tests.support.population.records import COLUMNS


def clustered(rows: Sequence[Mapping[str, str]], header: Sequence[str], *, adapt: bool = True) -> dict[str, str]:
    read = columns(header)
    records = [
        (read.cell("id", cells), normalise(read.raw(cells)))
        for cells in ([row.get(name, "") for name in header] for row in rows)
    ]
    found = {record: record for record, _ in records}
    for cluster in resolve(records, shipped(), adapt=adapt).clusters:
        found.update(dict.fromkeys(cluster, cluster[0]))
    return found


def febrl_f1(parts: Sequence[str], left_out: Sequence[str]) -> float:
    rows, truth = febrl_rows(*parts)
    found = clustered(rows, [name for name in FEBRL.values() if name not in left_out])
    return quality(found, truth, rounds=0).closure.f1


@pytest.mark.parametrize(("left_out", "least"), [((), 0.99), (("soc_sec_id",), 0.98)])
def test_febrl_3_is_put_together(left_out: tuple[str, ...], least: float) -> None:
    assert febrl_f1(("3",), left_out) >= least


@pytest.mark.slow
@pytest.mark.parametrize(("left_out", "least"), [((), 0.995), (("soc_sec_id",), 0.98)])
@pytest.mark.parametrize("parts", [("1",), ("2",), ("4a", "4b")])
def test_the_febrl_sets_that_nobody_looked_at_are_put_together_too(
    parts: tuple[str, ...], left_out: tuple[str, ...], least: float
) -> None:
    assert febrl_f1(parts, left_out) >= least


def test_a_made_up_population_is_put_together_and_lookalikes_are_kept_apart() -> None:
    made = generate(4000, 20)

    found = clustered(made.rows, COLUMNS)

    told = quality(found, made.truth, rounds=0)
    assert told.closure.precision >= 0.98
    assert told.closure.f1 >= 0.925
    wrong = confused(found, made.truth, made.lookalikes)
    assert max(wrong["household"], wrong["branch"]) <= 0.01, wrong
    assert wrong["namesake"] <= 0.02, wrong
    assert wrong["twins"] <= 0.1, wrong
    assert wrong["father and son"] <= 0.15, wrong


@pytest.mark.parametrize(("size", "seed"), [(100, 6), (300, 6), (590, 9)])
def test_a_small_file_is_put_together_no_worse_for_what_it_says_about_itself(size: int, seed: int) -> None:
    made = generate(size, seed)

    fitted, as_it_is = (
        quality(clustered(made.rows, COLUMNS, adapt=adapt), made.truth, rounds=0).closure for adapt in (True, False)
    )

    assert fitted.f1 >= as_it_is.f1 - 0.01
    assert fitted.precision >= 0.97
