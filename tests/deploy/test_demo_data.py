"""The demo's data and its score."""

from __future__ import annotations

import csv
import io
import itertools

from hypothesis import given
from hypothesis import strategies as st

from deploy.demo import febrl
from deploy.demo.pairs import PairScore, score


def test_the_data_set_is_5000_records_of_2000_people_from_two_sources() -> None:
    data = febrl.load()

    assert [file.source for file in data.files] == ["crm", "shop"]
    assert sum(file.rows for file in data.files) == len(data.truth) == 5000
    assert len(set(data.truth.values())) == 2000


def test_the_truth_does_not_reach_the_files() -> None:
    for file in febrl.load().files:
        assert b"rec-" not in file.content
        assert b"dup" not in file.content


def test_every_row_has_a_name_and_a_neutral_id() -> None:
    for file in febrl.load().files:
        rows = list(csv.DictReader(io.StringIO(file.content.decode())))
        assert len({row["external_id"] for row in rows}) == file.rows
        assert all(row["name"] or row["given_name"] or row["family_name"] for row in rows)


def test_one_wrong_merge_costs_precision_and_one_missed_merge_costs_recall() -> None:
    truth = {1: "a", 2: "a", 3: "b", 4: "b"}

    assert score({1: "x", 2: "x", 3: "y", 4: "y"}, truth) == PairScore(1.0, 1.0, 1.0)
    assert score({1: "x", 2: "x", 3: "y", 4: "z"}, truth) == PairScore(1.0, 0.5, 0.6667)
    assert score({1: "x", 2: "x", 3: "x", 4: "x"}, truth) == PairScore(0.3333, 1.0, 0.5)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1, max_size=12))
def test_the_score_equals_counting_pairs_one_by_one(labels: list[tuple[str, str]]) -> None:
    clusters = {n: cluster for n, (cluster, _) in enumerate(labels)}
    truth = {n: real for n, (_, real) in enumerate(labels)}
    pairs = list(itertools.combinations(range(len(labels)), 2))
    found = {pair for pair in pairs if clusters[pair[0]] == clusters[pair[1]]}
    real = {pair for pair in pairs if truth[pair[0]] == truth[pair[1]]}

    result = score(clusters, truth)

    assert result.precision == (round(len(found & real) / len(found), 4) if found else 1.0)
    assert result.recall == (round(len(found & real) / len(real), 4) if real else 1.0)
