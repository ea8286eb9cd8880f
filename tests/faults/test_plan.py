"""The plan of a storm and its verdict: pure."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.injectors import INJECTORS
from tests.faults.plan import KINDS, Fault, plan
from tests.faults.verdict import judge, sentence, timeline

HELD: dict[str, dict[str, Any]] = {"I1": {"ok": True}, "I8": {"ok": None}}
BROKEN: dict[str, dict[str, Any]] = {"I1": {"ok": True}, "I3": {"ok": False, "violations": ["x"]}}


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert plan(7, 600) == plan(7, 600)
    assert plan(7, 600) != plan(8, 600)


def test_every_kind_of_fault_can_be_done() -> None:
    assert set(INJECTORS) == {*KINDS, "backup"}


@pytest.mark.parametrize("seed", range(20))
def test_ten_minutes_bring_every_kind_of_fault(seed: int) -> None:
    faults = plan(seed, 600)

    assert {fault.kind for fault in faults} == {*KINDS, "backup"}
    assert all(fault.target in KINDS[fault.kind].targets for fault in faults if fault.kind != "backup")
    assert [fault.n for fault in faults] == list(range(len(faults)))
    assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
    for kind, known in KINDS.items():
        assert known.most is None or sum(fault.kind == kind for fault in faults) <= known.most


@pytest.mark.parametrize("seed", range(20))
def test_nothing_else_goes_wrong_while_an_older_backup_is_restored(seed: int) -> None:
    faults = plan(seed, 600)
    (restored,) = [fault for fault in faults if fault.kind == "restore"]

    for fault in faults:
        if fault.kind not in ("restore", "backup"):
            assert not fault.at < restored.at <= fault.at + fault.seconds
            assert abs(fault.at - restored.at) > 4


def test_only_the_chosen_kinds_come() -> None:
    assert {fault.kind for fault in plan(1, 120, kinds=("kill", "latency"))} == {"kill", "latency"}


def test_a_kind_can_be_kept_to_one_target() -> None:
    faults = plan(1, 120, kinds=("kill:kafka", "latency"))
    assert {fault.target for fault in faults if fault.kind == "kill"} == {"kafka"}
    assert len({fault.target for fault in faults if fault.kind == "latency"}) > 1
    with pytest.raises(ValueError, match="kill does not hit the moon"):
        plan(1, 120, kinds=("kill:the moon",))
    assert plan(1, 120, kinds=()) == []
    with pytest.raises(ValueError, match="there is no fault earthquake"):
        plan(1, 120, kinds=("earthquake",))


def test_a_broken_invariant_or_a_system_that_never_rests_is_red() -> None:
    assert judge(settled=True, invariants=BROKEN, void=[]) == "red"
    assert judge(settled=False, invariants=HELD, void=[]) == "red"
    assert judge(settled=True, invariants={}, void=[]) == "red"


def test_a_run_in_which_too_little_happened_is_void_and_not_green() -> None:
    assert judge(settled=True, invariants=HELD, void=["no conflict"]) == "void"
    assert judge(settled=True, invariants=HELD, void=[]) == "green"


def test_the_timeline_tells_what_became_of_each_fault() -> None:
    faults = [
        Fault(0, 3.0, "kill", "kafka"),
        Fault(1, 9.0, "garbage", "customer.events"),
        Fault(2, 12.0, "stop", "mongo"),
    ]
    told = [
        {"n": 0, "at": 3.1, "event": "begin", "kind": "kill"},
        {"n": 0, "at": 7.0, "event": "end", "kind": "kill", "evidence": {"before": 1, "after": 2}},
        {"n": 1, "at": 9.1, "event": "begin", "kind": "garbage"},
        {"n": 1, "at": 9.2, "event": "failed", "kind": "garbage", "evidence": {"why": "no broker"}},
    ]

    assert [(line["became"], line["at"]) for line in timeline(faults, told)] == [
        ("end", 3.1),
        ("failed", 9.1),
        ("cut off", 12.0),
    ]


def test_the_sentence_names_what_is_broken_and_what_never_happened() -> None:
    answer = {"seed": 7, "faults": {"kill": 2}, "load": {"commands": 10}, "void": ["no rebalance"]}

    assert sentence({**answer, "verdict": "red", "invariants": BROKEN}) == "seed 7: red (broken: I3)"
    assert "no rebalance" in sentence({**answer, "verdict": "void", "invariants": HELD})
    assert "2 faults, 10 commands" in sentence({**answer, "verdict": "green", "invariants": HELD})
