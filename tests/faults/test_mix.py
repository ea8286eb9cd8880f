"""The mix of the load: seeded, weighted, complete."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from shared.ids import derive
from tests.faults.operation import USERS, Moment, Operation
from tests.faults.operations import MIX, altered, draw
from tests.faults.people import CANARY, CANARY_PHONE
from tests.faults.world import Customer, World

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
IMPERSONAL = {
    "a",
    "alias",
    "assignee",
    "b",
    "birth_date",
    "carrier",
    "channel",
    "code",
    "confidence",
    "contact_id",
    "country",
    "currency",
    "customer",
    "direction",
    "due_at",
    "external_id",
    "field",
    "kind",
    "method",
    "other",
    "outcome",
    "owner",
    "postcode",
    "priority",
    "purpose",
    "reason",
    "reference",
    "relationship_id",
    "resolution",
    "role",
    "scheme",
    "segment",
    "source",
    "tags",
    "team",
    "text_version",
    "topic",
    "total",
    "type",
    "usage",
    "amount",
    "product",
    "quantity",
    "add",
    "remove",
    "locality",
}
"""Fields that say nothing by themselves of who somebody is, or too little to be looked for."""


def _drawn(seed: int, count: int) -> list[Operation]:
    """Operations of a world that answers everything well at once."""
    rng, world = random.Random(seed), World("test", random.Random(seed))
    done: list[Operation] = []
    while len(done) < count:
        at = len(done) / 20
        for operation in draw(rng, world, Moment(at, START + timedelta(seconds=at))):
            done.append(operation)
            operation.learn(_answer(operation, len(done)), at)
    return done


def _answer(operation: Operation, number: int) -> Any:
    if operation.op == "import":
        return [
            {"row": row, "status": 201, "id": derive("test", str(number), str(row)), "version": 1}
            for row in range(1, len(operation.body["rows"]) + 1)
        ]
    known = operation.target.id if operation.target else derive("test", str(number))
    return {"id": known, "version": (operation.expect or 1) + 1}


def test_the_same_seed_gives_the_same_operations() -> None:
    assert _drawn(7, 800) == _drawn(7, 800)


def test_another_seed_gives_other_operations() -> None:
    assert [one.op for one in _drawn(7, 100)] != [one.op for one in _drawn(8, 100)]


def test_every_kind_occurs_about_as_often_as_its_weight_says() -> None:
    counts = Counter(operation.op for operation in _drawn(7, 8000)[1000:])
    counts["customer.edit_twice"] //= 2
    counts["customer.change_at_once"] = round(counts["customer.change_at_once"] / 2.5)
    whole = sum(kind.weight for kind in MIX.values())

    assert set(counts) == set(MIX)
    for op, kind in MIX.items():
        if op != "customer.register":
            wanted = kind.weight / whole * counts.total()
            assert wanted / 2 - 5 < counts[op] < wanted * 1.5 + 10, op


def test_two_edits_at_once_rest_on_the_same_version() -> None:
    edits = [operation for operation in _drawn(5, 1500) if operation.op == "customer.edit_twice"]

    for one, other in zip(edits[::2], edits[1::2], strict=True):
        assert one.target is other.target
        assert (one.customer, one.expect) == (other.customer, other.expect)
        assert one.body != other.body
        assert one.user != other.user


def test_changes_at_once_are_of_one_customer_and_rest_on_no_version() -> None:
    rng, world = random.Random(4), World("test", random.Random(4))
    world.customers.put(rng, Customer(derive("test", "one")))
    drawn = [MIX["customer.change_at_once"].draw(rng, world, Moment(0.0, START)) for _ in range(50)]

    assert {len(together) for together in drawn} == {2, 3}
    for together in drawn:
        assert len({id(operation.target) for operation in together}) == 1
        assert not any(operation.expect or operation.may_refuse for operation in together)


def test_a_quarter_of_the_registrations_is_of_somebody_known() -> None:
    bodies = [operation.body for operation in _drawn(6, 4000) if operation.op == "customer.register"]
    identifiers = Counter(body["identifiers"][0]["value"] for body in bodies)
    external_ids = Counter(body["external_id"] for body in bodies)

    assert 0.15 < 1 - len(identifiers) / len(bodies) < 0.35
    assert external_ids.total() == len(external_ids)


def test_everything_personal_is_recognisable() -> None:
    for operation in _drawn(9, 2000):
        for name, text in _texts(operation.body):
            personal = CANARY in text.casefold() or text.startswith(CANARY_PHONE)
            harmless = name in IMPERSONAL or (name == "kind" and operation.op != "contact.add")
            assert personal or harmless, f"{operation.op}: {name}"
            assert not personal or name not in IMPERSONAL, f"{operation.op}: {name}"
        assert CANARY not in operation.path


def test_another_body_for_the_same_key_differs_but_keeps_its_fields() -> None:
    for operation in _drawn(10, 600):
        other = altered(operation)
        assert other != operation.body
        assert other is None or set(operation.body) <= set(other)


def test_due_times_lie_some_seconds_ahead() -> None:
    planned = [operation for operation in _drawn(11, 2000) if operation.op == "reminder.plan"]
    due = TypeAdapter(datetime)

    assert planned
    assert all(due.validate_python(one.body["due_at"]) > START for one in planned)


@pytest.mark.parametrize("user", {operation.user for operation in _drawn(1, 1000)})
def test_every_user_is_known(user: str) -> None:
    assert USERS[user].roles


def _texts(part: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(part, str):
        yield name, part
    elif isinstance(part, dict):
        # Classifications are keyed by scheme.
        for inner, value in part.items():
            yield from _texts(value, inner)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _texts(value, name)
