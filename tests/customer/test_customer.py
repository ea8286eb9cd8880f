"""What happens to a customer, given what happened before."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from services.customer.domain import customer_commands as commands
from services.customer.domain import rights_commands as rights
from services.customer.domain.customer import MAX_CONTACTS, decider
from services.customer.domain.customer_state import evolve
from shared.errors import Conflict, Invalid, NotFound
from shared.events import customer as events
from shared.events.catalogue import LOGS
from shared.events.envelope import ERASED, Contract
from shared.events.survivorship import ValuePinned, ValueUnpinned
from shared.ids import derive
from tests.customer.examples import ID, OTHER, contact_id, phone, register, registered
from tests.support.given import NOW, Given, given

DECIDER = decider(ID, region="AU")
ADDRESS = {"lines": ["1 High St"], "locality": "Perth"}


def before(*happened: Contract, **registration: Any) -> Given:
    return given(DECIDER, registered(**registration), *happened)


class TestRegister:
    def test_makes_a_customer_of_four_fields(self) -> None:
        given(DECIDER).when(register()).then(registered())

    def test_takes_everything_a_source_knows(self) -> None:
        known: dict[str, Any] = {
            "external_id": "7",
            "birth_date": "1980-02-29",
            "address": ADDRESS,
            "identifiers": [{"type": "tax", "value": "99"}],
            "classification": {"segment": "gold"},
        }
        command = register(phones=["0412 345 678"], emails=["Mia@Example.ORG"], tags=["a", "b", "a"], **known)
        email = events.ContactPoint(
            contact_id=contact_id(2), kind="email", value="Mia@example.org", raw="Mia@Example.ORG"
        )
        points = (phone(1, "+61412345678", "0412 345 678"), email)
        given(DECIDER).when(command).then(registered(contact_points=points, tags=("a", "b"), **known))

    def test_keeps_a_contact_point_that_is_given_twice_once(self) -> None:
        command = register(phones=["+61412345678", "0412345678"])
        given(DECIDER).when(command).then(registered(contact_points=(phone(1, "+61412345678"),)))

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"phones": ["+61412345678", "call me"]}, "phones.1"),
            ({"phones": ["12"]}, "phones.0"),
            ({"emails": ["mia at home"]}, "emails.0"),
            ({"birth_date": "2026-11-23"}, "birth_date"),
        ],
    )
    def test_refuses_what_only_the_field_itself_can_explain(self, wrong: dict[str, Any], field: str) -> None:
        given(DECIDER).when(register(**wrong)).refused(Invalid, field)

    def test_needs_the_country_code_where_no_region_is_known(self) -> None:
        given(decider(ID)).when(register(phones=["0412 345 678"])).refused(Invalid, "phones.0")

    def test_happens_once(self) -> None:
        before().when(register()).refused(Conflict)


class TestNames:
    def test_are_shown_from_their_parts(self) -> None:
        command = register(name={"given": "Mia", "family": "Zanzibarra"})
        assert command.name.full == "Mia Zanzibarra"

    def test_are_stored_composed(self) -> None:
        assert register(name="Zoe\u0308").name.full == "Zo\u00eb"

    def test_keep_compatibility_ideographs_and_joiners(self) -> None:
        for name in ("\uf9b4\u6728", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0002f800"):
            assert register(name=name).name.full == name

    @pytest.mark.parametrize("char", ["\0", "\x1b", "\x85", "\u202e", "\u2066", "\u200f", "\ud800", "\ufeff", "\u2028"])
    def test_hold_no_invisible_characters(self, char: str) -> None:
        with pytest.raises(ValidationError):
            register(name=f"Mia{char}Z")
        with pytest.raises(ValidationError):
            register(name={"full": "Mia", "given": f"M{char}ia"})

    @pytest.mark.parametrize("name", ["", "  ", "x" * 201, {}, {"full": 7}, {"full": "a", "nick": "b"}, None, 5, ["a"]])
    def test_are_texts_of_a_limited_length(self, name: Any) -> None:
        with pytest.raises(ValidationError):
            register(name=name)


class TestEdit:
    def test_makes_an_event_per_real_change(self) -> None:
        command = commands.Edit.model_validate(
            {
                "name": "Mia Second",
                "birth_date": "1980-01-01",
                "address": ADDRESS,
                "classification": {"segment": "gold", "old": None},
                "tags": ["b", "c"],
                "owner": "u7",
                "reason": "asked for",
            }
        )
        before(tags=("a", "b"), classification={"old": "x"}).when(command).then(
            events.NameCorrected(name=events.Name(full="Mia Second"), reason="asked for"),
            events.BirthDateSet(birth_date=date(1980, 1, 1)),
            events.AddressSet(usage="main", address=events.Address.model_validate(ADDRESS)),
            events.Classified(scheme="segment", code="gold"),
            events.Classified(scheme="old", code=None),
            events.Tagged(added=("c",), removed=("a",)),
            events.OwnerAssigned(owner="u7"),
        )

    def test_of_what_is_so_already_changes_nothing(self) -> None:
        command = commands.Edit.model_validate(
            {"name": "Mia Zanzibarra", "tags": [], "owner": None, "birth_date": None}
        )
        before().when(command).then()

    def test_takes_away_a_birth_date_with_null(self) -> None:
        before(birth_date="1980-01-01").when(commands.Edit(birth_date=None)).then(events.BirthDateSet(birth_date=None))

    def test_leaves_the_team_alone_when_only_the_owner_is_given(self) -> None:
        before(events.OwnerAssigned(owner="u1", team="north")).when(commands.Edit(owner="u2")).then(
            events.OwnerAssigned(owner="u2", team="north")
        )

    @pytest.mark.parametrize("field", ["name", "address", "tags"])
    def test_cannot_take_away_what_must_be(self, field: str) -> None:
        with pytest.raises(ValidationError):
            commands.Edit.model_validate({field: None})

    def test_of_an_erased_name_is_a_change_like_any_other(self) -> None:
        before(name=ERASED).when(commands.Edit(name=events.Name(full="Mia"))).then(
            events.NameCorrected(name=events.Name(full="Mia"))
        )


class TestContactPoints:
    def test_get_the_next_id_even_after_one_was_removed(self) -> None:
        removed = events.ContactPointRemoved(contact_id=contact_id(1), reason="wrong")
        before(removed, contact_points=(phone(1, "+61412345678"),)).when(
            commands.AddContactPoint(kind="phone", value="0412 345 679")
        ).then(
            events.ContactPointAdded(contact_id=contact_id(2), kind="phone", value="+61412345679", raw="0412 345 679")
        )

    def test_are_added_once(self) -> None:
        before(contact_points=(phone(1, "+61412345678"),)).when(
            commands.AddContactPoint(kind="phone", value="0412345678")
        ).then()

    def test_have_a_limit(self) -> None:
        points = tuple(phone(n, f"+614123450{n:02}") for n in range(MAX_CONTACTS))
        before(contact_points=points).when(commands.AddContactPoint(kind="social", value="@mia")).refused(Conflict)

    def test_are_verified_and_invalidated_once(self) -> None:
        points = (phone(1, "+61412345678"),)
        verify = commands.VerifyContactPoint(contact_id=contact_id(1), method="call")
        verified = events.ContactPointVerified(contact_id=contact_id(1), method="call")
        before(contact_points=points).when(verify).then(verified)
        before(verified, contact_points=points).when(verify).then()
        invalidate = commands.InvalidateContactPoint(contact_id=contact_id(1), reason="bounced")
        invalidated = events.ContactPointInvalidated(contact_id=contact_id(1), reason="bounced")
        before(contact_points=points).when(invalidate).then(invalidated)
        before(invalidated, contact_points=points).when(invalidate).then()

    def test_are_not_verified_once_they_were_added_anew(self) -> None:
        invalidated = events.ContactPointInvalidated(contact_id=contact_id(1), reason="bounced")
        added = events.ContactPointAdded(contact_id=contact_id(2), kind="phone", value="+61412345678")
        verify = commands.VerifyContactPoint(contact_id=contact_id(1), method="call")
        given_again = before(invalidated, added, contact_points=(phone(1, "+61412345678"),))
        given_again.when(verify).refused(Invalid, "contact_id")

    @pytest.mark.parametrize(
        "command",
        [
            commands.VerifyContactPoint(contact_id=OTHER, method="call"),
            commands.InvalidateContactPoint(contact_id=OTHER, reason="bounced"),
            commands.RemoveContactPoint(contact_id=OTHER, reason="wrong"),
        ],
    )
    def test_have_to_be_the_customers_own(self, command: commands.Change) -> None:
        before().when(command).refused(Invalid, "contact_id")

    def test_of_an_erased_registration_cannot_be_addressed(self) -> None:
        command = commands.RemoveContactPoint(contact_id=contact_id(1), reason="wrong")
        before(contact_points=ERASED).when(command).refused(Invalid, "contact_id")


RELATIONSHIP = derive("relationship", ID, "1")
IDENTIFIER = events.Identifier(type="tax", value="99")
RELATED = events.RelationshipAdded(relationship_id=RELATIONSHIP, other=OTHER, role="spouse")
ONCE = [
    (
        commands.SetAddress(usage="billing", address=events.Address(locality="Perth")),
        events.AddressSet(usage="billing", address=events.Address(locality="Perth")),
    ),
    (commands.AddIdentifier(identifier=IDENTIFIER), events.IdentifierAdded(identifier=IDENTIFIER)),
    (commands.Classify(scheme="segment", code="gold"), events.Classified(scheme="segment", code="gold")),
    (commands.Tag(add=("a",)), events.Tagged(added=("a",))),
    (
        commands.NotePreference(topic="language", value="fr", source="call", confidence="0.8"),
        events.PreferenceNoted(topic="language", value="fr", source="call", confidence="0.8"),
    ),
    (commands.AddRelationship(other=OTHER, role="spouse"), RELATED),
    (commands.AssignOwner(owner="u1", team="north"), events.OwnerAssigned(owner="u1", team="north")),
    (
        rights.GiveConsent(purpose="news", channel="web", text_version="v2"),
        events.ConsentGiven(purpose="news", channel="web", text_version="v2"),
    ),
    (
        rights.WithdrawConsent(purpose="news", channel="web", reason="asked"),
        events.ConsentWithdrawn(purpose="news", channel="web", reason="asked"),
    ),
    (commands.SetExtensionField(field="vip", value=1), events.ExtensionFieldSet(field="vip", value=1)),
    (commands.Archive(reason="duplicate"), events.CustomerArchived(reason="duplicate")),
]


@pytest.mark.parametrize(("command", "event"), ONCE, ids=lambda part: type(part).__name__)
def test_a_command_makes_its_event_once(command: commands.CustomerCommand, event: Contract) -> None:
    before().when(command).then(event)
    before(event).when(command).then()


def test_true_is_not_one() -> None:
    before(events.ExtensionFieldSet(field="vip", value=1)).when(
        commands.SetExtensionField(field="vip", value=True)
    ).then(events.ExtensionFieldSet(field="vip", value=True))


def test_consent_is_given_again_after_it_was_withdrawn() -> None:
    given_event = events.ConsentGiven(purpose="news", channel="web", text_version="v2")
    before(given_event, events.ConsentWithdrawn(purpose="news", channel="web")).when(
        rights.GiveConsent(purpose="news", channel="web", text_version="v2")
    ).then(given_event)


def test_a_relationship_ends_once_and_only_if_it_is_there() -> None:
    end = commands.EndRelationship(relationship_id=RELATIONSHIP, reason="over")
    ended = events.RelationshipEnded(relationship_id=RELATIONSHIP, reason="over")
    before(RELATED).when(end).then(ended)
    before(RELATED, ended).when(end).then()
    before().when(end).refused(Invalid, "relationship_id")


def test_nobody_is_related_to_themselves() -> None:
    before().when(commands.AddRelationship(other=ID, role="spouse")).refused(Invalid, "other")


def test_a_tag_is_not_added_and_removed_at_once() -> None:
    with pytest.raises(ValidationError):
        commands.Tag(add=("a",), remove=("a",))


def test_an_archived_customer_takes_nothing_but_its_restoration() -> None:
    archived = events.CustomerArchived(reason="gone")
    before(archived).when(commands.Tag(add=("a",))).refused(Conflict)
    before(archived).when(commands.Edit()).refused(Conflict)
    before(archived).when(commands.Restore(reason="back")).then(events.CustomerRestored(reason="back"))
    before().when(commands.Restore(reason="back")).then()


def test_nothing_happens_to_a_customer_that_is_not_there() -> None:
    given(DECIDER).when(commands.Archive(reason="gone")).refused(NotFound)
    given(DECIDER).when(commands.Tag(add=("a",))).refused(NotFound)


@pytest.mark.parametrize(
    "occurred_at",
    [
        "1700-01-01T00:00:00Z",
        "2026-11-22T09:00:00",
        1763800000,
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_a_time_is_a_text_with_its_offset_and_in_reach(occurred_at: Any) -> None:
    with pytest.raises(ValidationError):
        register(occurred_at=occurred_at)


@pytest.mark.parametrize("day", [19800229, "1980-02-30", "1980-2-3", "1799-01-01", "29.02.1980", 0.5, True])
def test_a_day_is_a_text_of_the_calendar(day: Any) -> None:
    with pytest.raises(ValidationError):
        register(birth_date=day)


def test_every_customer_event_has_an_effect_on_the_state() -> None:
    start = DECIDER.fold([registered()])
    seen: set[type[Contract]] = {events.CustomerRegistered}
    follow_up: list[Contract] = [
        events.NameCorrected(name=ERASED),
        events.BirthDateSet(birth_date=ERASED),
        events.ContactPointAdded(contact_id=contact_id(1), kind="email", value=ERASED, raw=ERASED),
        events.ContactPointVerified(contact_id=contact_id(1), method="call"),
        events.ContactPointInvalidated(contact_id=contact_id(1), reason="bounced"),
        events.ContactPointRemoved(contact_id=contact_id(1), reason="wrong"),
        events.AddressSet(usage="main", address=ERASED),
        events.IdentifierAdded(identifier=ERASED),
        events.PreferenceNoted(topic="t", value=ERASED, source="s"),
        events.RelationshipEnded(relationship_id=RELATIONSHIP, reason="over"),
        events.ExtensionFieldSet(field="f", value=ERASED),
        events.CustomerRestored(reason="back"),
        events.ErasureRequested(reason="asked"),
        events.ErasureRefused(reason="wrong-person"),
        events.HoldPlaced(hold_id=OTHER, reason="tax"),
        events.HoldLifted(hold_id=OTHER),
        events.ProcessingRestricted(reason="contested"),
        events.RestrictionLifted(reason="verified"),
        events.ObjectionRaised(purpose="news"),
        events.ObjectionWithdrawn(purpose="news"),
        ValuePinned(field="name", reason="seen"),
        ValueUnpinned(field="name", reason="done"),
        events.ErasureApproved(),
        events.CustomerErased(),
    ]
    state = start
    for event in [event for _, event in ONCE] + follow_up:
        after = evolve(state, event)
        assert after != state, type(event).__name__
        seen.add(type(event))
        state = after

    assert {contract for contract in LOGS["customer"] if contract.TYPE.startswith("customer.")} == seen


def test_unknown_contacts_and_relationships_do_not_stop_the_fold() -> None:
    state = DECIDER.fold([registered(contact_points=ERASED, identifiers=ERASED)])
    for event in (
        events.ContactPointVerified(contact_id=OTHER, method="call"),
        events.ContactPointInvalidated(contact_id=OTHER, reason="bounced"),
        events.ContactPointRemoved(contact_id=OTHER, reason="wrong"),
        events.RelationshipEnded(relationship_id=OTHER, reason="over"),
        events.OrderDelivered(order_id=OTHER),
    ):
        state = evolve(state, event)

    assert state.contacts == {}


def test_the_present_is_not_the_future() -> None:
    born_today = register(birth_date=NOW.date().isoformat())
    given(DECIDER).when(born_today, now=NOW).decided()
    given(DECIDER).when(born_today, now=NOW - timedelta(days=1)).refused(Invalid, "birth_date")
    assert datetime(2026, 11, 22, tzinfo=UTC).date() == NOW.date()
