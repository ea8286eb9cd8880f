"""The load's commands to customers themselves: making them known, one by one and by file, and editing them."""

from __future__ import annotations

import random
from typing import Any

from tests.faults.customer_changes import SOURCE
from tests.faults.operation import Body, Drawn, Moment, Operation
from tests.faults.people import (
    Person,
    canary_address,
)
from tests.faults.world import Customer, Link, World

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
