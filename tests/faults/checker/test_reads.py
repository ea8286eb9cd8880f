"""I10: what an answer showed has its record, and is what the caller may see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.events.access import PersonalDataRead
from tests.faults.checker import reads
from tests.faults.checker.evidence import Evidence, Fault
from tests.faults.checker.examples import ADA, BOB, altered, evidence_of, question_of, whole
from tests.faults.queries import shown
from tests.support.events import an_id


def said(evidence: Evidence) -> str:
    return " ".join(reads.judge(evidence).violations)


def read_with(data: PersonalDataRead | None = None, **parts: Any) -> Evidence:
    """The run with another record of the read; the question is as it was."""
    events = [event for log in whole().logs for event in whole().events(log)]
    (read,) = (event for event in events if event.log == "access")
    others = [event for event in events if event.log != "access"]
    evidence = evidence_of([*others, altered(read, data, **parts)])
    return replace(evidence, attempts=whole().attempts)


def asked_by(**parts: Any) -> Evidence:
    (read,) = whole().events("access")
    return replace(whole(), attempts=[question_of(read, **parts)])


def test_a_read_with_its_record_is_in_order() -> None:
    found = reads.judge(whole())

    assert (found.ok, found.checked, found.figures["answers_with_personal_fields"]) == (True, 1, 1)


@pytest.mark.parametrize(
    "evidence",
    [
        replace(whole(), logs={**whole().logs, "access": []}),
        read_with(customer=BOB),
        read_with(correlation=an_id("another question")),
        read_with(PersonalDataRead(operation="GET /customers/{ref}", fields=("name",))),
    ],
    ids=["no record", "another customer", "another question", "fewer fields"],
)
def test_a_read_without_its_record_is_told(evidence: Evidence) -> None:
    assert f"showed contacts, name of {ADA}, and no record says so" in said(evidence)


def test_a_record_says_who_read() -> None:
    assert "no record says so" in said(asked_by(user="load-manager"))


def test_who_may_see_only_masks_is_shown_nothing_else() -> None:
    assert "showed contacts, name to load-viewer, who may not see them" in said(asked_by(user="load-viewer"))


def test_an_answer_that_a_restored_backup_has_forgotten_is_no_violation() -> None:
    restored = Fault(1, 900.0, "restore", "postgres", "end", {"backup_at": 0.0, "restored_at": 950.0})

    found = reads.judge(replace(whole(), logs={**whole().logs, "access": []}, faults=[restored]))

    assert (found.ok, found.figures["lost_by_restore"]) == (True, 1)


def test_without_questions_nothing_is_judged() -> None:
    assert reads.judge(replace(whole(), attempts=[])).ok is None


def test_what_an_answer_shows_is_read_off_it() -> None:
    clear, masked = {"value": "x", "event": "e"}, {"value": "x***", "masked": True}
    member = {
        "customer": ADA,
        "name": {**clear, "value": {"full": "A"}},
        "birth_date": masked,
        "contacts": [{"id": "1", "state": "removed"}, {**clear, "kind": "phone"}],
        "addresses": {"main": {"erased": True}},
        "preferences": {},
        "extensions": {"shoe": {**clear, "value": None}, "hat": {**clear, "value": 0}},
        "identifiers": [{"hidden": True}],
    }
    golden = {"kind": {"value": "person", "member": ADA}, "phone": {**clear, "member": BOB}, "name": masked}

    assert shown({"members": [member, {"customer": BOB}]}) == [
        {"of": [ADA], "fields": ["contacts", "extensions", "name"]}
    ]
    assert shown({"fields": golden}) == [{"of": [BOB], "fields": ["contacts"]}]
    others = {**clear, "member": ADA, "others": [{**clear, "member": BOB}, {**masked, "member": BOB}]}
    assert shown({"fields": {"birth_date": others}, "contacts": {"email": [{**clear, "member": ADA}]}}) == [
        {"of": [ADA], "fields": ["birth_date"]},
        {"of": [BOB], "fields": ["birth_date"]},
        {"of": [ADA], "fields": ["contacts"]},
    ]
    assert shown({"items": [{"customers": [ADA, BOB], "name": clear}, {"customers": [BOB], "name": None}]}) == [
        {"of": [ADA, BOB], "fields": ["name"]}
    ]
