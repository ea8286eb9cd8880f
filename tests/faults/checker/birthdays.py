"""I7: whoever has a birthday is going to be greeted on it, exactly once a year.

Reminders are planned for each customer, whoever it is one with: only at the greeting all customers of an identity count
as one person. So at rest each customer with a birth date that is not archived has one birthday reminder that is still
to come, on that day, and all others have none. Nobody of the load takes a birthday reminder back by hand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from shared.events.customer import BirthDateSet, CustomerArchived, CustomerRegistered, CustomerRestored
from shared.events.envelope import Erased, Recorded
from shared.events.notifications import ReminderCancelled, ReminderFired, ReminderPlanned
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.finding import Finding


@dataclass(slots=True)
class Customer:
    """What decides whether there is a birthday to greet."""

    birth_date: date | Erased | None = None
    archived: bool = False

    @property
    def greeted(self) -> bool:
        return isinstance(self.birth_date, date) and not self.archived


def judge(evidence: Evidence) -> Finding:
    """Every customer of which the notifications service could read everything, and whose records can be opened."""
    blind = {parked.key for parked in evidence.parked.get("notifications", ())}
    blind |= {row.customer or "" for rows in evidence.logs.values() for row in rows if row.event is None}
    customers = {
        customer: facts
        for customer, facts in _customers(evidence.events("customer")).items()
        if customer not in blind and not isinstance(facts.birth_date, Erased)
    }
    waiting = _waiting(evidence.events("notifications"))
    violations = [
        sentence
        for customer, facts in customers.items()
        for sentence in _unlike(customer, facts, waiting.get(customer, []))
    ]
    birthdays = sum(facts.greeted for facts in customers.values())
    return Finding(len(customers), violations, figures={"birthdays": birthdays})


def _customers(events: Iterable[Recorded]) -> dict[str, Customer]:
    customers: dict[str, Customer] = {}
    for event in events:
        match event.data:
            case CustomerRegistered(birth_date=birth_date):
                customers[event.customer] = Customer(birth_date)
            case BirthDateSet(birth_date=birth_date):
                customers.setdefault(event.customer, Customer()).birth_date = birth_date
            case CustomerArchived() | CustomerRestored():
                customers.setdefault(event.customer, Customer()).archived = isinstance(event.data, CustomerArchived)
            case _:
                pass
    return customers


def _waiting(events: Iterable[Recorded]) -> dict[str, list[ReminderPlanned]]:
    """Customer -> its birthday reminders that were planned and neither fired nor taken back."""
    planned: dict[str, tuple[str, ReminderPlanned]] = {}
    for event in events:
        match event.data:
            case ReminderPlanned(kind="birthday"):
                planned[event.stream] = (event.customer, event.data)
            case ReminderFired() | ReminderCancelled():
                planned.pop(event.stream, None)
            case _:
                pass
    waiting: dict[str, list[ReminderPlanned]] = defaultdict(list)
    for customer, reminder in planned.values():
        waiting[customer].append(reminder)
    return waiting


def _unlike(customer: str, facts: Customer, waiting: list[ReminderPlanned]) -> list[str]:
    if len(waiting) != facts.greeted:
        who = "is to be greeted" if facts.greeted else "is not to be greeted"
        return [f"Customer {customer} {who} and has {len(waiting)} birthday reminders to come."]
    return [
        f"Birthday reminder {reminder.reminder_id} of customer {customer} is planned for another day."
        for reminder in waiting
        if isinstance(reminder.local_date, date) and not _falls_on(facts.birth_date, reminder.local_date)
    ]


def _falls_on(birth_date: date | Erased | None, day: date) -> bool:
    if not isinstance(birth_date, date):
        return False
    born, falls = (birth_date.month, birth_date.day), (day.month, day.day)
    # Whoever was born on 29 February is greeted a day earlier in common years.
    return falls == born or (born, falls) == ((2, 29), (2, 28))
