"""Who may have a customer erased, when, and what is refused from then on."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from services.customer.domain import customer_commands as commands
from services.customer.domain import erasure_commands as erasure
from services.customer.domain.customer import decider
from services.customer.domain.customer_state import evolve
from services.customer.domain.erasure import check_second_person
from shared.errors import Conflict, Forbidden, Invalid, NotFound
from shared.events import customer as events
from shared.events.envelope import Actor, Contract, Recorded
from shared.ids import derive
from tests.customer.examples import ID, register, registered
from tests.support.events import recorded
from tests.support.given import NOW, Given, given

DECIDER = decider(ID, region="AU")
HOLD, SECOND_HOLD = (derive("hold", ID, n) for n in "12")
REQUEST = erasure.RequestErasure(reason="asked")
REQUESTED = events.ErasureRequested(reason="asked")
REFUSED = events.ErasureRefused(reason="not-the-person")
APPROVED = events.ErasureApproved()
ERASED = events.CustomerErased()
HELD = events.HoldPlaced(hold_id=HOLD, reason="lawsuit")


def by(actor: str, event: Contract) -> Recorded:
    return msgspec.structs.replace(recorded(event, ID), actor=Actor(id=actor, kind="user"))


def before(*happened: Contract) -> Given:
    return given(DECIDER, registered(), *happened)


class TestRequest:
    def test_is_made_once_while_one_is_open(self) -> None:
        before().when(REQUEST).then(REQUESTED)
        before(REQUESTED).when(erasure.RequestErasure(reason="again")).then()

    def test_can_be_made_again_after_one_was_refused(self) -> None:
        before(REQUESTED).when(erasure.RefuseErasure(reason="not-the-person")).then(REFUSED)
        before(REQUESTED, REFUSED).when(REQUEST).then(REQUESTED)

    def test_is_refused_only_while_it_is_open(self) -> None:
        refuse = erasure.RefuseErasure(reason="late")
        for happened in ((), (REQUESTED, REFUSED), (REQUESTED, APPROVED), (REQUESTED, APPROVED, ERASED)):
            before(*happened).when(refuse).refused(Conflict)

    def test_of_an_archived_customer_is_a_request_too(self) -> None:
        before(events.CustomerArchived(reason="gone")).when(REQUEST).then(REQUESTED)

    def test_needs_a_customer(self) -> None:
        given(DECIDER).when(REQUEST).refused(NotFound)


class TestApproval:
    def test_needs_an_open_request(self) -> None:
        for happened in ((), (REQUESTED, REFUSED)):
            before(*happened).when(erasure.ApproveErasure()).refused(Conflict)
        before(REQUESTED).when(erasure.ApproveErasure()).then(APPROVED)

    def test_said_again_changes_nothing(self) -> None:
        for happened in ((APPROVED,), (APPROVED, ERASED)):
            for command in (erasure.ApproveErasure(), REQUEST):
                before(REQUESTED, *happened).when(command).then()

    def test_is_not_given_by_who_requested(self) -> None:
        history = [by("ann", REQUESTED), by("ben", REFUSED), by("ben", REQUESTED)]
        check_second_person(history, erasure.ApproveErasure(), "ann")
        check_second_person(history, erasure.RefuseErasure(reason="x"), "ben")
        with pytest.raises(Forbidden):
            check_second_person(history, erasure.ApproveErasure(), "ben")

    def test_is_followed_by_the_erasure_and_by_nothing_else(self) -> None:
        before(REQUESTED).when(erasure.RecordErasure()).refused(Conflict)
        before(REQUESTED, APPROVED).when(erasure.RecordErasure()).then(ERASED)
        before(REQUESTED, APPROVED, ERASED).when(erasure.RecordErasure()).then()
        # A log that went back to an older backup says it whatever it knows.
        for known in ((), (REQUESTED,), (REQUESTED, APPROVED)):
            before(*known).when(erasure.RecordFormerErasure()).then(ERASED)
        before(ERASED).when(erasure.RecordFormerErasure()).then()

    @pytest.mark.parametrize(
        "command",
        [
            commands.Archive(reason="x"),
            commands.Restore(reason="x"),
            commands.Edit(),
            commands.Tag(add=("a",)),
            erasure.PlaceHold(reason="late"),
            erasure.LiftHold(hold_id=HOLD),
            register(),
        ],
        ids=lambda command: type(command).__name__,
    )
    def test_ends_every_other_command(self, command: Any) -> None:
        before(REQUESTED, APPROVED).when(command).refused(Conflict)
        before(REQUESTED, APPROVED, ERASED).when(command).refused(Conflict)


class TestHold:
    def test_keeps_a_request_from_being_approved_until_it_is_lifted(self) -> None:
        lifted = events.HoldLifted(hold_id=HOLD)
        before(REQUESTED, HELD).when(erasure.ApproveErasure()).refused(Conflict)
        before(REQUESTED, HELD).when(erasure.LiftHold(hold_id=HOLD)).then(lifted)
        before(REQUESTED, HELD, lifted).when(erasure.ApproveErasure()).then(APPROVED)
        before(HELD, lifted).when(erasure.LiftHold(hold_id=HOLD)).then()

    def test_of_several_each_counts(self) -> None:
        second = events.HoldPlaced(hold_id=SECOND_HOLD, reason="tax")
        before(HELD).when(erasure.PlaceHold(reason="tax")).then(second)
        before(REQUESTED, HELD, second, events.HoldLifted(hold_id=HOLD)).when(erasure.ApproveErasure()).refused(
            Conflict
        )

    def test_ends_after_its_last_day(self) -> None:
        today = before(REQUESTED, events.HoldPlaced(hold_id=HOLD, reason="tax", until=NOW.date()))
        today.when(erasure.ApproveErasure()).refused(Conflict)
        today.when(erasure.ApproveErasure(), NOW + timedelta(days=1)).then(APPROVED)

    def test_is_placed_once_and_again_after_it_was_lifted(self) -> None:
        place = erasure.PlaceHold(reason="lawsuit")
        before().when(place).then(HELD)
        before(HELD).when(place).then()
        again = events.HoldPlaced(hold_id=SECOND_HOLD, reason="lawsuit")
        before(HELD, events.HoldLifted(hold_id=HOLD)).when(place).then(again)

    def test_cannot_end_before_today(self) -> None:
        before().when(erasure.PlaceHold(reason="tax", until=date(2026, 11, 21))).refused(Invalid, "until")

    def test_that_is_not_there_cannot_be_lifted(self) -> None:
        before(HELD).when(erasure.LiftHold(hold_id=SECOND_HOLD)).refused(Invalid, "hold_id")
        evolve(DECIDER.fold([registered()]), events.HoldLifted(hold_id=HOLD))
