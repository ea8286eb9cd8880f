"""I4, I5 and I6: views, numbers, and who is one with whom."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from shared.events import customer as told
from shared.events.identity import Asserted, AssertionEnded, Ends, Move, NumberAssigned, Separated
from tests.faults.checker import identities, numbers, views
from tests.faults.checker.evidence import Evidence, Parked
from tests.faults.checker.examples import ADA, BOB, CY, answer_of, evidence_of, linked, whole
from tests.faults.checker.finding import Finding
from tests.support.events import History, an_id, customer_registered


def said(finding: Finding) -> str:
    return " ".join(finding.violations)


def with_view(view: str, documents: list[dict[str, Any]]) -> Evidence:
    return replace(whole(), views={**whole().views, view: documents})


def test_a_document_that_differs_is_missing_or_too_many_breaks_i4() -> None:
    documents = copy.deepcopy(list(whole().views["customer"]))
    changed = copy.deepcopy(documents)
    changed[0]["members"][0]["tags"] = ["other"]

    assert "is different beside" in said(views.judge(with_view("customer", changed)))
    assert "is missing beside" in said(views.judge(with_view("customer", documents[1:])))
    assert "is extra beside" in said(views.judge(with_view("customer", [*documents, {"_id": "x", "members": []}])))


def test_what_was_put_aside_is_not_in_the_views() -> None:
    events = [event for log in ("customer", "identity", "notifications") for event in whole().events(log)]
    without = evidence_of([event for event in events if event.position != 5 or event.log != "customer"])
    parked = {"projections": [Parked("customer.events/1", 5, 0, ADA)]}
    answer = answer_of(ADA)
    answer["members"][0]["orders"] = None

    evidence = replace(whole(), views=without.views, parked=parked, answers={ADA: answer})

    assert said(views.judge(evidence)) == ""
    assert "different" in said(views.judge(replace(evidence, parked={})))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", {"value": {"full": "Old Name"}}),
        ("name", None),
        ("archived", True),
        ("number", "C0000002"),
        ("contacts", []),
        ("contacts", [{"value": "+49301234567", "state": "added"}, {"value": "x", "state": "added"}]),
        ("orders", {"placed": 2}),
        ("tickets", {"opened": 1}),
        ("interactions", {"count": 1}),
    ],
)
def test_an_answer_of_the_query_api_that_the_model_does_not_give_breaks_i4(field: str, value: Any) -> None:
    answer = answer_of(ADA)
    answer["members"][0][field] = value

    assert f"with wrong {field}" in said(views.judge(replace(whole(), answers={ADA: answer})))


def test_an_answer_without_the_linked_customer_or_none_at_all_breaks_i4() -> None:
    alone = answer_of(ADA)
    alone["members"] = alone["members"][:1]

    assert "another identity" in said(views.judge(replace(whole(), answers={ADA: alone})))
    assert "does not answer" in said(views.judge(replace(whole(), answers={ADA: None})))


def test_the_model_follows_archiving_and_contacts() -> None:
    contact = an_id("mail")
    history = History().tell(
        ADA,
        customer_registered("Ada", "+49301234567"),
        told.ContactPointAdded(contact_id=contact, kind="email", value="a@b.example"),
        told.ContactPointRemoved(contact_id=an_id("+49301234567"), reason="old"),
        told.CustomerArchived(reason="moved"),
    )
    member = {**answer_of(ADA)["members"][0], "name": {"value": {"full": "Ada"}}, "archived": True, "number": None}
    member |= {"contacts": [{"value": "a@b.example", "state": "added"}, {"state": "removed"}], "orders": None}
    answer = {"identity": ADA, "members": [member]}

    assert said(views.judge(evidence_of(history.events, answers={ADA: answer}))) == ""


def of_numbers(*given: tuple[str, str], registered: tuple[str, ...] = (ADA, BOB)) -> str:
    history = History()
    for customer in registered:
        history.tell(customer, customer_registered(external_id=f"x-{customer}"))
    for serial, (customer, number) in enumerate(given, start=1):
        history.tell(customer, NumberAssigned(number=number, rule="r.v1", serial=serial))
    return said(numbers.judge(evidence_of(history.events, numbers={})))


def test_numbers_that_are_issued_twice_or_not_at_all_break_i5() -> None:
    assert of_numbers((ADA, "C1"), (BOB, "C2")) == ""
    assert "Number C1 was issued 2 times." in of_numbers((ADA, "C1"), (BOB, "C1"))
    assert f"Customer {BOB} has 0 numbers." in of_numbers((ADA, "C1"))
    assert f"Customer {ADA} has 2 numbers." in of_numbers((ADA, "C1"), (ADA, "C3"), (BOB, "C2"))
    assert "a number and no registration" in of_numbers((ADA, "C1"), (BOB, "C2"), registered=(ADA,))


def test_reservations_that_disagree_with_the_events_break_i5() -> None:
    for log, key in (("identity", "number:C0000001"), ("customer", f"source:crm:x-{ADA}")):
        held = dict(whole().reservations[log])
        del held[key]
        assert f"Key {key}" in said(numbers.judge(replace(whole(), reservations={log: held})))
        assert "is held by x" in said(numbers.judge(replace(whole(), reservations={log: {**held, key: "x"}})))


def test_a_number_that_leads_to_somebody_else_breaks_i5() -> None:
    assert "leads to" in said(numbers.judge(replace(whole(), numbers={"C0000001": BOB})))
    assert "leads to None" in said(numbers.judge(replace(whole(), numbers={"C0000001": None})))


def of_links(*told_events: Any, **parts: Any) -> str:
    history = History()
    for serial, customer in enumerate((ADA, BOB, CY), start=1):
        history.tell(customer, NumberAssigned(number=f"C{serial}", rule="r.v1", serial=serial))
    history.tell(ADA, *told_events)
    every: dict[str, Any] = {"views": {}, "links": frozenset()}
    return said(identities.judge(evidence_of(history.events, **(every | parts))))


def apart(a: str, b: str, *moves: str) -> Separated:
    told_moves = tuple(Move(customer=it, identity=it) for it in moves)
    return Separated(a=a, b=b, reason="no", moves=told_moves, links=(Ends(a=a, b=b),))


def never(a: str, b: str) -> Asserted:
    return Asserted(a=a, others=(b,), says="never", reason="no")


def view_of(identity_of: dict[str, str]) -> dict[str, Any]:
    documents: dict[str, dict[str, Any]] = {}
    for customer, identity in identity_of.items():
        documents.setdefault(identity, {"_id": identity, "members": []})["members"].append({"customer": customer})
    return {"customer": list(documents.values())}


def test_separated_customers_stay_apart_in_tables_and_views() -> None:
    alone = {ADA: ADA, BOB: BOB, CY: CY}
    told_events = (linked(ADA, BOB, (BOB, ADA)), apart(BOB, ADA, BOB))

    assert of_links(*told_events, members=alone, views=view_of(alone)) == ""
    assert "in the table members of identity" in of_links(
        *told_events, members={**alone, BOB: ADA}, views=view_of(alone)
    )
    assert "in the view customer" in of_links(*told_events, members=alone, views=view_of({**alone, BOB: ADA}))


def test_moves_that_do_not_follow_from_the_links_break_i6() -> None:
    together = {ADA: ADA, BOB: ADA, CY: CY}

    found = of_links(linked(ADA, BOB), members=together, views=view_of(together), links=frozenset({(ADA, BOB)}))

    assert found == f"Customer {BOB} belongs to {ADA}, in the moves of the identity log to {BOB}."


def test_a_link_within_an_identity_or_across_a_ban_breaks_i6() -> None:
    again = of_links(linked(ADA, BOB, (BOB, ADA)), linked(BOB, ADA))
    parted = (linked(ADA, BOB, (BOB, ADA)), never(BOB, ADA), apart(BOB, ADA, BOB))
    banned = of_links(*parted, linked(ADA, BOB, (BOB, ADA)))
    over = AssertionEnded(a=ADA, others=(BOB,), says="never", because="overruled")
    by_hand = of_links(*parted, over, linked(ADA, BOB, (BOB, ADA), by="manual"))

    assert "one already" in again
    assert "across a ban" in banned
    assert "across a ban" not in by_hand
    assert "not one" in of_links(apart(BOB, ADA))


def test_the_table_of_links_holds_the_live_ones() -> None:
    together = {ADA: ADA, BOB: ADA, CY: CY}
    parts: dict[str, Any] = {"members": together, "views": view_of(together)}

    assert "is missing in the table links" in of_links(linked(ADA, BOB, (BOB, ADA)), **parts)
    too_many = frozenset({(ADA, BOB), (BOB, CY)})
    assert "should not be in the table links" in of_links(linked(ADA, BOB, (BOB, ADA)), **parts, links=too_many)
