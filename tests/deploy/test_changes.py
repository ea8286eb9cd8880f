"""Why a field is so and what changed between two instants: given events, then the answers."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.changes.answers import difference, why
from deploy.changes.course import Step, course
from deploy.changes.facts import OF_CUSTOMER, OF_IDENTITY, facts
from deploy.changes.shown import Showing, disclosed_by
from deploy.embedded.errors import EmbeddedError
from services.projections.fold import fold_all
from services.projections.views.customer import CUSTOMER
from services.projections.views.values import opened_of
from shared.events import customer as says
from shared.events.customer import Address, Identifier, Name
from shared.events.identity import Linked, Move, NumberAssigned, Separated
from shared.events.survivorship import POLICY, Policy, Rule, SurvivorshipPolicySet, ValuePinned
from tests.support.events import START, History, an_id, customer_registered, erased

ANN, BEN = sorted((an_id("ann"), an_id("ben")))
PHONE, OTHER = "+4930123456", "+4930999999"
AUDITOR, OPERATOR, SALES, VIEWER = ({role} for role in ("auditor", "operator", "sales", "viewer"))
MINUTE = timedelta(minutes=1)


def corrected(full: str) -> says.NameCorrected:
    return says.NameCorrected(name=Name(full=full), reason="by phone")


def linked(*, evidence: str = "phone") -> Linked:
    moves = (Move(customer=ANN, identity=ANN), Move(customer=BEN, identity=ANN))
    return Linked(a=ANN, b=BEN, evidence=(evidence,), decided_by="rule.exact.1", moves=moves)


def separated() -> Separated:
    return Separated(a=ANN, b=BEN, reason="mistake", moves=(Move(customer=BEN, identity=BEN),))


def asked(history: History, customer: str = ANN, roles: Collection[str] = AUDITOR) -> tuple[list[Step], Showing]:
    return course(history.events, customer), Showing(roles, history.events)


def answer(history: History, field: str, customer: str = ANN, roles: Collection[str] = AUDITOR) -> dict[str, Any]:
    steps, showing = asked(history, customer, roles)
    return why(steps, field, showing)


def test_a_field_is_so_because_of_the_event_that_set_it_last_and_was_what_the_one_before_said() -> None:
    history = History().tell(ANN, customer_registered("Ada", external_id="7"), corrected("Ada B"), corrected("Ada C"))

    told = answer(history, "name")

    assert told["now"]["value"] == {"full": "Ada C"}
    assert (told["now"]["source"], told["now"]["rule"], told["now"]["why"]) == (
        "crm:7",
        "survivorship shipped.3",
        "only value",
    )
    because = told["because"]
    assert (because["event"]["log"], because["event"]["position"]) == ("customer", 3)
    assert because["event"]["type"] == "customer.name_corrected.v1"
    assert because["event"]["actor"] == "user:u1"
    assert because["event"]["command"] == history.events[2].command
    assert because["event"]["data"] == {"reason": "by phone"}
    assert [turn["became"]["value"]["full"] for turn in told["before"]] == ["Ada B", "Ada"]
    assert told["before"][-1]["was"] is None


def test_a_value_of_another_member_is_there_because_of_the_link_and_from_that_members_event() -> None:
    history = History().tell(ANN, customer_registered("Ada")).tell(BEN, customer_registered("Ada B", external_id="9"))
    history.tell(ANN, linked())

    told = answer(history, "name")

    assert told["now"]["value"] == {"full": "Ada B"}
    assert (told["now"]["member"], told["now"]["why"]) == (BEN, "most recent")
    assert told["because"]["event"]["type"] == "identity.linked.v2"
    assert told["because"]["event"]["data"]["decided_by"] == "rule.exact.1"
    assert told["because"]["value_from"]["position"] == 2
    assert told["because"]["value_from"]["source"] == "crm:9"
    assert told["because"]["was"]["value"] == {"full": "Ada"}


def test_a_separation_makes_it_what_it_was() -> None:
    history = History().tell(ANN, customer_registered("Ada")).tell(BEN, customer_registered("Ada B"))
    history.tell(ANN, linked()).tell(ANN, separated())

    assert answer(history, "name")["now"]["value"] == {"full": "Ada"}
    assert answer(history, "name")["because"]["event"]["type"] == "identity.separated.v2"
    assert answer(history, "identity", BEN)["now"]["value"] == BEN
    assert answer(history, "identity", BEN)["because"]["was"]["value"] == ANN


def test_a_policy_is_the_reason_from_when_it_is_in_force_on() -> None:
    history = History().tell(ANN, customer_registered("Ada Lovelace")).tell(BEN, customer_registered("Ada"), linked())
    longest = Policy(default=Rule(order=("longest",)))
    later = START + timedelta(days=2)
    history.tell(
        POLICY,
        SurvivorshipPolicySet(version=1, policy=longest, effective_from=later, reason="fuller"),
        stream=f"survivorship-{POLICY}",
    )

    told = answer(history, "name")

    assert (told["now"]["value"]["full"], told["now"]["rule"], told["now"]["why"]) == (
        "Ada Lovelace",
        "survivorship 1",
        "longest",
    )
    assert told["because"]["event"]["type"] == "survivorship.policy_set.v1"
    assert told["because"]["was"]["value"]["full"] == "Ada"
    steps, showing = asked(history)
    changed = {field["field"]: field for field in difference(steps, later - MINUTE, later, showing)["fields"]}
    assert changed["name"]["events"] == [f"customer:{history.events[-1].position}"]
    assert not difference(steps, later - 2 * MINUTE, later - MINUTE, showing)["fields"]


def test_a_pin_is_the_reason_of_what_holds() -> None:
    history = History().tell(ANN, customer_registered("Ada")).tell(BEN, customer_registered("Ada B"), linked())
    history.tell(ANN, ValuePinned(field="name", reason="seen"))

    told = answer(history, "name")

    assert (told["now"]["value"]["full"], told["now"]["why"]) == ("Ada", "pinned")
    assert told["because"]["event"]["type"] == "customer.value_pinned.v1"
    assert told["because"]["value_from"]["type"] == "customer.registered.v1"


def test_a_phone_is_chosen_for_being_verified() -> None:
    history = History().tell(ANN, customer_registered("Ada", PHONE))
    history.tell(ANN, says.ContactPointAdded(contact_id=an_id("c2"), kind="phone", value=OTHER))
    history.tell(ANN, says.ContactPointVerified(contact_id=an_id(PHONE), method="call"))

    told = answer(history, "phone")

    assert told["now"]["value"] == PHONE
    assert told["now"]["why"] == "verified"
    assert told["because"]["event"]["type"] == "customer.contact_point_verified.v1"
    assert told["because"]["value_from"]["type"] == "customer.registered.v1"
    assert told["because"]["was"]["value"] == OTHER


def test_a_number_names_the_rule_that_made_it() -> None:
    history = History().tell(ANN, customer_registered("Ada"))
    history.tell(ANN, NumberAssigned(number="C1", rule="numbering.default.1", serial=1))

    told = answer(history, "number", roles=OPERATOR)

    assert told["now"]["value"] == "C1"
    assert told["because"]["event"]["data"]["rule"] == "numbering.default.1"


def everything() -> History:
    """Events that set every field there is."""
    registered = customer_registered(
        "Ada", PHONE, birth_date="1980-01-02", address=Address(country="DE", locality="Berlin"),
        identifiers=(Identifier(type="passport", value="X1234567"),), classification={"tier": "a"}, tags=("vip",),
    )  # fmt: skip
    return History().tell(
        ANN,
        registered,
        says.OwnerAssigned(owner="u7", team="t1"),
        says.ConsentGiven(purpose="news", channel="email", text_version="3"),
        says.ConsentWithdrawn(purpose="news", channel="email"),
        says.PreferenceNoted(topic="tea", value="green", source="said"),
        says.RelationshipAdded(relationship_id=an_id("r"), other=BEN, role="parent"),
        says.ExtensionFieldSet(field="size", value="44"),
        says.CustomerArchived(reason="gone"),
        NumberAssigned(number="C1", rule="numbering.default.1", serial=1),
    )


FIELDS = {
    "name": {"full": "Ada"},
    "birth_date": "1980-01-02",
    "phone": PHONE,
    "address:main": {"country": "DE", "lines": [], "locality": "Berlin"},
    "classification:tier": "a",
    "tags": ["vip"],
    "owner": "u7",
    "team": "t1",
    "consent:news/email": {"given": False, "text_version": "3"},
    "preference:tea": "green",
    f"relationship:{an_id('r')}": {"other": BEN, "role": "parent"},
    "extension:size": "44",
    "archived": True,
    "number": "C1",
    "kind": "person",
    "identity": ANN,
    "identifier:1": [{"type": "passport", "value": "X1234567"}],
}


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_has_its_reason(field: str) -> None:
    assert answer(everything(), field)["now"]["value"] == FIELDS[field]


def test_no_field_of_a_member_is_left_out() -> None:
    steps, _ = asked(everything())

    assert steps[-1].after.keys() == FIELDS.keys()
    assert {field.partition(":")[0] for field in FIELDS} | {"email", "social", "aliases"} == {
        *OF_IDENTITY,
        *OF_CUSTOMER,
    }


@pytest.mark.parametrize(
    ("roles", "field", "shown"),
    [
        (OPERATOR, "name", {"hidden": True}),
        (OPERATOR, "owner", {"hidden": True}),
        (OPERATOR, "number", {"value": "C1"}),
        (VIEWER, "name", {"value": {"full": "A***"}, "masked": True}),
        (VIEWER, "phone", {"value": "***3456", "masked": True}),
        (VIEWER, "birth_date", {"value": "1980-**-**", "masked": True}),
        (SALES, "identifier:1", {"value": [{"type": "***rt", "value": "***67"}], "masked": True}),
        (set[str](), "number", {"hidden": True}),
    ],
)
def test_values_are_for_those_who_may_see_them(roles: Collection[str], field: str, shown: dict[str, Any]) -> None:
    steps, showing = asked(everything(), roles=roles)

    told = why(steps, field, showing)["now"]

    assert {name: told[name] for name in ("value", "masked", "hidden", "erased") if name in told} == shown
    assert not showing.disclosed


def test_what_is_shown_in_the_clear_is_what_has_to_be_recorded_and_no_more() -> None:
    for field, label in (("name", "name"), ("phone", "contacts"), ("address:main", "addresses")):
        steps, showing = asked(everything())
        why(steps, field, showing)
        assert showing.disclosed == {ANN: {label}}


def test_of_an_erased_customer_who_did_what_stays_and_the_values_are_gone() -> None:
    history = everything()
    events = erased(history.events, ANN)

    steps, showing = course(events, ANN), Showing(AUDITOR, events)
    told = why(steps, "name", showing)
    text = json.dumps([why(steps, field, showing) for field in steps[-1].after])

    assert told["now"]["erased"] is True
    assert told["because"]["event"]["position"] == 1
    assert not showing.disclosed
    for personal in ("Ada", PHONE, "1980", "Berlin", "green", "X1234567"):
        assert personal not in text


@pytest.mark.parametrize(
    ("field", "sentence"),
    [("fax", "There is no field 'fax'"), ("email", "Nothing ever set 'email'"), ("address:work", "Nothing ever set")],
)
def test_a_field_that_was_never_set_is_refused_with_those_that_were(field: str, sentence: str) -> None:
    with pytest.raises(EmbeddedError, match=rf"{sentence}.*archived, .*name"):
        answer(everything(), field)


def test_a_difference_tells_each_field_before_and_after_and_by_which_events() -> None:
    history = History().tell(ANN, customer_registered("Ada", PHONE), corrected("Ada B"))
    history.tell(ANN, says.OwnerAssigned(owner="u7"), corrected("Ada C"), says.CustomerArchived(reason="gone"))
    steps, showing = asked(history)

    told = difference(steps, START + MINUTE, START + 3 * MINUTE, showing)

    assert [(each["field"], each["events"]) for each in told["fields"]] == [
        ("name", ["customer:4"]),
        ("owner", ["customer:3"]),
    ]
    assert told["fields"][0]["before"]["value"] == {"full": "Ada B"}
    assert told["fields"][0]["after"]["value"] == {"full": "Ada C"}
    assert told["fields"][1]["before"] is None
    assert [event["position"] for event in told["events"]] == [3, 4]


def test_before_the_customer_was_known_there_was_nothing() -> None:
    steps, showing = asked(History().tell(ANN, customer_registered("Ada")))

    told = difference(steps, START - MINUTE, START, showing)

    assert all(each["before"] is None for each in told["fields"])
    with pytest.raises(EmbeddedError, match="was not known"):
        difference(steps, START - 2 * MINUTE, START - MINUTE, showing)


def test_what_came_back_to_what_it_was_is_no_difference_but_its_events_are_told() -> None:
    history = History().tell(ANN, customer_registered("Ada")).tell(BEN, customer_registered("Ada B"))
    history.tell(ANN, linked()).tell(ANN, separated())
    steps, showing = asked(history)

    told = difference(steps, START + MINUTE, START + 4 * MINUTE, showing)

    assert told["fields"] == []
    assert [event["type"] for event in told["events"]] == ["identity.linked.v2", "identity.separated.v2"]


def test_a_merge_changes_what_holds_and_who_is_in_it() -> None:
    history = History().tell(ANN, customer_registered("Ada")).tell(BEN, customer_registered("Ada B"))
    history.tell(ANN, linked())
    steps, showing = asked(history, BEN)

    told = difference(steps, START + MINUTE, START + 3 * MINUTE, showing)

    assert {each["field"] for each in told["fields"]} == {"identity"}
    assert told["fields"][0]["after"]["value"] == ANN


CHANGES = st.sampled_from(
    [
        (ANN, corrected("Ada B")),
        (BEN, corrected("Ada C")),
        (ANN, linked()),
        (ANN, separated()),
        (ANN, says.CustomerArchived(reason="x")),
        (ANN, says.CustomerRestored(reason="x")),
        (BEN, says.Tagged(added=("a",))),
        (BEN, says.Tagged(removed=("a",))),
        (ANN, says.ContactPointAdded(contact_id=an_id("c"), kind="phone", value=OTHER)),
        (ANN, says.ContactPointRemoved(contact_id=an_id("c"), reason="x")),
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CHANGES, max_size=12), st.sampled_from([ANN, BEN]))
def test_after_all_steps_it_is_as_the_view_has_it(told: list[tuple[str, Any]], customer: str) -> None:
    history = History().tell(ANN, customer_registered("Ada", PHONE)).tell(BEN, customer_registered("Ada B"))
    for about, event in told:
        history.tell(about, event)

    steps = course(history.events, customer)

    documents = fold_all(history.events, [CUSTOMER])["customer"].values()
    document = next(doc for doc in documents if any(member["customer"] == customer for member in doc["members"]))
    assert steps[-1].after == facts(document, customer, opened_of(history.events))
    for field, fact in steps[-1].after.items():
        last = [change for step in steps for change in step.changes if change.field == field][-1]
        assert last.after is not None
        assert last.after.says() == fact.says()


def test_an_event_that_is_told_whole_shows_what_the_access_log_calls_so() -> None:
    history = History().tell(ANN, customer_registered("Ann Example", PHONE, birth_date="1980-02-29"))
    history.tell(
        ANN,
        says.ContactPointAdded(contact_id=an_id("c"), kind="phone", value=OTHER, raw=OTHER),
        says.PreferenceNoted(topic="tea", value="green", source="call", confidence="1"),
        says.ExtensionFieldSet(field="shoe", value=42),
        says.IdentifierAdded(identifier=Identifier(type="tax", value="123")),
        says.CustomerArchived(reason="moved"),
    )

    assert [disclosed_by(event) for event in history.events] == [
        {"name", "birth_date", "contacts"},
        {"contacts"},
        {"preferences"},
        {"extensions"},
        {"identifiers"},
        set(),
    ]
    assert [disclosed_by(event) for event in erased(history.events, ANN)] == [set()] * 6
