"""The load's single changes of a customer, of which each has an address of its own."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from services.customer.application import TRIES
from tests.faults.operation import Body, Draw, Drawn, Moment, Operation
from tests.faults.people import (
    PHONES,
    canary_address,
    canary_email,
    canary_identifier,
    canary_phone,
    canary_text,
)
from tests.faults.world import Customer, World

SOURCE = "load"


@dataclass(frozen=True, slots=True)
class Change:
    """POST /customers/{id}/<path>. `fits` says which customers it can be sent to, `learned` what a good answer means.

    `learned` also gets the body.
    """

    path: str
    body: Callable[[random.Random, World, Customer], Body | None]
    fits: Callable[[Customer], bool] = lambda customer: not customer.archived
    learned: Callable[[Customer, Body], object] = lambda _customer, _body: None
    user: str = "load-sales"


def change(op: str, told: Change) -> Draw:
    """How this change of a customer is drawn."""

    def draw(rng: random.Random, world: World, _: Moment) -> Drawn:
        customer = world.customers.pick(rng, told.fits)
        return () if customer is None else _change(op, told, rng, world, customer)

    return draw


def _change(op: str, told: Change, rng: random.Random, world: World, customer: Customer) -> Drawn:
    body = told.body(rng, world, customer)
    if body is None:
        return ()

    def learn(answer: Any, _at: float) -> None:
        customer.version = max(customer.version, answer["version"])
        told.learned(customer, body)

    path = f"/customers/{customer.id}/{told.path}"
    return (Operation(op, "customer", told.user, path, body, customer=customer.id, target=customer, learn=learn),)


def change_at_once(rng: random.Random, world: World, _: Moment) -> Drawn:
    """Several people change one customer at once, none of them a version they saw: all of them succeed.

    There are as many of them as the service takes decisions: one is overtaken by all others before it has its turn.
    """
    customer = world.customers.pick(rng, lambda known: not known.archived)
    if customer is None:
        return ()
    people = rng.randint(2, TRIES)
    drawn = (
        _change("customer.change_at_once", CHANGES[rng.choice(AT_ONCE)], rng, world, customer) for _ in range(people)
    )
    return tuple(operation for each in drawn for operation in each)


def _contact(rng: random.Random, world: World, _: Customer) -> Body:
    # Never one that the customer was registered with: that would change nothing.
    number = world.next() + PHONES // 2
    match rng.randrange(3):
        case 0:
            return {"kind": "phone", "value": canary_phone(number)}
        case 1:
            # As people type it: what was given is kept beside the normal form, and is as personal.
            return {"kind": "email", "value": canary_email(number).replace("@canary.example", "@Canary.Example")}
        case _:
            return {"kind": "social", "value": f"@canary{number:06}"}


def _has_relationships(customer: Customer) -> bool:
    return not customer.archived and bool(customer.relationships)


def _relationship(rng: random.Random, world: World, customer: Customer) -> Body | None:
    other = world.customers.pick(rng, lambda known: known is not customer)
    if other is None:
        return None
    # Numbered, because a relationship that is there already is not made again.
    return {"other": other.id, "role": f"{rng.choice(('spouse', 'employer', 'parent'))}-{world.next()}"}


def _consent(rng: random.Random, world: World, _: Customer) -> Body:
    purpose = rng.choice(("newsletter", "phone_calls", "research"))
    return {"purpose": purpose, "channel": "web", "text_version": f"v{world.next()}"}


def _extension(rng: random.Random, world: World, _: Customer) -> Body:
    number = world.next()
    return {"field": f"field-{number % 9}", "value": rng.choice((canary_text(number, "extra"), number))}


CHANGES: Mapping[str, Change] = {
    "contact.add": Change("add-contact-point", _contact, learned=lambda known, _: known.add_contact()),
    "contact.verify": Change(
        "verify-contact-point",
        lambda rng, _, known: {"contact_id": rng.choice(known.contacts_but("verified")), "method": "call-back"},
        fits=lambda known: not known.archived and bool(known.contacts_but("verified")),
        learned=lambda known, body: known.contacts.update({body["contact_id"]: "verified"}),
        user="load-service",
    ),
    "contact.invalidate": Change(
        "invalidate-contact-point",
        lambda rng, _, known: {"contact_id": rng.choice(known.contacts_but("invalid")), "reason": "bounced"},
        fits=lambda known: not known.archived and bool(known.contacts_but("invalid")),
        learned=lambda known, body: known.contacts.update({body["contact_id"]: "invalid"}),
        user="load-service",
    ),
    "contact.remove": Change(
        "remove-contact-point",
        lambda rng, _, known: {"contact_id": rng.choice(sorted(known.contacts)), "reason": "somebody-else"},
        fits=lambda known: not known.archived and bool(known.contacts),
        learned=lambda known, body: known.contacts.pop(body["contact_id"]),
    ),
    "customer.set_address": Change(
        "set-address",
        lambda rng, world, _: {
            "usage": rng.choice(("main", "postal", "billing", "delivery")),
            "address": canary_address(world.next()),
        },
    ),
    "customer.add_identifier": Change(
        "add-identifier",
        # Of a person's numbers one may be somebody else's as well, and makes them one.
        lambda _rng, world, _: {"identifier": {**canary_identifier(world.next()), "type": "member"}},
    ),
    "customer.tag": Change(
        "tag", lambda rng, world, _: {"add": [f"n{world.next()}"], "remove": [f"tag-{rng.randrange(5)}"]}
    ),
    "customer.classify": Change(
        "classify", lambda rng, world, _: {"scheme": f"scheme-{rng.randrange(4)}", "code": f"c{world.next()}"}
    ),
    "customer.note_preference": Change(
        "note-preference",
        lambda rng, world, _: {
            "topic": rng.choice(("colour", "language", "time")),
            "value": canary_text(world.next(), "is preferred"),
            "source": SOURCE,
            "confidence": "0.75",
        },
        user="load-service",
    ),
    "relationship.add": Change(
        "add-relationship",
        _relationship,
        learned=lambda known, _: known.add_relationship(),
    ),
    "relationship.end": Change(
        "end-relationship",
        lambda rng, _, known: {"relationship_id": rng.choice(known.relationships), "reason": "over"},
        fits=_has_relationships,
        learned=lambda known, body: known.relationships.remove(body["relationship_id"]),
    ),
    "customer.assign_owner": Change(
        "assign-owner",
        lambda rng, world, _: {"owner": f"owner-{world.next()}", "team": rng.choice(("north", "south", None))},
    ),
    "consent.give": Change(
        "give-consent",
        _consent,
        learned=lambda known, body: known.consents.add(body["purpose"]),
        user="load-service",
    ),
    "consent.withdraw": Change(
        "withdraw-consent",
        lambda rng, _, known: {"purpose": rng.choice(sorted(known.consents)), "channel": "phone", "reason": "asked"},
        fits=lambda known: not known.archived and bool(known.consents),
        learned=lambda known, body: known.consents.discard(body["purpose"]),
        user="load-service",
    ),
    "customer.set_extension": Change("set-extension-field", _extension),
    "customer.archive": Change(
        "archive",
        lambda _rng, _world, _: {"reason": "moved-away"},
        learned=lambda known, _: setattr(known, "archived", True),
    ),
    "customer.restore": Change(
        "restore",
        lambda _rng, _world, _: {"reason": "came-back"},
        fits=lambda known: known.archived,
        learned=lambda known, _: setattr(known, "archived", False),
    ),
}
"""Every one of them makes an event: a change that changes nothing would prove nothing."""
AT_ONCE = (
    *("contact.add", "customer.set_address", "customer.add_identifier", "customer.tag", "customer.classify"),
    *("customer.note_preference", "customer.assign_owner", "consent.give", "customer.set_extension"),
)
"""Changes that succeed whichever of them comes first."""
