"""What happens to an order, given what happened before."""

import pytest
from pydantic import ValidationError

from services.customer.domain.order import DeliverOrder, OrderCommand, PayOrder, PlaceOrder, ReturnOrder, decider
from shared.errors import Conflict, CustlogError, Invalid, NotFound
from shared.events import customer as events
from tests.customer.examples import ID
from tests.support.given import NOW, given

DECIDER = decider(ID)
PLACED = events.OrderPlaced(order_id=ID, reference="A-1", currency="EUR", total="100.10")
DELIVERED = events.OrderDelivered(order_id=ID)


def paid(amount: str) -> events.OrderPaid:
    return events.OrderPaid(order_id=ID, amount=amount, method="card")


def returned(amount: str) -> events.OrderReturned:
    return events.OrderReturned(order_id=ID, amount=amount, reason="broken")


def test_an_order_is_placed_once() -> None:
    place = PlaceOrder(reference="A-1", currency="EUR", total="100.10")
    given(DECIDER).when(place).then(PLACED)
    given(DECIDER, PLACED).when(place).refused(Conflict)


def test_the_lines_add_up_exactly() -> None:
    tenth = events.OrderLine(product="p", quantity="1", amount="0.1")
    lines = (tenth, tenth, tenth)
    place = PlaceOrder(reference="A-1", currency="EUR", total="0.30", lines=lines)
    given(DECIDER).when(place).then(
        events.OrderPlaced(order_id=ID, reference="A-1", currency="EUR", total="0.30", lines=lines)
    )
    given(DECIDER).when(place.model_copy(update={"total": "0.31"})).refused(Invalid, "total")


def test_a_line_has_a_quantity() -> None:
    line = events.OrderLine(product="p", quantity="0", amount="0")
    place = PlaceOrder(reference="A-1", currency="EUR", total="0", lines=(line,))
    given(DECIDER).when(place).refused(Invalid, "lines.0.quantity")


@pytest.mark.parametrize("total", ["-1", "1e3", "NaN", "1,5", "01", "1.1234567", 5])
def test_an_amount_is_a_plain_decimal(total: str) -> None:
    with pytest.raises(ValidationError):
        PlaceOrder.model_validate({"reference": "A", "currency": "EUR", "total": total})


def test_an_order_is_paid_in_parts_up_to_its_total() -> None:
    pay = PayOrder(amount="50.05", method="card")
    given(DECIDER, PLACED).when(pay).then(paid("50.05"))
    given(DECIDER, PLACED, paid("50.05")).when(pay).then(paid("50.05"))
    given(DECIDER, PLACED, paid("50.05"), paid("50.05")).when(pay).refused(Invalid, "amount")


def test_nothing_is_no_payment() -> None:
    given(DECIDER, PLACED).when(PayOrder(amount="0.00", method="card")).refused(Invalid, "amount")


def test_an_order_is_delivered_once_and_not_in_the_future() -> None:
    deliver = DeliverOrder(carrier="post", delivered_at=NOW)
    given(DECIDER, PLACED).when(deliver).then(events.OrderDelivered(order_id=ID, carrier="post", delivered_at=NOW))
    given(DECIDER, PLACED, DELIVERED).when(deliver).refused(Conflict)
    late = DeliverOrder.model_validate({"delivered_at": "2026-11-22T09:00:01Z"})
    given(DECIDER, PLACED).when(late).refused(Invalid, "delivered_at")


def test_what_was_delivered_comes_back_at_most_once() -> None:
    give_back = ReturnOrder(amount="100.10", reason="broken")
    given(DECIDER, PLACED).when(give_back).refused(Conflict)
    given(DECIDER, PLACED, DELIVERED).when(give_back).then(returned("100.10"))
    given(DECIDER, PLACED, DELIVERED, returned("0.01")).when(give_back).refused(Invalid, "amount")


@pytest.mark.parametrize("command", [PayOrder(amount="1", method="card"), DeliverOrder()])
def test_an_order_that_was_not_placed_is_not_there(command: OrderCommand) -> None:
    refusal: type[CustlogError] = NotFound
    given(DECIDER).when(command).refused(refusal)
