"""What a load counts."""

from __future__ import annotations

import pytest

from tests.faults.figures import Figures, Latencies


def test_the_first_good_answer_after_an_instant_is_to_a_call_that_began_after_it() -> None:
    figures = Figures()
    for invoked, answered in ((1.0, 1.1), (1.9, 2.3), (2.2, 2.9), (2.1, 3.0)):
        figures.answered_ok("customer.tag", "customer", invoked, answered)

    assert figures.first_ok_after("customer", 2.0) == 2.9
    assert figures.first_ok_after("customer", 2.2) == 2.9
    assert figures.first_ok_after("customer", 2.5) is None
    assert figures.first_ok_after("identity", 0.0) is None


def test_percentiles_are_right_to_five_parts_in_a_hundred() -> None:
    latencies = Latencies()
    for milliseconds in range(1, 1001):
        latencies.add(milliseconds / 1000)

    assert latencies.percentile(0.5) == pytest.approx(500, rel=0.05)
    assert latencies.percentile(0.99) == pytest.approx(990, rel=0.05)
    assert Latencies().percentile(0.5) is None
