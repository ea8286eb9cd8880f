"""Histories as they come about: links and separations are those that the identity service would decide."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from services.identity.domain.assertions import assert_never
from services.identity.domain.deciding import follow
from services.identity.domain.identities import Identities, evolve, link, pair
from services.projections.fold import fold_all
from services.projections.views.view import Document
from shared.as_of import AsOf
from shared.errors import Conflict
from shared.events.envelope import Contract, Recorded
from shared.events.identity import NumberAssigned
from tests.projections.test_any_order import CUSTOMERS, _facts
from tests.support.events import History, customer_registered

VIEW_NAMES = ("customer", "timeline", "directory", "numbers", "agenda", "pulse")


def a_life(seed: int, length: int) -> list[Recorded]:
    """Four customers, their facts, and who was believed to be whom, a minute after one another."""
    chance = random.Random(seed)
    history, identities, numbered = History(), Identities(), set[str]()
    for _ in range(length):
        customer, other = chance.sample(CUSTOMERS, k=2)
        if customer not in identities.identity_of:
            identities.admit(customer)
            history.tell(customer, customer_registered("First Last", "+4930123456", external_id=customer[:8]))
        elif customer not in numbered:
            numbered.add(customer)
            history.tell(customer, NumberAssigned(number=f"K-{customer[:4]}", rule="r", serial=1))
        elif other in identities.identity_of and chance.random() < 0.5:
            for event in _decided(identities, customer, other):
                history.tell(customer, event)
        else:
            facts = [fact for fact in _facts(chance, customer, len(history.events)) if not hasattr(fact, "moves")]
            history.tell(customer, chance.choice([fact for fact in facts if not isinstance(fact, NumberAssigned)]))
    return history.events


def _decided(state: Identities, a: str, b: str) -> list[Contract]:
    try:
        if state.identity(a) == state.identity(b):
            said = assert_never(state, a, b, "not the same")
            return follow(state, said, (a, b), parted=pair(a, b), reason="not the same")
        linked = link(state, a, b, evidence=("x",), decided_by="r", lift_ban=True)
    except Conflict:
        return []
    for event in linked:
        evolve(state, event)
    return [*linked]


def live_at(events: list[Recorded], as_of: AsOf) -> Mapping[str, Mapping[str, Document]]:
    """The live views at the moment when the last of the events that count had been folded."""
    newest = max((n for n, event in enumerate(events) if counts(event, as_of)), default=-1)
    return fold_all(events[: newest + 1])


def counts(event: Recorded, as_of: AsOf) -> bool:
    return as_of.takes(event.log, event.position or 0, event.recorded_at)


def document_of(views: Mapping[str, Mapping[str, Document]], customer: str) -> Any:
    """The document of the view `customer` in which a customer stands; None if it stands in none."""
    documents = views["customer"].values()
    return next((doc for doc in documents if any(m["customer"] == customer for m in doc["members"])), None)
