"""The events of a customer one after the other, and what each of them changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from deploy.changes.facts import Fact, Facts, facts
from services.projections.fold import fold_view
from services.projections.views.customer import CUSTOMER
from services.projections.views.survivorship import DEFAULT, edition_of
from services.projections.views.values import opened_of
from services.projections.views.view import WorkingSet
from shared.events.envelope import Recorded
from shared.events.survivorship import SurvivorshipPolicySet


@dataclass(frozen=True, slots=True)
class Change:
    """One field before and after an event; None where there was, or is, nothing."""

    field: str
    before: Fact | None
    after: Fact | None


@dataclass(frozen=True, slots=True)
class Step:
    """One event, what it changed of the customer, and what holds after it, which was from the instant `at` on."""

    event: Recorded
    changes: Sequence[Change]
    after: Facts
    members: frozenset[str]
    at: str


def course(events: Iterable[Recorded], customer: str) -> list[Step]:
    """What the events made of the customer, in their order; without it, an event has changed nothing.

    An event that sets a survivorship policy changes what holds when the policy comes into force: it stands there.
    """
    working, edition = WorkingSet(), DEFAULT
    known: Facts = {}
    steps = []
    told = sorted(events, key=_takes_effect)
    opened = opened_of(told)
    for event in told:
        if event.type == SurvivorshipPolicySet.TYPE:
            edition = edition_of(event)
        fold_view(CUSTOMER, [event], working)
        home = working.homes.get(customer)
        now = {} if home is None else facts(home[0], customer, opened, edition)
        members = frozenset() if home is None else frozenset(member["customer"] for member in home[0]["members"])
        steps.append(Step(event, tuple(_changes(known, now)), now, members, _takes_effect(event)))
        known = now
    return steps


def _takes_effect(event: Recorded) -> str:
    return edition_of(event).since if event.type == SurvivorshipPolicySet.TYPE else event.recorded_at


def _changes(before: Facts, after: Facts) -> Iterator[Change]:
    for field in sorted(before.keys() | after.keys()):
        was, now = before.get(field), after.get(field)
        if (was and was.says()) != (now and now.says()):
            yield Change(field, was, now)


def changes_between(before: Facts, after: Facts) -> list[Change]:
    """What is different between two states of a customer."""
    return list(_changes(before, after))
