"""The events of a customer one after the other, and what each of them changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from deploy.changes.facts import Fact, Facts, facts
from services.projections.fold import fold_view
from services.projections.views.customer import CUSTOMER
from services.projections.views.view import WorkingSet
from shared.events.envelope import Recorded


@dataclass(frozen=True, slots=True)
class Change:
    """One field before and after an event; None where there was, or is, nothing."""

    field: str
    before: Fact | None
    after: Fact | None


@dataclass(frozen=True, slots=True)
class Step:
    """One event, what it changed of the customer, and what holds after it. `source_of` names each member's source."""

    event: Recorded
    changes: Sequence[Change]
    after: Facts
    members: frozenset[str]


def course(events: Iterable[Recorded], customer: str) -> list[Step]:
    """What the events made of the customer, in their order; without it, an event has changed nothing."""
    working = WorkingSet()
    known: Facts = {}
    steps = []
    for event in events:
        fold_view(CUSTOMER, [event], working)
        home = working.homes.get(customer)
        now = {} if home is None else facts(home[0], customer)
        members = frozenset() if home is None else frozenset(member["customer"] for member in home[0]["members"])
        steps.append(Step(event, tuple(_changes(known, now)), now, members))
        known = now
    return steps


def _changes(before: Facts, after: Facts) -> Iterator[Change]:
    for field in sorted(before.keys() | after.keys()):
        was, now = before.get(field), after.get(field)
        if (was and was.says()) != (now and now.says()):
            yield Change(field, was, now)


def changes_between(before: Facts, after: Facts) -> list[Change]:
    """What is different between two states of a customer."""
    return list(_changes(before, after))
