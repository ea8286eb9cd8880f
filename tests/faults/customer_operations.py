"""The load's commands to customers themselves: making them known, one by one and by file, and changing them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.faults.operation import Body, Draw, Drawn, Moment, Operation
from tests.faults.people import (
    PHONES,
    Person,
    canary_address,
    canary_email,
    canary_identifier,
    canary_phone,
    canary_text,
)
from tests.faults.world import Customer, Link, World

SOURCE = "load"
FILE_SOURCE = "load-file"
TOO_LATE = frozenset({412})
DUPLICATES = 0.25
"""So many registrations are of somebody who is known already; identity finds it out by the identifier."""
FILE_ROWS = (20, 100)
LEARNED_ROWS = 4
"""So many rows of a file become customers whom the load goes on with."""


def register(rng: random.Random, world: World, _: Moment) -> Drawn:
    """A new customer, perhaps of a person who is one already."""
    external_id = f"{world.name}-{world.next():06}"
    twin = world.customers.pick(rng) if rng.random() < DUPLICATES else None
    if twin is None:
        person = Person(world.next_person())
        body = person.registration(external_id)
    else:
        person = Person(twin.person)
        body = person.seen_otherwise(rng, external_id)

    def learn(answer: Any, at: float) -> None:
        customer = _registered(world, person, body, answer, at)
        if twin is not None:
            world.links.put(world.chance, Link(customer.id, b=twin.id, since=at))

    body["source"] = SOURCE
    return (Operation("customer.register", "customer", "load-sales", "/customers", body, learn=learn),)


def register_taken(rng: random.Random, world: World, _: Moment) -> Drawn:
    """Another customer under a source and external id that are taken: refused."""
    known = world.customers.pick(rng, lambda customer: customer.external_id is not None)
    if known is None or known.external_id is None:
        return ()
    body = {**Person(world.next_person()).registration(known.external_id), "source": SOURCE}
    refused = frozenset({409})
    return (Operation("customer.register_taken", "customer", "load-sales", "/customers", body, may_refuse=refused),)


def import_file(rng: random.Random, world: World, _: Moment) -> Drawn:
    """A file of people, some of them twice and some known already."""
    rows: list[Body] = []
    people: list[Person] = []
    for _row in range(rng.randint(*FILE_ROWS)):
        again = rng.random() < DUPLICATES and world.persons > 0
        person = Person(max(1, world.persons - rng.randrange(50)) if again else world.next_person())
        external_id = f"{world.name}-{world.next():06}"
        people.append(person)
        rows.append(person.seen_otherwise(rng, external_id) if again else person.registration(external_id))

    def learn(answer: Any, at: float) -> None:
        for told in [row for row in answer if row.get("id") and row["status"] < 400][:LEARNED_ROWS]:
            place = told["row"] - 1
            _registered(world, people[place], {**rows[place], "external_id": None}, told, at)

    body = {"source": FILE_SOURCE, "rows": rows}
    path = f"/intake?source={FILE_SOURCE}"
    return (Operation("import", "customer", "load-import", path, body, learn=learn),)


def _registered(world: World, person: Person, body: Body, answer: Any, at: float) -> Customer:
    customer = Customer(
        answer["id"],
        version=answer.get("version", 1),
        person=person.number,
        external_id=body["external_id"],
        since=at,
    )
    for _ in (*body.get("phones", ()), *body.get("emails", ())):
        customer.add_contact()
    world.customers.put(world.chance, customer)
    return customer


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
        body = None if customer is None else told.body(rng, world, customer)
        if customer is None or body is None:
            return ()

        def learn(answer: Any, _at: float) -> None:
            customer.version = max(customer.version, answer["version"])
            told.learned(customer, body)

        path = f"/customers/{customer.id}/{told.path}"
        return (Operation(op, "customer", told.user, path, body, customer=customer.id, target=customer, learn=learn),)

    return draw


def edit(rng: random.Random, world: World, _: Moment) -> Drawn:
    """A change of the version that was seen last."""
    customer = world.customers.pick(rng, lambda known: not known.archived)
    return () if customer is None else (_edit("customer.edit", rng, world, customer),)


def edit_twice(rng: random.Random, world: World, _: Moment) -> Drawn:
    """Two people change the same version at once: one of them comes too late."""
    customer = world.customers.pick(rng, lambda known: not known.archived)
    if customer is None:
        return ()
    name = "customer.edit_twice"
    return (
        _edit(name, rng, world, customer, TOO_LATE),
        _edit(name, rng, world, customer, TOO_LATE, user="load-service"),
    )


def _edit(
    op: str,
    rng: random.Random,
    world: World,
    customer: Customer,
    may_refuse: frozenset[int] = frozenset(),
    *,
    user: str = "load-sales",
) -> Operation:
    number = world.next()
    body: Body = {"address": canary_address(number), "reason": "told-us"}
    match rng.randrange(4):
        case 0:
            given, family = f"Canarygiven{number:06}", f"Canaryfamily{number:06}"
            body = {"name": {"full": f"{given} {family}", "given": given, "family": family}, "reason": "typing-error"}
        case 1:
            body |= {"birth_date": f"19{number % 90 + 10}-{number % 12 + 1:02}-{number % 28 + 1:02}"}
        case 2:
            body |= {"tags": [f"tag-{number % 5}", f"edit-{number}"], "classification": {"segment": f"s{number}"}}
        case _:
            body |= {"owner": f"owner-{number % 20}"}

    def learn(answer: Any, _at: float) -> None:
        customer.version = max(customer.version, answer["version"])

    return Operation(
        op,
        "customer",
        user,
        f"/customers/{customer.id}",
        body,
        method="PATCH",
        customer=customer.id,
        expect=customer.version,
        may_refuse=may_refuse,
        target=customer,
        learn=learn,
    )


def _contact(rng: random.Random, world: World, _: Customer) -> Body:
    # Never one that the customer was registered with: that would change nothing.
    number = world.next() + PHONES // 2
    match rng.randrange(3):
        case 0:
            return {"kind": "phone", "value": canary_phone(number)}
        case 1:
            return {"kind": "email", "value": canary_email(number)}
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
