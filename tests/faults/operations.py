"""The mix of a load: which operations, how often, and how each one is drawn from what is known."""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import accumulate
from typing import NamedTuple

from tests.faults import customer_changes as changes
from tests.faults import customer_operations as customers
from tests.faults import erasures, queries
from tests.faults import other_operations as others
from tests.faults.operation import Body, Draw, Drawn, Moment, Operation
from tests.faults.world import World


class Kind(NamedTuple):
    """`weight` is in parts of a hundred, more or less."""

    weight: float
    draw: Draw


_WEIGHTS_OF_CHANGES: Mapping[str, float] = {
    "contact.add": 4,
    "contact.verify": 2,
    "contact.invalidate": 1,
    "contact.remove": 2,
    "customer.set_address": 3,
    "customer.add_identifier": 2,
    "customer.tag": 4,
    "customer.classify": 2,
    "customer.note_preference": 2,
    "relationship.add": 2,
    "relationship.end": 1,
    "customer.assign_owner": 2,
    "consent.give": 3,
    "consent.withdraw": 2,
    "customer.set_extension": 2,
    "customer.archive": 2.5,
    "customer.restore": 2,
}
MIX: Mapping[str, Kind] = {
    "customer.register": Kind(18, customers.register),
    "customer.register_taken": Kind(1, customers.register_taken),
    "customer.edit": Kind(8, customers.edit),
    "customer.edit_twice": Kind(3, customers.edit_twice),
    "customer.change_at_once": Kind(2, changes.change_at_once),
    **{op: Kind(_WEIGHTS_OF_CHANGES[op], changes.change(op, told)) for op, told in changes.CHANGES.items()},
    "order.place": Kind(6, others.place_order),
    "order.pay": Kind(4, others.pay_order),
    "order.deliver": Kind(2, others.deliver_order),
    "order.return": Kind(1.5, others.return_order),
    "ticket.open": Kind(4, others.open_ticket),
    "ticket.answer": Kind(3, others.answer_ticket),
    "ticket.resolve": Kind(2, others.resolve_ticket),
    "ticket.reopen": Kind(1, others.reopen_ticket),
    "interaction.record": Kind(4, others.record_interaction),
    "identity.link": Kind(3, others.link),
    "identity.separate": Kind(2, others.separate),
    "identity.alias": Kind(1, others.add_alias),
    "reminder.plan": Kind(4, others.plan_reminder),
    "reminder.cancel": Kind(1.5, others.cancel_reminder),
    "erasure.request": Kind(1.2, erasures.request),
    "erasure.approve": Kind(1, erasures.approve),
    "import": Kind(0.7, customers.import_file),
    "query.customer": Kind(0.8, queries.ask("query.customer", "load-sales", "/customers/{id}")),
    "query.golden": Kind(0.4, queries.ask("query.golden", "load-manager", "/customers/{id}/golden")),
    "query.masked": Kind(0.4, queries.ask("query.masked", "load-viewer", "/customers/{id}")),
    "query.directory": Kind(0.4, queries.ask("query.directory", "load-service", "/directory?limit=20&after={id}")),
}
_OPS = tuple(MIX)
_SUMS = tuple(accumulate(kind.weight for kind in MIX.values()))
FALLBACK = "customer.register"


def draw(rng: random.Random, world: World, moment: Moment) -> Drawn:
    """What comes next; a registration where the known world has nothing for the kind that was drawn."""
    op = rng.choices(_OPS, cum_weights=_SUMS)[0]
    return MIX[op].draw(rng, world, moment) or MIX[FALLBACK].draw(rng, world, moment)


def altered(operation: Operation) -> Body | None:
    """Another body that is as good, to be sent under the same key; None for operations that have none.

    A file has none: its rows are remembered one by one. A question has none either.
    """
    body = operation.body
    match operation.op:
        case (
            "import"
            | "customer.register_taken"
            | "query.customer"
            | "query.golden"
            | "query.masked"
            | "query.directory"
        ):
            return None
        case "identity.alias":
            return {**body, "kind": "former" if body["kind"] == "foreign" else "foreign"}
        case "reminder.plan":
            return {**body, "assignee": "another-desk"}
        case "reminder.cancel":
            return {**body, "reason": "another-reason"}
        case "identity.link" | "identity.separate":
            return {**body, "reason": "another reason"}
        case _:
            return {**body, "occurred_at": "2020-02-29T12:00:00Z"}
