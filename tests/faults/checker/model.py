"""A small model of a customer, written without a look at the services: what the query API has to answer.

From the opened events alone: name, archived or not, the contact values that are not removed, how many orders,
tickets and interactions, the number. Membership comes from the replay of the links (identities.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.events.envelope import Erased, Recorded
from tests.faults.checker.evidence import Evidence, Json
from tests.faults.checker.finding import Finding
from tests.faults.checker.identities import replayed


@dataclass(slots=True)
class Customer:
    """What is expected of one customer."""

    name: str | None = None
    archived: bool = False
    number: str | None = None
    contacts: dict[str, str | Erased] = field(default_factory=dict)
    orders: int = 0
    tickets: int = 0
    interactions: int = 0

    def apply(self, kind: str, data: Any) -> None:
        match kind:
            case "customer.registered":
                self.name = _unless_erased(data.name, "full")
                points = () if isinstance(data.contact_points, Erased) else data.contact_points
                self.contacts.update({point.contact_id: point.value for point in points})
            case "customer.name_corrected":
                self.name = _unless_erased(data.name, "full")
            case "customer.contact_point_added":
                self.contacts[data.contact_id] = data.value
            case "customer.contact_point_removed":
                self.contacts.pop(data.contact_id, None)
            case "customer.archived" | "customer.restored":
                self.archived = kind == "customer.archived"
            case "order.placed":
                self.orders += 1
            case "ticket.opened":
                self.tickets += 1
            case "interaction.recorded":
                self.interactions += 1
            case "identity.number_assigned":
                self.number = data.number
            case _:
                pass


def _unless_erased(value: Any, part: str) -> Any:
    return None if isinstance(value, Erased) else getattr(value, part)


def expected(events: Iterable[Recorded]) -> dict[str, Customer]:
    """Customer -> what is known of it, from events that keep their order per log."""
    customers: dict[str, Customer] = {}
    for event in events:
        customers.setdefault(event.customer, Customer()).apply(event.type, event.data)
    return customers


def judge(evidence: Evidence) -> Finding:
    """Every answer of the query API that was asked for."""
    aside = evidence.set_aside("projections")
    events = [
        event
        for log in ("customer", "identity")
        for event in evidence.events(log)
        if (log, event.position) not in aside
    ]
    customers = expected(events)
    graph = replayed(evidence)
    blind = {parked.key for parked in evidence.parked.get("projections", ())}
    violations: list[str] = []
    for customer, answer in evidence.answers.items():
        if answer is None:
            violations.append(f"The query API does not answer for customer {customer}.")
            continue
        group = graph.group(customer)
        if group.isdisjoint(blind):
            members = {member["customer"] for member in answer["members"]}
            if members != group or answer["identity"] != min(group):
                violations.append(f"Customer {customer} is answered in another identity than its links make.")
        wrong = _unlike(customers.get(customer, Customer()), _member(answer, customer))
        if wrong:
            violations.append(f"The query API answers customer {customer} with wrong {', '.join(wrong)}.")
    return Finding(len(evidence.answers), violations, figures={"customers_asked_for": len(evidence.answers)})


def _member(answer: Json, customer: str) -> Mapping[str, Any]:
    return next((member for member in answer["members"] if member["customer"] == customer), {})


def _unlike(customer: Customer, shown: Mapping[str, Any]) -> list[str]:
    if not shown:
        return ["membership"]
    told = (contact for contact in shown["contacts"] if contact["state"] != "removed")
    contacts = sorted(value for contact in told if (value := contact.get("value")) is not None)
    name = shown["name"] and shown["name"].get("value")
    found = {
        "name": (customer.name, name and name["full"]),
        "archived": (customer.archived, shown["archived"]),
        "number": (customer.number, shown["number"]),
        "contacts": (sorted(value for value in customer.contacts.values() if isinstance(value, str)), contacts),
        "orders": (customer.orders, (shown["orders"] or {}).get("placed", 0)),
        "tickets": (customer.tickets, (shown["tickets"] or {}).get("opened", 0)),
        "interactions": (customer.interactions, (shown["interactions"] or {}).get("count", 0)),
    }
    return [name for name, (wanted, told) in found.items() if wanted != told]
