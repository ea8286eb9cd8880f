"""The order aggregate: placed, paid in one or more parts, delivered, given back in whole or in part."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, TypeAlias, assert_never

from pydantic import Field

from services.customer.domain.command import Amount, Code, Command, Currency, PastInstant, invalid
from shared.errors import Conflict, NotFound
from shared.eventlog.decider import Decider
from shared.events import customer as events
from shared.events.customer import OrderLine
from shared.events.envelope import Contract

_NOTHING = Decimal(0)


class PlaceOrder(Command):
    """Record an order of the customer. With lines, their amounts add up to the total."""

    reference: Code
    currency: Currency
    total: Amount
    lines: Annotated[tuple[OrderLine, ...], Field(max_length=200)] = ()


class PayOrder(Command):
    """Record a payment, at most what is open."""

    amount: Amount
    method: Code


class DeliverOrder(Command):
    """Record the delivery."""

    carrier: Code | None = None
    delivered_at: PastInstant | None = None


class ReturnOrder(Command):
    """Record that goods of this amount came back, at most what was delivered."""

    amount: Amount
    reason: Code


OrderCommand: TypeAlias = PlaceOrder | PayOrder | DeliverOrder | ReturnOrder


@dataclass(frozen=True, slots=True)
class Order:
    """State of one order; `total` is None until it is placed."""

    id: str
    total: Decimal | None = None
    paid: Decimal = _NOTHING
    returned: Decimal = _NOTHING
    delivered: bool = False


def decider(order_id: str) -> Decider[Order, OrderCommand]:
    """The decider of one order stream."""
    return Decider(Order(order_id), decide, evolve)


def decide(state: Order, command: OrderCommand, now: datetime) -> Sequence[Contract]:
    """The events a command makes. Raises NotFound, Conflict or Invalid (rejected)."""
    if isinstance(command, PlaceOrder):
        return _place(state, command)
    if state.total is None:
        raise NotFound(f"There is no order {state.id}.")
    match command:
        case PayOrder():
            _check_amount(command.amount, state.total - state.paid, "This is more than what is open.")
            return (events.OrderPaid(order_id=state.id, amount=command.amount, method=command.method),)
        case DeliverOrder():
            return _deliver(state, command, now)
        case ReturnOrder():
            if not state.delivered:
                raise Conflict(f"Order {state.id} was not delivered, so nothing of it can come back.")
            _check_amount(command.amount, state.total - state.returned, "This is more than what was delivered.")
            return (events.OrderReturned(order_id=state.id, amount=command.amount, reason=command.reason),)
        case _:
            assert_never(command)


def evolve(state: Order, event: Contract) -> Order:
    """The state after one more event; events of other aggregates change nothing."""
    match event:
        case events.OrderPlaced():
            return replace(state, total=Decimal(event.total))
        case events.OrderPaid():
            return replace(state, paid=state.paid + Decimal(event.amount))
        case events.OrderDelivered():
            return replace(state, delivered=True)
        case events.OrderReturned():
            return replace(state, returned=state.returned + Decimal(event.amount))
        case _:
            return state


def _place(state: Order, command: PlaceOrder) -> tuple[Contract, ...]:
    if state.total is not None:
        raise Conflict(f"Order {state.id} is placed already.")
    if command.lines and sum(Decimal(line.amount) for line in command.lines) != Decimal(command.total):
        raise invalid("total", "This is not the sum of the lines' amounts.")
    for at, line in enumerate(command.lines):
        if Decimal(line.quantity) <= 0:
            raise invalid(f"lines.{at}.quantity", "This must be more than zero.")
    return (
        events.OrderPlaced(
            order_id=state.id,
            reference=command.reference,
            currency=command.currency,
            total=command.total,
            lines=command.lines,
        ),
    )


def _deliver(state: Order, command: DeliverOrder, now: datetime) -> tuple[Contract, ...]:
    if state.delivered:
        raise Conflict(f"Order {state.id} is delivered already.")
    if command.delivered_at is not None and command.delivered_at > now:
        raise invalid("delivered_at", "This is in the future.")
    return (events.OrderDelivered(order_id=state.id, carrier=command.carrier, delivered_at=command.delivered_at),)


def _check_amount(amount: str, most: Decimal, message: str) -> None:
    if Decimal(amount) <= 0:
        raise invalid("amount", "This must be more than zero.")
    if Decimal(amount) > most:
        raise invalid("amount", message)
