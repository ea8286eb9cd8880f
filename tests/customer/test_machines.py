"""Deciders as machines: whatever is sent next, the laws hold after every step."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, get_args

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from services.customer.domain import customer, order, ticket
from services.customer.domain import customer_commands as commands
from services.customer.domain import erasure_commands as erasure
from services.customer.domain.customer_state import Customer
from services.customer.domain.erasure_commands import ErasureCommand
from services.customer.domain.order import Order
from services.customer.domain.rights_commands import RightsCommand
from services.customer.domain.ticket import Ticket
from shared.errors import Conflict, CustlogError, NotFound
from shared.eventlog.decider import Decider
from shared.events.envelope import Contract
from tests.customer.examples import ID
from tests.customer.test_properties import (
    changes_of,
    codes,
    contact_ids,
    customer_commands,
    erased,
    order_commands,
    ticket_commands,
)
from tests.support.given import NOW

FEW = settings(max_examples=60, stateful_step_count=40, deadline=None)


class DeciderMachine(RuleBasedStateMachine):
    """What holds for every decider: `state` is the fold of `happened`, and to ask twice is to be answered twice."""

    decider: ClassVar[Decider[Any, Any]]

    def __init__(self) -> None:
        super().__init__()
        self.state = self.decider.initial
        self.happened: list[Contract] = []

    def send(self, command: Any) -> list[Contract] | CustlogError:
        """The events of a command, which then have happened, or its refusal, which must change nothing."""
        answer, again = self._decided(command), self._decided(command)
        if isinstance(answer, CustlogError):
            assert isinstance(again, CustlogError)
            assert (type(again), str(again), again.errors) == (type(answer), str(answer), answer.errors)
            return answer
        assert again == answer
        for event in answer:
            assert type(event).model_validate_json(event.model_dump_json()) == event
            self.state = self.decider.evolve(self.state, event)
        self.happened += answer
        return answer

    def _decided(self, command: Any) -> list[Contract] | CustlogError:
        try:
            return list(self.decider.decide(self.state, command, NOW))
        except CustlogError as refused:
            return refused

    @invariant()
    def the_state_is_what_the_stored_events_tell(self) -> None:
        stored = [type(event).model_validate_json(event.model_dump_json()) for event in self.happened]
        assert self.decider.fold(stored) == self.state

    @invariant()
    def an_erased_history_still_folds(self) -> None:
        self.decider.fold(erased(event) for event in self.happened)


class CustomerMachine(DeciderMachine):
    decider = customer.decider(ID, region="AU")
    state: Customer

    @rule(command=customer_commands)
    def anything(self, command: Any) -> None:
        before = self.state
        answer = self.send(command)
        if before.kind is None and not isinstance(command, commands.Register):
            assert isinstance(answer, NotFound)
        elif isinstance(command, commands.Register):
            assert isinstance(answer, CustlogError) == (before.kind is not None)
        elif not isinstance(command, _taken_by(before)):
            assert isinstance(answer, Conflict)
        elif isinstance(answer, list) and not isinstance(command, _NOT_IDEMPOTENT):
            assert list(self.decider.decide(self.state, command, NOW)) == []

    @rule(contact=contact_ids, reason=codes)
    def a_contact_point_comes_and_goes(self, contact: str, reason: str) -> None:
        self.send(commands.InvalidateContactPoint(contact_id=contact, reason=reason))
        self.send(commands.AddContactPoint(kind="phone", value="0412345678"))
        self.send(commands.VerifyContactPoint(contact_id=contact, method="call"))

    @invariant()
    def no_id_of_a_contact_point_is_given_twice(self) -> None:
        added = [event.contact_id for event in self.happened if event.TYPE == "customer.contact_point_added"]  # type: ignore[attr-defined]
        assert len(added) == len(set(added))
        assert self.state.contacts_seen >= len(added)
        assert len(self.state.contacts) <= self.state.contacts_seen

    @invariant()
    def nobody_is_reached_twice_under_one_value(self) -> None:
        valid = [(contact.kind, contact.value) for contact in self.state.contacts.values() if contact.valid]
        assert len(valid) == len(set(valid))

    @invariant()
    def what_is_known_invalid_is_not_verified(self) -> None:
        assert all(contact.valid or not contact.verified for contact in self.state.contacts.values())

    @invariant()
    def an_archived_customer_has_no_event_after_its_archiving(self) -> None:
        types = changes_of(self.happened)
        for place, name in enumerate(types[:-1]):
            assert name != "customer.archived" or types[place + 1] == "customer.restored"
        assert self.state.archived == (types[-1:] == ["customer.archived"])

    @invariant()
    def nothing_happens_after_an_approved_erasure_but_the_erasure(self) -> None:
        types = [event.TYPE for event in self.happened]
        if "customer.erasure_approved" in types:
            after = types[types.index("customer.erasure_approved") + 1 :]
            assert after == ["customer.erased"][: len(after)]
            assert self.state.erasure == ("done" if after else "approved")

    @invariant()
    def nobody_is_approved_without_an_open_request(self) -> None:
        types = [event.TYPE for event in self.happened if event.TYPE.startswith("customer.erasure_")]
        for place, name in enumerate(types):
            assert (name == "customer.erasure_requested") == (place % 2 == 0)


def _taken_by(state: Customer) -> tuple[type[Any], ...]:
    """The commands that a customer in this state does not refuse for the state's sake alone."""
    if state.erasure in ("approved", "done"):
        return (erasure.RequestErasure, erasure.ApproveErasure, erasure.RecordErasure)
    if state.archived:
        return (commands.Archive, commands.Restore, *get_args(ErasureCommand), *get_args(RightsCommand))
    return (object,)


