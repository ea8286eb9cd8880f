"""I1: commands and imports against the log."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace as with_values

from shared.events import customer as told
from shared.events.envelope import Contract, Recorded
from shared.events.identity import Asserted, AssertionEnded
from shared.ids import derive
from tests.faults.checker.commands import Command, judge, unlike
from tests.faults.checker.content import differing
from tests.faults.checker.evidence import Attempt, Evidence, Fault
from tests.faults.checker.examples import ADA, BOB, altered, attempt_of, evidence_of, whole
from tests.support.events import History, an_id, customer_registered, recorded


def events() -> list[Recorded]:
    return [event for log in ("customer", "identity", "notifications") for event in whole().events(log)]


def violations(evidence: Evidence) -> str:
    return " ".join(judge(evidence).violations)


def with_attempts(*attempts: Attempt) -> Evidence:
    """A whole run in which the first command went like this."""
    return replace(whole(), attempts=[*attempts, *whole().attempts[1:]])


FIRST = whole().attempts[0]
UNKNOWN = replace(FIRST, outcome="info", answer=None, status=None)
REFUSED = replace(FIRST, outcome="fail", answer=None, status=409)


def test_an_acknowledged_command_without_its_event_is_a_violation() -> None:
    rest = evidence_of(events()[1:], attempts=whole().attempts, remembered=whole().remembered)

    assert f"command {FIRST.command} (some, n 1) was acknowledged, but the customer log holds" in violations(rest)


def test_an_acknowledged_command_whose_answer_was_forgotten_is_a_violation() -> None:
    assert "is not remembered" in violations(replace(whole(), remembered={}))


def test_a_command_carried_out_twice_is_a_violation() -> None:
    first = events()[0]
    again = with_values(first, id=an_id("again"), stream=f"customer-{BOB}", seq=9, position=99)

    assert "more than once or in parts" in violations(evidence_of([*events(), again]))


def test_an_unknown_command_may_be_stored_wholly_or_not_at_all() -> None:
    absent = evidence_of(events()[1:], attempts=[UNKNOWN], remembered={})

    assert violations(with_attempts(UNKNOWN)) == ""
    assert violations(absent) == ""
    assert judge(absent).figures["unknown"] == 1


def test_half_of_an_unknown_command_is_a_violation() -> None:
    first = events()[0]
    later = with_values(first, id=an_id("later"), seq=3, position=99)

    assert "in parts" in violations(evidence_of([*events(), later], attempts=[UNKNOWN]))


def test_a_refused_command_that_is_stored_is_a_violation() -> None:
    assert "was refused, yet the log holds" in violations(with_attempts(REFUSED))


def test_a_refusal_after_an_unknown_outcome_proves_nothing() -> None:
    assert violations(with_attempts(UNKNOWN, replace(REFUSED, attempt=2, at=9.0))) == ""


def test_a_repeated_key_gets_its_first_answer_again() -> None:
    repeated = replace(FIRST, attempt=2, at=9.0)

    assert violations(with_attempts(FIRST, repeated)) == ""
    assert "another answer" in violations(with_attempts(FIRST, replace(repeated, answer={"id": BOB, "version": 1})))
    assert "refused with 409" in violations(with_attempts(FIRST, replace(REFUSED, attempt=2, at=9.0)))


def test_a_key_with_another_body_is_refused_never_acknowledged() -> None:
    other: dict[str, Any] = {"n": 77, "at": 9.0, "body": {"kind": "organisation"}}

    assert violations(with_attempts(FIRST, replace(REFUSED, **other))) == ""
    assert "another body" in violations(with_attempts(FIRST, replace(FIRST, **other)))


def test_an_answer_with_another_version_or_id_than_the_log_is_a_violation() -> None:
    for answer, wrong in (({"id": ADA, "version": 7}, "version 7"), ({"id": BOB, "version": 1}, "another id")):
        remembered = {"customer": {**whole().remembered["customer"], FIRST.command: answer}}
        evidence = replace(with_attempts(replace(FIRST, answer=answer)), remembered=remembered)
        assert wrong in violations(evidence)


def test_a_change_of_a_seen_version_that_rests_on_another_one_is_a_violation() -> None:
    edit = next(attempt for attempt in whole().attempts if attempt.answer == {"id": ADA, "version": 2})

    assert violations(replace(whole(), attempts=[replace(edit, expect=1)])) == ""
    for seen in (0, 2):
        wrong = violations(replace(whole(), attempts=[replace(edit, expect=seen)]))
        assert f"was to change version {seen}, was acknowledged, and rests on version 1" in wrong
    refused = replace(edit, outcome="fail", status=412, answer=None, command=an_id("late"), expect=1)
    assert violations(replace(whole(), attempts=[refused])) == ""


def test_an_edit_that_changes_nothing_is_answered_with_the_version_it_named() -> None:
    edit = next(attempt for attempt in whole().attempts if attempt.answer == {"id": ADA, "version": 2})
    nothing = replace(edit, path=f"/customers/{ADA}", body={}, command=an_id("nothing"))
    evidence = replace(whole(), remembered={"customer": {nothing.command: nothing.answer}})

    assert violations(replace(evidence, attempts=[replace(nothing, expect=2)])) == ""
    assert "rests on version 2" in violations(replace(evidence, attempts=[replace(nothing, expect=1)]))


def test_what_was_lost_by_a_restoration_is_counted_not_blamed() -> None:
    restored = Fault(1, 5.0, "restore", "postgres", "end", {"heads": {}, "backup_at": 1.0, "restored_at": 5.0})
    evidence = evidence_of(events()[1:], attempts=[FIRST], faults=[restored])

    assert judge(evidence).figures["lost_by_restore"] == 1
    assert violations(evidence) == ""
    later = replace(FIRST, at=6.0, answered_at=7.0)
    assert "not remembered" in violations(replace(evidence, attempts=[later]))


def test_other_content_than_was_sent_is_a_violation_that_names_the_field_only() -> None:
    first = events()[0]
    other = altered(first, customer_registered("Somebody Else", "+49301234567", external_id=f"x-{first.customer}"))

    said = violations(evidence_of([other, *events()[1:]], attempts=whole().attempts))

    assert "name in the log is not what was sent" in said
    assert "Somebody" not in said


def test_a_command_that_changes_nothing_finds_its_values_in_earlier_events() -> None:
    nothing = attempt_of(
        events()[3], command=an_id("nothing"), path=f"/customers/{ADA}", body={"name": "Ada Lovelace"}, at=50.0
    )
    remembered = {"customer": {**whole().remembered["customer"], nothing.command: nothing.answer}}
    lost = replace(nothing, body={"name": "Ada Byron"})

    assert violations(replace(whole(), attempts=[nothing], remembered=remembered)) == ""
    assert "name in the log" in violations(replace(whole(), attempts=[lost], remembered=remembered))


def test_an_identity_command_that_says_changed_has_an_event() -> None:
    command, answer = an_id("link"), {"identity": ADA, "members": [ADA, BOB], "changed": True}
    link = attempt_of(events()[0], service="identity", command=command, path="/links", body={}, answer=answer)
    remembered = {"identity": {command: answer}}

    assert "holds nothing of it" in violations(replace(whole(), attempts=[link], remembered=remembered))


CARL = an_id("carl")


def event(data: Contract) -> list[Recorded]:
    return [recorded(data, ADA)]


PHONE = told.ContactPointAdded(contact_id=an_id("c"), kind="phone", value="+61255500001", raw="+61 2 5550 0001")
LINE = told.OrderLine(product="p", quantity="1", amount="2.00")
ORDER = told.OrderPlaced(order_id=an_id("o"), reference="r", currency="EUR", total="2.00", lines=(LINE,))


@pytest.mark.parametrize(
    ("body", "data", "wrong"),
    [
        ({"value": "+61 2 5550 0001"}, PHONE, []),
        ({"value": "+61 2 5550 0002"}, PHONE, ["value"]),
        ({"kind": "email"}, PHONE, ["kind"]),
        ({"total": "2.00", "lines": [LINE.model_dump()]}, ORDER, []),
        ({"total": "2.50"}, ORDER, ["total"]),
        ({"lines": [{**LINE.model_dump(), "amount": "3.00"}]}, ORDER, ["lines"]),
        ({"name": "  Ada E\u0301xample "}, customer_registered("Ada \u00c9xample"), []),
        ({"phones": ["+49 30 1234567"]}, customer_registered("Ada", "+49301234567"), []),
        ({"phones": ["+49 30 7654321"]}, customer_registered("Ada", "+49301234567"), ["phones"]),
        ({"value": True}, told.ExtensionFieldSet(field="f", value=True), []),
        ({"value": 1}, told.ExtensionFieldSet(field="f", value=True), ["value"]),
        ({"add": ["a", "a"]}, told.Tagged(added=("a",)), []),
        ({"birth_date": None}, told.BirthDateSet(birth_date=None), []),
        ({"delivered_at": "2026-01-02T03:04:05+01:00"}, told.OrderDelivered(
            order_id=an_id("o"), delivered_at=datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)), []),
    ],
)  # fmt: skip
def test_the_body_is_compared_with_what_the_event_says(body: dict[str, Any], data: Contract, wrong: list[str]) -> None:
    assert differing(body, event(data)) == wrong


ROWS = [{"kind": "person", "name": "Ada", "external_id": "x-1"}, {"kind": "person", "name": "Bob", "external_id": "2"}]


def imported(number: int) -> str:
    return derive("intake", "u1", "crm", "file", str(number))


def an_import(*rows: dict[str, Any], **parts: Any) -> Attempt:
    body = {"source": "crm", "rows": ROWS}
    first = recorded(customer_registered(), ADA)
    return attempt_of(first, op="import", service="customer", key="file", body=body, rows=rows, **parts)


def import_evidence(attempt: Attempt, *customers: str, name: str = "Ada") -> Evidence:
    history = History()
    for at, customer in enumerate(customers):
        history.tell(customer, customer_registered(name, external_id=f"x-{at + 1}"))
    stored = [with_values(event, command=imported(1)) for event in history.events]
    return evidence_of(stored, attempts=[attempt])


TAKEN = {"row": 1, "status": 201, "id": ADA}
WRONG = {"row": 2, "status": 422}


def test_an_acknowledged_row_is_one_customer_under_the_answered_id() -> None:
    assert violations(import_evidence(an_import(TAKEN, WRONG), ADA)) == ""
    assert "holds nothing of it" in violations(import_evidence(an_import(TAKEN, WRONG)))
    assert "the log has" in violations(import_evidence(an_import(TAKEN, WRONG), BOB))
    assert "carried out 2 times" in violations(import_evidence(an_import(TAKEN, WRONG), ADA, BOB))
    assert "name in the log" in violations(import_evidence(an_import(TAKEN, WRONG), ADA, name="Eve"))


def test_a_refused_row_is_not_stored_and_an_unknown_one_may_be() -> None:
    refused = an_import({"row": 1, "status": 409}, WRONG)
    unknown = an_import({"row": 1, "status": 503}, WRONG)
    cut_off = an_import(outcome="info")

    assert "was refused, yet" in violations(import_evidence(refused, ADA))
    for attempt in (unknown, cut_off):
        assert violations(import_evidence(attempt, ADA)) == violations(import_evidence(attempt)) == ""


def test_two_customers_under_one_external_id_are_a_violation() -> None:
    history = History().tell(ADA, customer_registered(external_id="x")).tell(BOB, customer_registered(external_id="x"))

    assert "2 customers are registered under external id x of crm" in violations(evidence_of(history.events))


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (Asserted(a=ADA, others=(BOB,), says="same", reason="seen", expires=None), []),
        (Asserted(a=BOB, others=(CARL, ADA), says="never", reason="seen", expires=None), []),
        (Asserted(a=ADA, others=(BOB,), says="same", reason="other", expires=None), ["reason"]),
        (Asserted(a=ADA, others=(CARL,), says="same", reason="seen", expires=None), ["a", "b"]),
    ],
)
def test_what_was_said_of_two_customers_stands_in_an_assertion_beside_what_follows(
    said: Asserted, wrong: list[str]
) -> None:
    ended = AssertionEnded(a=CARL, others=(BOB,), says="same", because="overruled")
    command = Command(an_id("link"), "identity", [], [*event(ended), *event(said)])

    assert unlike(command, {"a": ADA, "b": BOB, "reason": "seen"}) == wrong
