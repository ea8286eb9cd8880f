"""Commands to append: like the real ones in shape and size, made before the clock runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from msgspec.structs import replace

from shared.eventlog.commit import Append, Commit, digest
from shared.events.customer import Address, CustomerRegistered, Identifier, Name, OrderLine, OrderPlaced, TicketOpened
from shared.events.envelope import Actor, Cause, Contract
from shared.ids import uuid7

ACTOR = Actor(id="bench", kind="service")
KNOWN = tuple(uuid7() for _ in range(500))
"""Customers who come back, so that their data keys exist."""

Make = Callable[[int], Commit]


def order(_: int) -> Commit:
    """An order: nothing in it is sealed."""
    order_id = uuid7()
    line = OrderLine(product="P-1", quantity="2", amount="12.50")
    event = OrderPlaced(order_id=order_id, reference="PO-1", currency="EUR", total="25.00", lines=(line, line))
    return command(f"order-{order_id}", uuid7(), (event,))


def ticket(number: int) -> Commit:
    """A ticket of a known customer: a sealed part under a key that exists."""
    ticket_id = uuid7()
    event = TicketOpened(ticket_id=ticket_id, topic="delivery", summary="The parcel has not arrived after a week.")
    return command(f"ticket-{ticket_id}", KNOWN[number % len(KNOWN)], (event,))


def registration(number: int) -> Commit:
    """A new customer: a sealed part, and a new data key in the keyring's own database."""
    customer = uuid7()
    return command(f"customer-{customer}", customer, (_registered(number),))


def history(events: int) -> Make:
    """One command that writes so many events of a known customer."""

    def make(number: int) -> Commit:
        lines = tuple(order(number).appends[0].events[0] for _ in range(events))
        return command(f"order-{uuid7()}", KNOWN[number % len(KNOWN)], lines)

    return make


def lives(events: int) -> list[Commit]:
    """Customers who register and then have two orders and a ticket each, some customers at a time."""
    told: list[Commit] = []
    while len(told) < events:
        began = many(registration, min(250, events // 4))
        customers = [commit.appends[0].customer for commit in began]
        told += began
        for make in (order, ticket, order):
            told += [_about(customer, make(number)) for number, customer in enumerate(customers)]
    return told


def many(make: Make, count: int) -> list[Commit]:
    return [make(number) for number in range(count)]


def _about(customer: str, commit: Commit) -> Commit:
    return replace(commit, appends=tuple(replace(append, customer=customer) for append in commit.appends))


def _registered(number: int) -> CustomerRegistered:
    return CustomerRegistered(
        kind="person",
        source="crm",
        external_id=f"crm-{number}",
        name=Name(full="Ada Example", given="Ada", family="Example"),
        birth_date=date(1980, 2, 29),
        address=Address(lines=("Example Lane",), street_number="1", locality="Exampleton", postcode="0000"),
        identifiers=(Identifier(type="soc_sec", value=f"{number:07}"),),
    )


def command(stream: str, customer: str, events: Sequence[Contract]) -> Commit:
    """One that writes these events to a new stream."""
    own = uuid7()
    cause = Cause(ACTOR, "bench", "service", own, own, own)
    return Commit(cause, (Append(stream, customer, 0, events),), digest=digest(own.encode()), result={"id": customer})
