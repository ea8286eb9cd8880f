"""The load's commands about what customers have: orders, tickets, interactions, identities and reminders."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from shared.events.envelope import instant
from tests.faults.operation import Body, Draw, Drawn, Learn, Moment, Operation, learn_nothing
from tests.faults.people import canary_text
from tests.faults.world import Customer, Link, Order, Reminder, Ticket, World

IDENTITY_SECONDS = 5.0
"""So old customers have to be before identity is asked about them: it hears of them through Kafka."""
NOT_HEARD_OF = 404
"""What it says of those it has not heard of yet."""
DUE_SECONDS = (2.0, 20.0)
LINES = 3


def _in_business(customer: Customer) -> bool:
    return not customer.archived


def _begin(op: str, collection: str, user: str, customer: Customer, *, body: Body, learn: Learn) -> Drawn:
    path = f"/customers/{customer.id}/{collection}"
    return (Operation(op, "customer", user, path, body, customer=customer.id, along=(customer,), learn=learn),)


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def place_order(rng: random.Random, world: World, _: Moment) -> Drawn:
    """An order of one to three lines."""
    customer = world.customers.pick(rng, _in_business)
    if customer is None:
        return ()
    amounts = [rng.randint(100, 50_000) for _ in range(rng.randint(1, LINES))]
    lines = [{"product": f"P-{at}", "quantity": "2", "amount": _money(amount)} for at, amount in enumerate(amounts)]
    total = sum(amounts)
    body = {"reference": f"PO-{world.next()}", "currency": "EUR", "total": _money(total), "lines": lines}

    def learn(answer: Any, _at: float) -> None:
        world.orders.put(world.chance, Order(answer["id"], customer=customer.id, total=total, open=total))

    return _begin("order.place", "orders", "load-sales", customer, body=body, learn=learn)


def _change_order(
    op: str,
    path: str,
    fits: Callable[[Order], bool],
    body_of: Callable[[random.Random, Order], tuple[Body, int]],
    learned: Callable[[Order, int], None],
) -> Draw:
    def draw(rng: random.Random, world: World, _: Moment) -> Drawn:
        order = world.orders.pick(rng, fits)
        if order is None:
            return ()
        body, cents = body_of(rng, order)
        address = f"/orders/{order.id}/{path}"
        return (
            Operation(
                op,
                "customer",
                "load-sales",
                address,
                body,
                customer=order.customer,
                target=order,
                learn=lambda _answer, _at: learned(order, cents),
            ),
        )

    return draw


def _payment(rng: random.Random, order: Order) -> tuple[Body, int]:
    cents = order.open if rng.random() < 0.6 else rng.randint(1, order.open)
    return {"amount": _money(cents), "method": "card"}, cents


def _return(rng: random.Random, order: Order) -> tuple[Body, int]:
    cents = rng.randint(1, order.total - order.returned)
    return {"amount": _money(cents), "reason": "broken"}, cents


def _paid(order: Order, cents: int) -> None:
    order.open -= cents


def _delivered(order: Order, _: int) -> None:
    order.delivered = True


def _returned(order: Order, cents: int) -> None:
    order.returned += cents


pay_order = _change_order("order.pay", "pay", lambda order: order.open > 0, _payment, _paid)
deliver_order = _change_order(
    "order.deliver", "deliver", lambda order: not order.delivered, lambda _rng, _: ({"carrier": "post"}, 0), _delivered
)
return_order = _change_order(
    "order.return", "return", lambda order: order.delivered and order.returned < order.total, _return, _returned
)


def open_ticket(rng: random.Random, world: World, _: Moment) -> Drawn:
    """Somebody asks for something."""
    customer = world.customers.pick(rng, _in_business)
    if customer is None:
        return ()
    body = {
        "topic": rng.choice(("delivery", "invoice")),
        "priority": rng.choice(("low", "normal", "high", "urgent")),
        "summary": canary_text(world.next(), "asks where the parcel is"),
    }

    def learn(answer: Any, _at: float) -> None:
        world.tickets.put(world.chance, Ticket(answer["id"], customer=customer.id))

    return _begin("ticket.open", "tickets", "load-service", customer, body=body, learn=learn)


def _change_ticket(op: str, path: str, *, resolved: bool, after: bool, body_of: Callable[[World], Body]) -> Draw:
    def draw(rng: random.Random, world: World, _: Moment) -> Drawn:
        ticket = world.tickets.pick(rng, lambda known: known.resolved == resolved)
        if ticket is None:
            return ()

        def learn(_answer: Any, _at: float) -> None:
            ticket.resolved = after

        address = f"/tickets/{ticket.id}/{path}"
        body = body_of(world)
        return (
            Operation(
                op, "customer", "load-service", address, body, customer=ticket.customer, target=ticket, learn=learn
            ),
        )

    return draw


answer_ticket = _change_ticket(
    "ticket.answer",
    "answer",
    resolved=False,
    after=False,
    body_of=lambda world: {"text": canary_text(world.next(), "was told to wait")},
)
resolve_ticket = _change_ticket(
    "ticket.resolve", "resolve", resolved=False, after=True, body_of=lambda _: {"resolution": "answered"}
)
reopen_ticket = _change_ticket(
    "ticket.reopen", "reopen", resolved=True, after=False, body_of=lambda _: {"reason": "not-solved"}
)


def record_interaction(rng: random.Random, world: World, _: Moment) -> Drawn:
    """A contact with the customer."""
    customer = world.customers.pick(rng, _in_business)
    if customer is None:
        return ()
    body = {
        "kind": rng.choice(("call", "mail", "visit", "chat", "web", "social")),
        "direction": rng.choice(("in", "out")),
        "summary": canary_text(world.next(), "called about an offer"),
        "outcome": "interested",
    }
    return _begin("interaction.record", "interactions", "load-service", customer, body=body, learn=learn_nothing)


def link(rng: random.Random, world: World, moment: Moment) -> Drawn:
    """Two customers are one; now and then two whom somebody told apart before."""
    apart = world.links.pick(rng, lambda known: known.apart) if rng.random() < 0.3 else None
    if apart is not None:
        body = {"a": apart.id, "b": apart.b, "reason": "was one after all", "lift_ban": True}

        def learn_joined(_answer: Any, _at: float) -> None:
            apart.apart = False

        return (_identity("identity.link", "/links", body, apart, learn_joined),)
    a, b = (world.customers.pick(rng, lambda known: _numbered(known, moment)) for _ in range(2))
    if a is None or b is None or a is b:
        return ()

    def learn(_answer: Any, at: float) -> None:
        world.links.put(world.chance, Link(a.id, b=b.id, since=at))

    body = {"a": a.id, "b": b.id, "reason": "said so at the desk"}
    return (_identity("identity.link", "/links", body, None, learn),)


def separate(rng: random.Random, world: World, moment: Moment) -> Drawn:
    """Two customers who were made one, by a person or by a rule, are told apart."""
    known = world.links.pick(rng, lambda link: not link.apart and moment.at - link.since >= IDENTITY_SECONDS)
    if known is None:
        return ()

    def learn(_answer: Any, _at: float) -> None:
        known.apart = True

    body = {"a": known.id, "b": known.b, "reason": "are two people"}
    return (_identity("identity.separate", "/separations", body, known, learn),)


def add_alias(rng: random.Random, world: World, moment: Moment) -> Drawn:
    """A number of another system leads to the customer."""
    customer = world.customers.pick(rng, lambda known: _numbered(known, moment))
    if customer is None:
        return ()
    return (
        Operation(
            "identity.alias",
            "identity",
            "load-manager",
            f"/customers/{customer.id}/aliases",
            {"alias": f"old_{world.name}_{world.next()}", "kind": rng.choice(("foreign", "former"))},
            customer=customer.id,
            may_refuse=frozenset({NOT_HEARD_OF}),
        ),
    )


def _numbered(customer: Customer, moment: Moment) -> bool:
    return moment.at - customer.since >= IDENTITY_SECONDS


def _identity(op: str, path: str, body: Body, target: Link | None, learn: Learn) -> Operation:
    return Operation(
        op,
        "identity",
        "load-manager",
        path,
        body,
        customer=body["a"],
        # What other links and separations made of the two is not known here.
        may_refuse=frozenset({409, NOT_HEARD_OF}),
        target=target,
        learn=learn,
    )


def plan_reminder(rng: random.Random, world: World, moment: Moment) -> Drawn:
    """A follow-up in some seconds."""
    customer = world.customers.pick(rng, _in_business)
    if customer is None:
        return ()
    due_at = moment.now + timedelta(seconds=rng.uniform(*DUE_SECONDS))
    body = {
        "customer": customer.id,
        "due_at": instant(due_at),
        "assignee": f"desk-{rng.randrange(5)}",
        "note": canary_text(world.next(), "wants to be called"),
    }

    def learn(answer: Any, _at: float) -> None:
        world.reminders.put(world.chance, Reminder(answer["id"], customer=customer.id, due_at=due_at))

    return (
        Operation(
            "reminder.plan",
            "notifications",
            "load-sales",
            "/reminders",
            body,
            customer=customer.id,
            along=(customer,),
            learn=learn,
        ),
    )


def cancel_reminder(rng: random.Random, world: World, moment: Moment) -> Drawn:
    """A planned reminder is taken back; it may fire first."""
    reminder = world.reminders.pick(rng, lambda known: known.due_at is not None and known.due_at > moment.now)
    if reminder is None:
        return ()

    def learn(_answer: Any, _at: float) -> None:
        reminder.gone = True

    return (
        Operation(
            "reminder.cancel",
            "notifications",
            "load-sales",
            f"/reminders/{reminder.id}/cancel",
            {"reason": "done"},
            customer=reminder.customer,
            may_refuse=frozenset({409}),
            target=reminder,
            learn=learn,
        ),
    )
