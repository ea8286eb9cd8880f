"""Whatever commands come in whatever order, the state stays sound, and no fold fails."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.customer.domain import customer, order, ticket
from services.customer.domain import customer_commands as commands
from services.customer.domain import erasure_commands as erasure
from services.customer.domain import rights_commands as rights
from services.customer.domain.customer_state import Customer
from services.customer.domain.order import DeliverOrder, Order, PayOrder, PlaceOrder, ReturnOrder
from services.customer.domain.text import clean_line
from services.customer.domain.ticket import AnswerTicket, OpenTicket, ReopenTicket, ResolveTicket
from shared.errors import CustlogError
from shared.eventlog.decider import Decider
from shared.events.customer import Address, Name
from shared.events.envelope import ERASED, Contract
from shared.ids import derive
from tests.customer.examples import ID, OTHER, register
from tests.support.given import NOW

codes = st.sampled_from(["a", "b", "c"])
contact_ids = st.integers(1, 4).map(lambda n: derive("contact", ID, str(n)))
relationship_ids = st.integers(1, 3).map(lambda n: derive("relationship", ID, str(n)))
customer_commands: st.SearchStrategy[Any] = st.one_of(
    st.just(register(phones=["+61412345678"])),
    st.builds(commands.Edit, name=st.sampled_from(["A", "B"]).map(lambda name: Name(full=name))),
    st.builds(commands.Edit, tags=st.lists(codes, max_size=3).map(tuple), owner=codes),
    st.builds(
        commands.AddContactPoint, kind=st.just("phone"), value=st.sampled_from(["0412345678", "0412345679", "x"])
    ),
    st.builds(commands.VerifyContactPoint, contact_id=contact_ids, method=codes),
    st.builds(commands.InvalidateContactPoint, contact_id=contact_ids, reason=codes),
    st.builds(commands.RemoveContactPoint, contact_id=contact_ids, reason=codes),
    st.builds(commands.SetAddress, address=codes.map(lambda code: Address(locality=code))),
    st.builds(commands.Classify, scheme=codes, code=st.none() | codes),
    st.builds(commands.Tag, add=codes.map(lambda code: (code,))),
    st.builds(commands.AddRelationship, other=st.sampled_from([ID, OTHER]), role=codes),
    st.builds(commands.EndRelationship, relationship_id=relationship_ids, reason=codes),
    st.builds(rights.GiveConsent, purpose=codes, channel=codes, text_version=codes),
    st.builds(rights.WithdrawConsent, purpose=codes, channel=codes),
    st.builds(rights.RestrictProcessing, reason=codes),
    st.builds(rights.LiftRestriction, reason=codes),
    st.builds(rights.RaiseObjection, purpose=codes),
    st.builds(rights.WithdrawObjection, purpose=codes),
    st.builds(commands.SetExtensionField, field=codes, value=st.none() | st.booleans() | st.integers(0, 1) | codes),
    st.builds(commands.Archive, reason=codes),
    st.builds(commands.Restore, reason=codes),
    st.builds(erasure.RequestErasure, reason=codes),
    st.builds(erasure.RefuseErasure, reason=codes),
    st.just(erasure.ApproveErasure()),
    st.builds(erasure.PlaceHold, reason=codes, until=st.none() | st.just(NOW.date())),
    st.builds(erasure.LiftHold, hold_id=st.integers(1, 3).map(lambda n: derive("hold", ID, str(n)))),
    st.just(erasure.RecordErasure()),
)
amounts = st.decimals(0, 60, places=2).map(str)
order_commands: st.SearchStrategy[Any] = st.one_of(
    st.builds(PlaceOrder, reference=codes, currency=st.just("EUR"), total=amounts),
    st.builds(PayOrder, amount=amounts, method=codes),
    st.builds(DeliverOrder),
    st.builds(ReturnOrder, amount=amounts, reason=codes),
)
ticket_commands: st.SearchStrategy[Any] = st.one_of(
    st.builds(OpenTicket, topic=codes, summary=codes),
    st.builds(AnswerTicket, text=codes),
    st.builds(ResolveTicket, resolution=codes),
    st.builds(ReopenTicket, reason=codes),
)


def run(decider: Decider[Any, Any], sent: list[Any]) -> tuple[Any, list[Contract]]:
    """The state and the events after these commands; what is refused must be refused by an expected failure."""
    state, happened = decider.initial, list[Contract]()
    for command in sent:
        try:
            events = decider.decide(state, command, NOW)
        except CustlogError:
            continue
        for event in events:
            after = decider.evolve(state, event)
            assert after != state or type(event).__name__ in _MAY_REPEAT, event
            state = after
        happened.extend(events)
    return state, happened


_RIGHTS = tuple(f"customer.{kind}" for kind in ("eras", "hold", "consent", "objection", "processing", "restriction"))
_MAY_REPEAT = {"ExtensionFieldSet"}
"""True and 1 are two values of a field, but one to Python."""


def changes_of(happened: list[Contract]) -> list[str]:
    """The types of what happened to the customer's data; requests, holds and what the person says about
    the use of the data are about the right to them."""
    return [event.TYPE for event in happened if not event.TYPE.startswith(_RIGHTS)]


def erased(event: Contract) -> Contract:
    """The event as it reads when its subject's key is gone."""
    return event.model_copy(update=dict.fromkeys(event.SEALED & event.model_fields_set, ERASED))


