"""The load's questions about customers, and what their answers show of personal fields.

What an answer shows is read off it here once more, from the words of docs/api.md alone: a list of {"of": customers,
"fields": names}, of which at least one customer has to have a record of a read of these fields.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from tests.faults.operation import Draw, Drawn, Moment, Operation
from tests.faults.world import World

Json: TypeAlias = Mapping[str, Any]

NOT_HEARD_OF = 404
PAGE = 20
SINGLE = ("name", "birth_date")
KEYED = ("addresses", "preferences", "extensions")
LISTED = ("contacts", "identifiers")
_GROUPS = {"phone": "contacts", "email": "contacts", "social": "contacts", "address": "addresses"}


def ask(op: str, user: str, path: str) -> Draw:
    """A question about one customer that the load knows of; what it asks for may change meanwhile."""

    def draw(rng: random.Random, world: World, _: Moment) -> Drawn:
        customer = world.customers.pick(rng)
        if customer is None:
            return ()
        address = path.format(id=customer.id)
        refusals = frozenset({NOT_HEARD_OF})
        return (Operation(op, "projections", user, address, {}, method="GET", may_refuse=refusals),)

    return draw


def shown(answer: Json) -> list[dict[str, Any]]:
    """What an answer of the query API shows in the clear."""
    if "members" in answer:
        found = [([member["customer"]], set(_of_member(member))) for member in answer["members"]]
    elif "fields" in answer:
        golden = [
            (name, each) for name, field in answer["fields"].items() for each in (field, *field.get("others", ()))
        ]
        golden += [(kind, each) for kind, listed in answer.get("contacts", {}).items() for each in listed]
        found = [([each["member"]], {_group(name)}) for name, each in golden if _personal(name, each)]
    else:
        found = [(item["customers"], {"name"}) for item in answer["items"] if _clear(item.get("name"))]
    return [{"of": customers, "fields": sorted(fields)} for customers, fields in found if fields]


def _of_member(member: Json) -> Iterator[str]:
    yield from (name for name in SINGLE if _clear(member.get(name)))
    yield from (name for name in KEYED if any(map(_clear, member.get(name, {}).values())))
    yield from (name for name in LISTED if any(map(_clear, member.get(name, []))))


def _personal(name: str, field: Json) -> bool:
    return _clear(field) and name.partition(":")[0] not in ("kind", "number", "classification")


def _group(name: str) -> str:
    group = name.partition(":")[0]
    return "extensions" if group == "extension" else _GROUPS.get(group, group)


def _clear(field: Json | None) -> bool:
    return field is not None and field.get("value") is not None and not field.get("masked")
