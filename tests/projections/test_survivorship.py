"""Which value stands for an identity: policies as data, pins, groups, lists, and what did not hold."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.projections.fold import fold_all
from services.projections.views.customer import CUSTOMER
from services.projections.views.directory import DIRECTORY, name_of
from services.projections.views.golden import contacts, golden
from services.projections.views.survivorship import (
    DEFAULT,
    SHIPPED,
    Candidate,
    Edition,
    choose,
    edition_of,
    in_force,
)
from services.projections.views.values import compared, held, opened_of
from shared.events import customer as says
from shared.events.customer import Address, Name
from shared.events.envelope import Contract
from shared.events.identity import Linked, Move, Separated
from shared.events.survivorship import POLICY, Policy, Rule, SurvivorshipPolicySet, ValuePinned, ValueUnpinned
from tests.support.events import START, History, an_id, customer_registered, erased

ANN, BEN, CAT = sorted((an_id("ann"), an_id("ben"), an_id("cat")))
ORDERS = st.permutations(SHIPPED.default.order).flatmap(
    lambda order: st.sampled_from([tuple(order[:n]) for n in (1, 3, 6)])
)


def three(*sources: str, names: tuple[str, str, str] = ("Ann", "Anna Maria", "Ann")) -> History:
    """Three linked customers, a minute after one another, the first of the first source."""
    history = History()
    for customer, source, name in zip((ANN, BEN, CAT), sources or ("crm",) * 3, names, strict=True):
        history.tell(customer, customer_registered(name, source=source))
    return history.tell(ANN, linked(BEN, CAT))


def linked(*others: str) -> Linked:
    moves = tuple(Move(customer=other, identity=ANN) for other in others)
    return Linked(a=ANN, b=others[0], evidence=(), decided_by="rule", moves=moves)


def members(history: History) -> list[Any]:
    found: list[Any] = fold_all(history.events, [CUSTOMER])["customer"][ANN]["members"]
    return found


def record(history: History, policy: Policy = SHIPPED) -> dict[str, Any]:
    return golden(members(history), opened_of(history.events), policy)


def listed(history: History, policy: Policy = SHIPPED) -> dict[str, Any]:
    return contacts(members(history), opened_of(history.events), policy)


def by(*order: Any, sources: tuple[str, ...] = (), **fields: Rule) -> Policy:
    return Policy(default=Rule(order=order, sources=sources), fields=fields)


def named(history: History, policy: Policy = SHIPPED) -> tuple[str, str]:
    """The member whose name holds, and why."""
    entry = record(history, policy)["name"]
    return entry["member"], entry["why"]


def asked_for(history: History, customer: str, event: Contract) -> History:
    history.tell(customer, event)
    history.events[-1] = msgspec.structs.replace(history.events[-1], purpose="rectification")
    return history


def renamed(full: str) -> says.NameCorrected:
    return says.NameCorrected(name=Name(full=full))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (by("recency"), (CAT, "most recent")),
        (by("source", sources=("web", "*", "erp")), (BEN, "source rank")),
        (by("source", "recency", sources=("*", "web")), (CAT, "source rank")),
        (by("source", sources=("erp",)), (ANN, "source rank")),
        (by("frequency"), (ANN, "most frequent")),
        (by("longest"), (BEN, "longest")),
        (by("frequency", "longest"), (ANN, "most frequent")),
        (by("recency", name=Rule(order=("longest",))), (BEN, "longest")),
    ],
)
def test_the_criteria_decide_in_the_order_of_the_policy(policy: Policy, expected: tuple[str, str]) -> None:
    assert named(three("erp", "web", "crm"), policy) == expected


def test_a_value_that_everybody_has_is_agreed_whatever_its_spelling() -> None:
    assert named(three(names=("Ann Lee", "ANN  LEE", "ann lee"))) == (CAT, "all agree")
    assert record(three(names=("Ann Lee", "ANN  LEE", "ann lee")))["name"]["others"] == []


def test_values_that_did_not_hold_stay_visible_with_what_they_lost_by() -> None:
    history = three("erp", "web", "crm", names=("Ann", "Bea", "Cat"))

    others = record(history, by("source", "recency", sources=("crm", "*")))["name"]["others"]

    assert [(other["member"], other["source"], other["lost"]) for other in others] == [
        (BEN, "web", "source rank"),
        (ANN, "erp", "source rank"),
    ]
    assert others[0]["event"] == history.events[1].id


def test_an_erased_value_does_not_hold_while_another_is_known() -> None:
    history = three(names=("Ann", "Bea", "Cat"))
    gone = erased(history.events, CAT)
    found = fold_all(gone, [CUSTOMER])["customer"][ANN]["members"]

    entry = golden(found, opened_of(gone))["name"]

    assert (entry["member"], entry["why"]) == (BEN, "most recent")
    assert [other["lost"] for other in entry["others"]] == ["most recent", "only one that is known"]


def test_a_pinned_value_holds_against_later_values_of_anybody_and_of_the_same_customer() -> None:
    history = three().tell(ANN, ValuePinned(field="name", reason="seen")).tell(ANN, renamed("Anton"))
    history.tell(CAT, renamed("Cat"))

    entry = record(history)["name"]

    assert (entry["member"], entry["event"], entry["why"]) == (ANN, history.events[0].id, "pinned")
    assert {other["event"] for other in entry["others"]} >= {event.id for event in history.events[-2:]}
    assert name_of(fold_all(history.events, [DIRECTORY])["directory"][ANN]) == "Ann"
    assert history.events[0].id in {part["event"] for part in members(history)[0]["sealed"]}

    history.tell(ANN, ValueUnpinned(field="name", reason="done"))
    assert named(history) == (CAT, "most recent")
    assert name_of(fold_all(history.events, [DIRECTORY])["directory"][ANN]) == "Cat"
    assert history.events[0].id not in {part["event"] for part in members(history)[0]["sealed"]}


def test_of_two_pins_the_later_one_holds_and_a_separation_leaves_each_its_own() -> None:
    history = three().tell(ANN, ValuePinned(field="name", reason="a")).tell(BEN, ValuePinned(field="name", reason="b"))
    assert named(history) == (BEN, "pinned")

    history.tell(ANN, Separated(a=BEN, b=ANN, reason="two", moves=(Move(customer=BEN, identity=BEN),)))
    assert named(history) == (ANN, "pinned")


def test_what_the_person_had_corrected_ends_an_earlier_pin() -> None:
    history = three().tell(ANN, ValuePinned(field="name", reason="seen"))
    asked_for(history, CAT, renamed("Caty"))
    assert named(history) == (CAT, "verified")
    assert name_of(fold_all(history.events, [DIRECTORY])["directory"][ANN]) == "Caty"

    asked_for(history, ANN, renamed("Anny"))
    assert members(history)[0]["pins"] == {}
    history.tell(BEN, ValuePinned(field="name", reason="again"))
    assert named(history) == (BEN, "pinned")


def test_a_value_that_is_taken_away_takes_its_pin_along() -> None:
    contact = an_id("+4930123456")
    history = History().tell(ANN, customer_registered("Ann", "+4930123456", birth_date="1990-01-01"))
    for field in ("birth_date", f"phone:{contact}", "classification:tier", "extension:shoe"):
        history.tell(ANN, says.Classified(scheme="tier", code="a"), says.ExtensionFieldSet(field="shoe", value="44"))
        history.tell(ANN, ValuePinned(field=field, reason="seen"))
    assert len(members(history)[0]["pins"]) == 4

    history.tell(ANN, says.BirthDateSet(), says.ContactPointRemoved(contact_id=contact, reason="wish"))
    history.tell(ANN, says.Classified(scheme="tier"), says.ExtensionFieldSet(field="shoe"))

    assert members(history)[0]["pins"] == {}
    assert set(record(history)) == {"name", "kind"}


def test_contact_points_are_listed_once_each_with_everybody_who_has_them() -> None:
    history = (
        History().tell(ANN, customer_registered("Ann", "+491", "+492")).tell(BEN, customer_registered("Ben", "+492"))
    )
    history.tell(ANN, says.ContactPointAdded(contact_id=an_id("mail"), kind="email", value="a@b.example"), linked(BEN))
    history.tell(ANN, says.ContactPointVerified(contact_id=an_id("+491"), method="call"))

    lists = listed(history)

    assert [(entry["contact"], entry["verified"], entry["members"]) for entry in lists["phone"]] == [
        (an_id("+491"), True, [ANN]),
        (an_id("+492"), False, [ANN, BEN]),
    ]
    assert [entry["contact"] for entry in lists["email"]] == [an_id("mail")]
    assert lists["social"] == []
    assert record(history)["phone"]["contact"] == an_id("+491")

    history.tell(BEN, ValuePinned(field=f"phone:{an_id('+492')}", reason="seen"))
    first, _ = listed(history)["phone"]
    assert (first["member"], first["contact"], first["pinned"]) == (BEN, an_id("+492"), True)
    assert record(history)["phone"]["why"] == "pinned"


def test_the_parts_of_an_address_come_from_one_event() -> None:
    history = History().tell(ANN, customer_registered("Ann", address=Address(locality="Berlin", postcode="10115")))
    history.tell(BEN, customer_registered("Ben", address=Address(locality="Bern")), linked(BEN))

    latest, longest = record(history), record(history, by("longest"))

    assert (latest["address:main"]["member"], longest["address:main"]["member"]) == (BEN, ANN)
    opened = opened_of(history.events)
    assert held(opened, longest["address:main"]["event"], "address:main") == {
        "lines": [], "locality": "Berlin", "postcode": "10115",
    }  # fmt: skip


def test_fields_that_belong_together_are_of_one_member() -> None:
    together = Policy(default=SHIPPED.default, together={"bank": ("extension:iban", "extension:bic")})
    history = History().tell(ANN, customer_registered("Ann")).tell(BEN, customer_registered("Ben"), linked(BEN))
    history.tell(ANN, says.ExtensionFieldSet(field="iban", value="A"), says.ExtensionFieldSet(field="bic", value="a"))
    history.tell(BEN, says.ExtensionFieldSet(field="iban", value="B"))
    history.tell(ANN, says.ExtensionFieldSet(field="bic", value="a2"))

    apart, joined = record(history), record(history, together)

    assert (apart["extension:iban"]["member"], apart["extension:bic"]["member"]) == (BEN, ANN)
    assert joined["extension:iban"]["member"] == BEN
    assert "extension:bic" not in joined

    history.tell(ANN, ValuePinned(field="extension:bic", reason="seen"))
    joined = record(history, together)
    assert (joined["extension:iban"]["member"], joined["extension:iban"]["why"]) == (ANN, "with extension:bic")
    assert (joined["extension:bic"]["member"], joined["extension:bic"]["why"]) == (ANN, "pinned")


def edition(number: int, day: int) -> Edition:
    told = SurvivorshipPolicySet(
        version=number, policy=by("longest"), effective_from=START + timedelta(days=day), reason="better"
    )
    return edition_of(History().tell(POLICY, told, stream=f"survivorship-{POLICY}").events[0])


def test_the_policy_in_force_is_the_one_that_began_last_and_of_several_the_last_set() -> None:
    planned, meanwhile, again = edition(1, 10), edition(2, 5), edition(3, 10)

    def then(day: int, *known: Edition) -> str:
        return in_force(known, f"2026-01-{1 + day:02}T00:00:00.000000Z").label

    assert then(4, planned, meanwhile) == DEFAULT.label
    assert then(5, planned, meanwhile) == "2"
    assert then(10, planned, meanwhile) == "1"
    assert then(10, again, planned, meanwhile) == "3"


@pytest.mark.parametrize(
    "wrong",
    [
        {"default": {"order": []}},
        {"default": {"order": ["recency", "recency"]}},
        {"default": {"order": ["luck"]}},
        {"default": {"order": ["source"], "sources": ["crm", "crm"]}},
        {"default": {"order": ["source"]}, "fields": {"shoe": {"order": ["recency"]}}},
        {"default": {"order": ["source"]}, "together": {"a": ["phone", "email"], "b": ["phone", "kind"]}},
        {"default": {"order": ["source"]}, "together": {"a": ["name", "birth_date"]}},
        {"default": {"order": ["source"]}, "together": {"a": ["address", "birth_date"]}},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Policy.model_validate(wrong)


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        active=st.booleans(),
        verified=st.booleans(),
        at=st.sampled_from("123"),
        member=st.sampled_from((ANN, BEN, CAT)),
        event=st.uuids().map(str),
        value=st.sampled_from(("", "a", "b")),
        size=st.integers(0, 2),
        source=st.sampled_from(("crm", "erp", "web")),
        pinned=st.sampled_from(("", "4", "5")),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda candidate: candidate.member,
)


@given(CANDIDATES, ORDERS, st.randoms())
@settings(max_examples=200)
def test_the_choice_does_not_depend_on_the_order_of_the_members(
    candidates: list[Candidate], order: tuple[Any, ...], chance: Any
) -> None:
    rule = Rule(order=order, sources=("erp", "*", "web"))
    choice = choose(candidates, rule)
    mixed = list(candidates)
    chance.shuffle(mixed)

    assert choose(mixed, rule).chosen == choice.chosen
    assert choose(mixed, rule).why == choice.why


@given(CANDIDATES, ORDERS)
@settings(max_examples=200)
def test_who_lost_does_not_matter_to_who_holds_and_a_pin_always_does(
    candidates: list[Candidate], order: tuple[Any, ...]
) -> None:
    rule = Rule(order=tuple(criterion for criterion in order if criterion != "frequency") or ("recency",))
    chosen = choose(candidates, rule).chosen

    assert choose([chosen], rule).chosen == chosen
    assert all(choose([chosen, other], rule).chosen == chosen for other in candidates)
    known = [candidate for candidate in candidates if candidate.value] or candidates
    assert chosen.pinned == max(candidate.pinned for candidate in known)


def test_names_are_compared_as_shown_and_other_values_as_a_whole() -> None:
    assert compared({"full": "Ann  Lee", "given": "Ann"}) == compared({"full": "ANN LEE"})
    assert compared({"locality": "Bern"}) != compared({"locality": "Bern", "country": "CH"})
    assert compared(1) != compared("one")
