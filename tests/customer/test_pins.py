"""What a steward decides about the golden record: pins on values, and the policy by which it chooses."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from services.customer.domain import customer_commands as commands
from services.customer.domain import survivorship
from services.customer.domain.customer import decider
from services.customer.domain.pin_commands import PinValue, UnpinValue
from services.customer.domain.survivorship import SetSurvivorshipPolicy
from shared.errors import Conflict, Invalid, NotFound
from shared.events import customer as events
from shared.events.envelope import Contract
from shared.events.survivorship import Policy, Rule, SurvivorshipPolicySet, ValuePinned, ValueUnpinned
from tests.customer.examples import ID, contact_id, phone, registered
from tests.support.given import NOW, Given, given

DECIDER = decider(ID, region="AU")
PHONE = f"phone:{contact_id(1)}"
RULES = Policy(default=Rule(order=("verified", "recency")))
OTHER_RULES = Policy(default=Rule(order=("source", "recency"), sources=("erp", "*")))
KNOWN: dict[str, Any] = {
    "contact_points": (phone(1, "+61412345678"),),
    "birth_date": "1980-02-29",
    "address": {"locality": "Perth"},
    "classification": {"tier": "a"},
}


def before(*happened: Contract) -> Given:
    return given(DECIDER, registered(**KNOWN), events.ExtensionFieldSet(field="shoe", value=False), *happened)


def pin(field: str) -> PinValue:
    return PinValue(field=field, reason="seen")


def pinned(field: str) -> ValuePinned:
    return ValuePinned(field=field, reason="seen")


FIELDS = ("name", "birth_date", PHONE, "address:main", "classification:tier", "extension:shoe")


class TestPinValue:
    @pytest.mark.parametrize("field", FIELDS)
    def test_holds_a_value_that_the_customer_has(self, field: str) -> None:
        before().when(pin(field)).then(pinned(field))

    @pytest.mark.parametrize("field", FIELDS)
    def test_changes_nothing_the_second_time(self, field: str) -> None:
        before(pinned(field)).when(pin(field)).then()

    @pytest.mark.parametrize(
        "field", [f"email:{contact_id(1)}", "phone:other", "address:postal", "classification:size", "extension:hat"]
    )
    def test_needs_a_value(self, field: str) -> None:
        before().when(pin(field)).refused(Invalid, "field")

    def test_needs_a_contact_point_that_is_valid(self) -> None:
        gone = events.ContactPointInvalidated(contact_id=contact_id(1), reason="bounced")
        before(gone).when(pin(PHONE)).refused(Invalid, "field")

    def test_holds_the_new_value_if_it_is_said_again_after_a_change(self) -> None:
        before(pinned("name"), events.NameCorrected(name=events.Name(full="Mia B"))).when(pin("name")).then(
            pinned("name")
        )

    def test_holds_a_value_that_was_taken_away_and_came_back(self) -> None:
        before(pinned("birth_date"), events.BirthDateSet(), events.BirthDateSet(birth_date="1980-02-29")).when(
            pin("birth_date")
        ).then(pinned("birth_date"))

    def test_is_refused_for_an_archived_customer_and_for_nobody(self) -> None:
        before(events.CustomerArchived(reason="old")).when(pin("name")).refused(Conflict)
        given(DECIDER).when(pin("name")).refused(NotFound)

    @pytest.mark.parametrize("field", ["kind", "number", "phone", "address", "name:x", "shoe", ""])
    def test_knows_its_fields(self, field: str) -> None:
        with pytest.raises(ValidationError):
            pin(field)


class TestUnpinValue:
    def test_ends_a_pin_once(self) -> None:
        unpin, unpinned = UnpinValue(field="name", reason="done"), ValueUnpinned(field="name", reason="done")
        before(pinned("name")).when(unpin).then(unpinned)
        before(pinned("name"), unpinned).when(unpin).then()

    @pytest.mark.parametrize(
        ("field", "gone"),
        [
            (PHONE, events.ContactPointRemoved(contact_id=contact_id(1), reason="wish")),
            ("birth_date", events.BirthDateSet()),
            ("classification:tier", events.Classified(scheme="tier")),
            ("extension:shoe", events.ExtensionFieldSet(field="shoe")),
        ],
    )
    def test_has_nothing_to_end_where_the_value_was_taken_away(self, field: str, gone: Contract) -> None:
        before(pinned(field), gone).when(UnpinValue(field=field, reason="done")).then()

    def test_ends_a_pin_whose_value_has_changed_since(self) -> None:
        changed = events.AddressSet(usage="main", address=events.Address(locality="Sydney"))
        before(pinned("address:main"), changed).when(UnpinValue(field="address:main", reason="done")).then(
            ValueUnpinned(field="address:main", reason="done")
        )


def policy(number: int, rules: Policy = RULES, days: int = 0) -> SurvivorshipPolicySet:
    return SurvivorshipPolicySet(
        version=number, policy=rules, effective_from=NOW + timedelta(days=days), reason="better"
    )


def put(rules: Policy = RULES, days: int | None = None) -> SetSurvivorshipPolicy:
    begins = None if days is None else NOW + timedelta(days=days)
    return SetSurvivorshipPolicy(policy=rules, effective_from=begins, reason="better")


class TestSetSurvivorshipPolicy:
    def test_holds_from_now_on_or_from_a_later_instant(self) -> None:
        given(survivorship.decider()).when(put()).then(policy(1))
        given(survivorship.decider(), policy(1, days=-9)).when(put(OTHER_RULES, days=9)).then(
            policy(2, OTHER_RULES, days=9)
        )

    def test_changes_nothing_if_it_is_in_force_then_anyway(self) -> None:
        given(survivorship.decider(), policy(1, days=-9)).when(put()).then()
        given(survivorship.decider(), policy(1, days=-9), policy(2, OTHER_RULES, days=5)).when(put(days=7)).then(
            policy(3, days=7)
        )

    def test_cannot_have_begun_before(self) -> None:
        given(survivorship.decider()).when(put(days=-1)).refused(Invalid, "effective_from")
        told = put().model_copy(update={"occurred_at": NOW - timedelta(days=1)})
        given(survivorship.decider()).when(told).refused(Invalid, "occurred_at")


def test_an_edit_of_a_pinned_field_is_taken_as_ever() -> None:
    before(pinned("name")).when(commands.Edit.model_validate({"name": "Mia B"})).then(
        events.NameCorrected(name=events.Name(full="Mia B"))
    )