_NOT_IDEMPOTENT = (commands.Register, commands.RemoveContactPoint, erasure.RefuseErasure)
"""Said again they are refused, because what they speak of is there already or gone."""


class OrderMachine(DeciderMachine):
    decider = order.decider(ID)
    state: Order

    @rule(command=order_commands)
    def anything(self, command: Any) -> None:
        answer = self.send(command)
        assert isinstance(answer, CustlogError) or len(answer) == 1

    @invariant()
    def the_money_adds_up(self) -> None:
        def total(name: str, field: str) -> Decimal:
            amounts = [Decimal(getattr(event, field)) for event in self.happened if name == event.TYPE]
            return sum(amounts, Decimal(0))

        ordered = total("order.placed", "total")
        assert self.state.paid == total("order.paid", "amount") <= ordered
        assert self.state.returned == total("order.returned", "amount") <= ordered

    @invariant()
    def an_order_is_placed_first_delivered_once_and_given_back_after_that(self) -> None:
        types = [event.TYPE for event in self.happened]
        assert [name for name in types if name == "order.placed"] == types[:1]
        assert types.count("order.delivered") <= 1
        if "order.returned" in types:
            assert types.index("order.delivered") < types.index("order.returned")


class TicketMachine(DeciderMachine):
    decider = ticket.decider(ID)
    state: Ticket

    @rule(command=ticket_commands)
    def anything(self, command: Any) -> None:
        allowed = {"OpenTicket": "new", "AnswerTicket": "open", "ResolveTicket": "open", "ReopenTicket": "resolved"}
        before = self.state.status

        answer = self.send(command)

        assert isinstance(answer, list) == (allowed[type(command).__name__] == before)
        assert isinstance(answer, list | (NotFound if before == "new" else Conflict))

    @invariant()
    def every_answer_is_counted(self) -> None:
        assert self.state.answers == sum(event.TYPE == "ticket.answered" for event in self.happened)


@pytest.mark.parametrize("machine", [CustomerMachine, OrderMachine, TicketMachine])
def test_whatever_is_sent_next_the_laws_of_the_aggregate_hold(machine: type[DeciderMachine]) -> None:
    run_state_machine_as_test(machine, settings=FEW)
