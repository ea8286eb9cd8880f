"""The table of invariants: a whole run is green, and the damage of one part is seen by the judge of that part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.faults.checker.evidence import Evidence, Fault
from tests.faults.checker.examples import ADA, attempt_of, whole
from tests.faults.checker.finding import SHOWN, Finding, together
from tests.faults.checker.invariants import INVARIANTS, judge
from tests.faults.checker.sometimes import void_reasons


def red(evidence: Evidence) -> dict[str, list[str]]:
    """Invariant -> its violations, of those that do not hold."""
    found = judge(evidence)["invariants"]
    return {name: told["violations"] for name, told in found.items() if told["ok"] is False}


def test_a_run_in_which_everything_fits_is_green() -> None:
    answer = judge(whole())

    assert red(whole()) == {}
    assert answer["verdict"] == "green"
    assert [name for name, told in answer["invariants"].items() if told["ok"] is None] == ["I8", "I13"]


def test_every_invariant_says_what_it_demands() -> None:
    assert list(INVARIANTS) == [f"I{number}" for number in range(1, 15)]
    assert all(sentence for sentence, _ in INVARIANTS.values())


def test_a_judge_that_fails_makes_the_run_red_and_the_others_judge_on() -> None:
    broken = replace(whole(), numbers=None)  # type: ignore[arg-type]

    found = red(broken)

    assert list(found) == ["I5"]
    assert "could not be judged" in found["I5"][0]


def test_a_finding_shows_the_first_violations_and_counts_all() -> None:
    told = Finding(30, [f"v{n}" for n in range(30)]).as_json()

    assert len(told["violations"]) == SHOWN
    assert told["violations_in_all"] == 30
    assert together(Finding(1), Finding(2, ["x"])).as_json() == {"ok": False, "checked": 3, "violations": ["x"]}


@pytest.mark.parametrize("leaks", [["logs/customer.log"]])
def test_a_sealed_text_in_the_open_breaks_i9(leaks: list[str]) -> None:
    assert red(replace(whole(), leaks=leaks)) == {"I9": ["A sealed text stands in the open in logs/customer.log."]}


def test_i9_is_not_judged_if_nobody_looked() -> None:
    assert judge(replace(whole(), leaks=None))["invariants"]["I9"]["ok"] is None


def a_fault(kind: str, became: str, evidence: dict[str, Any]) -> Fault:
    return Fault(3, 1.0, kind, "kafka", became, evidence)


@pytest.mark.parametrize(
    ("kind", "became", "evidence"),
    [
        ("kill", "end", {"before": 5, "after": 5}),
        ("kill", "end", {}),
        ("latency", "end", {"connections": 0, "bytes": 0}),
        ("stop", "end", {"status": "running"}),
        ("disk_full", "skipped", {}),
        ("kill", "failed", {"why": "RuntimeError"}),
        ("kill", "begin", {}),
        ("something new", "end", {}),
    ],
)
def test_a_fault_of_which_nothing_shows_that_it_happened_breaks_i14(
    kind: str, became: str, evidence: dict[str, Any]
) -> None:
    assert list(red(replace(whole(), faults=[a_fault(kind, became, evidence)]))) == ["I14"]


@pytest.mark.parametrize(
    ("kind", "became", "evidence"),
    [
        ("kill", "end", {"before": 5, "after": 6}),
        ("latency", "end", {"connections": 0, "bytes": 9}),
        ("disk_full", "skipped", {"why": "no file system of its own could be mounted"}),
    ],
)
def test_a_fault_that_shows_itself_or_says_why_not_is_fine(kind: str, became: str, evidence: dict[str, Any]) -> None:
    assert red(replace(whole(), faults=[a_fault(kind, became, evidence)])) == {}


def test_a_service_that_is_not_ready_or_behind_breaks_i12() -> None:
    ready = {**whole().ready, "customer": {"ok": False, "checks": {"postgres": "away"}, "lag": {"relay": None}}}
    behind = {**whole().ready, "identity": {"ok": True, "checks": {}, "lag": {"consumer customer.events": 4}}}

    assert len(red(replace(whole(), ready=ready))["I12"]) == 2
    assert red(replace(whole(), ready=behind))["I12"] == [
        "The identity service is 4 records behind: consumer customer.events."
    ]
    assert list(red(replace(whole(), ready={}))) == ["I12"]
    assert list(red(replace(whole(), rested=False))) == ["I12"]


def a_sample(at: int, **held: int) -> dict[str, Any]:
    return {"at": at, "process": "identity", "pid": 1, "rss": 10**8, "fds": 50, "threads": 9, **held}


def test_a_process_that_takes_too_much_or_more_and_more_breaks_i13() -> None:
    steady = [a_sample(at) for at in range(40)]
    growing = [a_sample(at, fds=20 + at * 3) for at in range(40)]

    assert red(replace(whole(), samples=steady)) == {}
    assert list(red(replace(whole(), samples=growing))) == ["I13"]
    for too_much in ({"rss": 800 * 1024 * 1024}, {"fds": 500}, {"threads": 200}):
        assert list(red(replace(whole(), samples=[*steady, a_sample(41, **too_much)]))) == ["I13"]


def test_a_run_in_which_nothing_happened_is_void_and_says_what_did_not() -> None:
    counters = {"consumer_duplicates": 1, "conflicts": 1, "rebalances": 1, "crash_recoveries": 1, "parked": 1}
    first = whole().events("customer")[0]
    attempts = [
        attempt_of(first, outcome="info", answer=None, status=503, at=0.1),
        attempt_of(first, attempt=2),
        attempt_of(first, attempt=3, at=9.0, replayed=True),
    ]

    assert len(void_reasons({}, whole())) == 7
    assert void_reasons(counters, replace(whole(), attempts=attempts)) == []
    assert void_reasons({**counters, "conflicts": 0}, replace(whole(), attempts=attempts)) == ["a conflict"]


def test_no_sentence_holds_what_is_sealed() -> None:
    answers = {ADA: {**whole().answers[ADA], "members": []}}  # type: ignore[dict-item]
    told = str(red(replace(whole(), answers=answers)))

    assert "I4" in told
    assert "Lovelace" not in told
