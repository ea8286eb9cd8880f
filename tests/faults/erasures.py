"""The load's erasures: one desk asks for them, another one approves."""

from __future__ import annotations

import random
from typing import Any

from tests.faults.operation import Drawn, Moment, Operation
from tests.faults.world import Customer, World


def request(rng: random.Random, world: World, _: Moment) -> Drawn:
    """Somebody wants to be forgotten."""
    customer = world.customers.pick(rng, lambda known: not known.to_be_erased)
    if customer is None:
        return ()

    def learn(answer: Any, _at: float) -> None:
        customer.version = max(customer.version, answer["version"])
        customer.to_be_erased = True
        world.leaving.put(world.chance, customer)

    path = f"/customers/{customer.id}/request-erasure"
    body = {"reason": "asked"}
    return (
        Operation(
            "erasure.request",
            "customer",
            "load-service",
            path,
            body,
            customer=customer.id,
            target=customer,
            learn=learn,
        ),
    )


def approve(rng: random.Random, world: World, _: Moment) -> Drawn:
    """Somebody else says yes: from here on nobody does anything with the customer or what it has."""
    customer = world.leaving.pick(rng, lambda known: _is_free(world, known))
    if customer is None:
        return ()
    for known in world.things_of(customer.id):
        known.gone = True

    def learn(_answer: Any, _at: float) -> None:
        customer.gone = True

    path = f"/customers/{customer.id}/approve-erasure"
    return (
        Operation(
            "erasure.approve", "customer", "load-manager", path, {}, customer=customer.id, target=customer, learn=learn
        ),
    )


def _is_free(world: World, customer: Customer) -> bool:
    return not any(known.busy for known in world.things_of(customer.id))
