"""Figures of a clustering beside the truth."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.matching.evaluate import Figures, confused, pair_scores, quality, within

TRUTH = {"a": "1", "b": "1", "c": "1", "d": "2", "e": "2", "f": "3"}

partitions = st.dictionaries(st.sampled_from("abcdefghij"), st.sampled_from("1234"), min_size=1)


def test_a_perfect_clustering_has_nothing_wrong() -> None:
    named = {record: f"x{entity}" for record, entity in TRUTH.items()}

    found = quality(named, TRUTH)

    assert found.closure == found.bcubed == Figures(1.0, 1.0, 1.0)
    assert (found.exact, found.largest, found.clusters) == (1.0, 3, 3)
    assert found.intervals["closure_f1"] == (1.0, 1.0)


def test_figures_are_those_counted_by_hand() -> None:
    found = quality({"a": "x", "b": "x", "c": "y", "d": "y", "e": "y", "f": "z"}, TRUTH)

    assert (found.found_pairs, found.true_pairs) == (4, 4)
    assert found.closure == Figures(0.5, 0.5, 0.5)
    # a 2/2 b 2/2 c 1/3 d 2/3 e 2/3 f 1; recall 2/3 2/3 1/3 1 1 1
    assert found.bcubed.precision == pytest.approx((1 + 1 + 1 / 3 + 2 / 3 + 2 / 3 + 1) / 6)
    assert found.bcubed.recall == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 3) / 6)
    assert found.exact == 0.0


def test_a_record_without_a_cluster_stands_alone() -> None:
    assert quality({}, TRUTH).closure == Figures(1.0, 0.0, 0.0)
    assert quality({}, TRUTH).clusters == len(TRUTH)


def test_a_pair_counts_once_in_either_order() -> None:
    found = pair_scores([("a", "b"), ("b", "a"), ("a", "a"), ("c", "d"), ("a", "nobody")], TRUTH)

    assert (found.precision, found.recall) == (0.5, 0.25)
    assert found.f1 == pytest.approx(1 / 3)


def test_a_segment_is_judged_as_if_there_were_no_other_records() -> None:
    assert within({"a": "x", "d": "x"}, TRUTH, ["a", "b"]).closure == Figures(1.0, 0.0, 0.0)


def test_lookalikes_are_confused_when_any_of_their_records_share_a_cluster() -> None:
    pairs = [("1", "2", "twins"), ("2", "3", "twins"), ("1", "3", "namesake")]

    assert confused({"c": "x", "d": "x"}, TRUTH, pairs) == {"twins": 0.5, "namesake": 0.0}


@given(partitions, partitions)
def test_figures_are_those_of_the_definitions(clusters: dict[str, str], truth: dict[str, str]) -> None:
    placed = {record: clusters.get(record, f"alone {record}") for record in truth}
    found = {pair for pair in combinations(sorted(truth), 2) if placed[pair[0]] == placed[pair[1]]}
    real = {pair for pair in combinations(sorted(truth), 2) if truth[pair[0]] == truth[pair[1]]}

    told = quality(clusters, truth, rounds=20)

    assert told.closure.precision == pytest.approx(len(found & real) / len(found) if found else 1)
    assert told.closure.recall == pytest.approx(len(found & real) / len(real) if real else 1)
    assert told.closure == pair_scores(found, truth)
    for low, high in told.intervals.values():
        assert 0 <= low <= high <= 1 + 1e-12


@given(partitions)
def test_names_of_clusters_do_not_count(truth: dict[str, str]) -> None:
    assert quality(truth, truth, rounds=0) == quality({r: f"n{e}" for r, e in truth.items()}, truth, rounds=0)
