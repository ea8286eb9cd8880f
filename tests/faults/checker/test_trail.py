"""What is told of logs that are not what was signed."""

from dataclasses import replace

import pytest

from shared.audit.inspection import Verdict
from tests.faults.checker import trail
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.examples import whole

RECORDS = len(whole().logs["customer"])
SIGNED = Verdict("custlog/x/customer", RECORDS, checkpoints=3, cosigned=True)


def inspected(verdict: Verdict) -> Evidence:
    return replace(whole(), inspected={"customer": verdict})


def test_a_log_that_is_signed_and_seen_is_in_order() -> None:
    found = trail.judge(inspected(SIGNED))

    assert (found.ok, found.checked, found.figures["checkpoints"]) == (True, RECORDS, {"customer": 3})


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (replace(SIGNED, reason="altered", first=2, last=2), "not what was signed, at positions 2 to 2: altered"),
        (replace(SIGNED, size=RECORDS - 1), f"only {RECORDS - 1} are signed"),
        (replace(SIGNED, cosigned=False), "No witness has seen"),
    ],
)
def test_what_is_wrong_with_a_log_is_told(verdict: Verdict, said: str) -> None:
    (violation,) = trail.judge(inspected(verdict)).violations

    assert said in violation


def test_a_run_without_an_inspection_is_not_judged() -> None:
    assert trail.judge(whole()).ok is None
