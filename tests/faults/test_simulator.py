"""Simulated runs: whatever dies and whatever comes twice, the laws hold in the end."""

from __future__ import annotations

from collections import Counter

import pytest

from shared.streaming import Plan
from shared.streaming import plan as real_plan
from tests.faults.simulated_delivery import Relay
from tests.faults.simulator import simulate

SEEDS = 300
HAPPENED = (
    "died before commit",
    "died after commit",
    "died before publish",
    "died after publish",
    "died after store",
    "duplicates",
    "holes",
    "parked",
    "driven again",
    "made anew",
    "repeated",
    "refused Banned",
)
"""Without any of these the runs would show little."""


def simulate_all(seeds: int) -> Counter[str]:
    return sum(map(simulate, range(seeds)), Counter())


def test_every_seed_ends_with_what_was_acknowledged_published_folded_and_numbered_once() -> None:
    counters = simulate_all(SEEDS)
    assert [name for name in HAPPENED if not counters[name]] == []


def test_the_same_seed_is_the_same_run() -> None:
    assert simulate(7) == simulate(7)


def without_dedupe(*given: object) -> Plan:
    """A plan that takes every record, whether it was taken before or not."""
    planned = real_plan(*given)  # type: ignore[arg-type]
    sources, _, _, *_ = given
    known = {source.name for source in planned.apply} | planned.positions.keys()
    again = [source for source in sources if source.name in known and source.reason is None]  # type: ignore[attr-defined]
    return Plan(again, planned.park, planned.positions, 0, planned.holes)


def test_the_laws_notice_a_consumer_that_takes_what_it_has_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.projections.application.plan", without_dedupe)
    with pytest.raises(AssertionError, match="seed"):
        simulate_all(50)


def test_the_laws_notice_a_relay_that_remembers_before_it_publishes(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(relay: Relay, most: int) -> bool:
        building = relay.read(most)
        relay.published = building.published
        relay.at("after store")
        relay.topic.publish(building.builders)
        return bool(building.builders)

    monkeypatch.setattr(Relay, "step", step)
    with pytest.raises(AssertionError, match="seed"):
        simulate_all(50)
