"""What a person says about the use of their data: consent per purpose and channel, restriction, objection."""

import pytest

from services.customer.domain import rights_commands as rights
from services.customer.domain.customer import decider
from shared.errors import Conflict, NotFound
from shared.events import customer as events
from shared.events.envelope import Contract
from tests.customer.examples import ID, registered
from tests.support.given import NOW, Given, given

DECIDER = decider(ID, region="AU")
BY_MAIL = rights.GiveConsent(purpose="marketing", channel="email", text_version="v1")
MAIL_GIVEN = events.ConsentGiven(purpose="marketing", channel="email", text_version="v1")
PHONE_GIVEN = events.ConsentGiven(purpose="marketing", channel="phone", text_version="v1")
NO_MAIL = rights.WithdrawConsent(purpose="marketing", channel="email", reason="asked")
MAIL_WITHDRAWN = events.ConsentWithdrawn(purpose="marketing", channel="email", reason="asked")
RESTRICT = rights.RestrictProcessing(reason="accuracy-contested")
RESTRICTED = events.ProcessingRestricted(reason="accuracy-contested")
LIFT = rights.LiftRestriction(reason="accuracy-verified")
LIFTED = events.RestrictionLifted(reason="accuracy-verified")
OBJECT = rights.RaiseObjection(purpose="marketing", reason="asked")
OBJECTED = events.ObjectionRaised(purpose="marketing", reason="asked")
APPROVED = (events.ErasureRequested(reason="asked"), events.ErasureApproved())


def before(*happened: Contract) -> Given:
    return given(DECIDER, registered(), *happened)


class TestConsent:
    def test_through_one_channel_says_nothing_about_another(self) -> None:
        before(PHONE_GIVEN).when(BY_MAIL).then(MAIL_GIVEN)
        before(MAIL_GIVEN, PHONE_GIVEN).when(NO_MAIL).then(MAIL_WITHDRAWN)
        before(MAIL_GIVEN, PHONE_GIVEN).when(BY_MAIL).then()

    def test_withdrawn_through_every_channel_leaves_none(self) -> None:
        no_phone = rights.WithdrawConsent(purpose="marketing", channel="phone")

        before(MAIL_GIVEN, PHONE_GIVEN, MAIL_WITHDRAWN).when(no_phone).then(
            events.ConsentWithdrawn(purpose="marketing", channel="phone")
        )

    def test_to_a_newer_text_is_given_again(self) -> None:
        newer = rights.GiveConsent(purpose="marketing", channel="email", text_version="v2")

        agreed = events.ConsentGiven(purpose="marketing", channel="email", text_version="v2")
        before(MAIL_GIVEN).when(newer).then(agreed)


class TestRestriction:
    def test_holds_until_it_is_lifted(self) -> None:
        before().when(RESTRICT).then(RESTRICTED)
        before(RESTRICTED).when(RESTRICT).then()
        before(RESTRICTED).when(LIFT).then(LIFTED)
        before(RESTRICTED, LIFTED).when(LIFT).then()
        before(RESTRICTED, LIFTED).when(RESTRICT).then(RESTRICTED)

    def test_leaves_what_is_wrong_to_be_corrected(self) -> None:
        state = DECIDER.fold([registered(), RESTRICTED, events.NameCorrected(name=registered().name)])

        assert state.restricted


class TestObjection:
    def test_is_to_one_purpose(self) -> None:
        before().when(OBJECT).then(OBJECTED)
        before(OBJECTED).when(OBJECT).then()
        before(OBJECTED).when(rights.RaiseObjection(purpose="customer_care")).then(
            events.ObjectionRaised(purpose="customer_care")
        )

    def test_can_be_taken_back(self) -> None:
        withdraw = rights.WithdrawObjection(purpose="marketing")

        before(OBJECTED).when(withdraw).then(events.ObjectionWithdrawn(purpose="marketing"))
        before().when(withdraw).then()


@pytest.mark.parametrize("command", [BY_MAIL, NO_MAIL, RESTRICT, LIFT, OBJECT])
class TestEverybody:
    def test_may_speak_while_archived(self, command: rights.RightsCommand) -> None:
        archived = events.CustomerArchived(reason="gone")

        assert DECIDER.decide(DECIDER.fold([registered(), archived]), command, NOW) or command == LIFT

    def test_has_to_be_known_and_not_erased(self, command: rights.RightsCommand) -> None:
        given(DECIDER).when(command).refused(NotFound)
        before(*APPROVED).when(command).refused(Conflict)