@settings(max_examples=200, deadline=None)
@given(st.lists(customer_commands, max_size=30))
def test_a_customer_stays_sound(sent: list[Any]) -> None:
    decider = customer.decider(ID, region="AU")
    state, happened = run(decider, sent)
    assert isinstance(state, Customer)
    assert state == decider.fold(happened)
    assert len(state.contacts) <= state.contacts_seen
    assert not {contact for contact in state.contacts.values() if contact.verified and not contact.valid}
    assert all(other.other != ID for other in state.relationships.values())
    if state.kind is None:
        assert not happened
    if state.archived:
        assert changes_of(happened)[-1] == "customer.archived"


@settings(max_examples=100, deadline=None)
@given(st.lists(customer_commands, max_size=20), st.lists(customer_commands, max_size=10))
def test_an_erased_customer_still_folds_and_decides(first: list[Any], then: list[Any]) -> None:
    decider = customer.decider(ID, region="AU")
    _, happened = run(decider, first)
    state = decider.fold(erased(event) for event in happened)
    for command in then:
        try:
            for event in decider.decide(state, command, NOW):
                state = decider.evolve(state, event)
        except CustlogError:
            continue


@settings(max_examples=200, deadline=None)
@given(st.lists(order_commands, max_size=20))
def test_an_order_is_never_paid_or_given_back_beyond_its_total(sent: list[Any]) -> None:
    state, happened = run(order.decider(ID), sent)
    assert isinstance(state, Order)
    total = Decimal(0) if state.total is None else state.total
    assert 0 <= state.paid <= total
    assert 0 <= state.returned <= total
    assert state.delivered or not state.returned
    assert sum(event.TYPE == "order.placed" for event in happened) <= 1


@settings(max_examples=100, deadline=None)
@given(st.lists(ticket_commands, max_size=20))
def test_a_ticket_opens_and_closes_in_turn(sent: list[Any]) -> None:
    _, happened = run(ticket.decider(ID), sent)
    turns = [event.TYPE for event in happened if event.TYPE != "ticket.answered"]
    opening = [turn != "ticket.resolved" for turn in turns]
    assert opening == [at % 2 == 0 for at in range(len(opening))]


@given(st.text(alphabet=st.characters(codec="utf-8") | st.sampled_from("\u202e\ud800\0\u200d"), max_size=50))
def test_a_clean_text_stays_as_it_is(text: str) -> None:
    try:
        once = clean_line(text)
    except ValueError as refused:
        assert "U+" in str(refused)  # noqa: PT017 - both ways out are right
    else:
        assert clean_line(once) == once
        once.encode()
