"""The made-up population: the same for the same seed, and hard where it says so."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from random import Random

from stdnum.cn import ric, uscc

from tests.support.population import generate
from tests.support.population.subjects import credit_code, person, resident_id


def test_the_same_seed_makes_the_same_records_and_another_seed_others() -> None:
    assert generate(300, 5) == generate(300, 5)
    assert generate(300, 5).rows != generate(300, 6).rows


def test_there_are_repeats_and_every_kind_of_lookalike() -> None:
    made = generate(5000, 1)
    sizes = Counter(Counter(made.truth.values()).values())

    assert len(made.rows) == len(made.truth) >= 5000
    assert set(sizes) == {1, 2, 3, 4, 5}
    assert {pair.reason for pair in made.lookalikes} == {"household", "namesake", "father and son", "twins", "branch"}


def test_lookalikes_share_what_people_confuse_them_by() -> None:
    made = generate(5000, 2, chinese=0)
    surnames = defaultdict(set)
    for row in made.rows:
        surnames[made.truth[row["id"]]].add(row.get("surname", "").casefold())
    twins = [pair for pair in made.lookalikes if pair.reason == "twins"]
    told = [(surnames[pair.a] - {""}, surnames[pair.b] - {""}) for pair in twins]

    assert any(a & b for a, b in told if a and b)


def test_numbers_of_people_and_companies_have_right_check_characters() -> None:
    rng = Random(3)
    somebody = person(rng, is_chinese=True)

    assert ric.is_valid(resident_id(rng, somebody.born, somebody.gender))
    assert uscc.is_valid(credit_code(rng))


def test_it_is_written_as_two_files(tmp_path: Path) -> None:
    made = generate(50, 1)
    made.write(tmp_path / "records.csv", tmp_path / "truth.csv")

    assert (tmp_path / "records.csv").read_text(encoding="utf-8").startswith("id,kind,full_name,")
    assert len((tmp_path / "truth.csv").read_text(encoding="utf-8").splitlines()) == len(made.rows) + 1
