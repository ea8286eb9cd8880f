"""Customers, orders and tickets that tests begin with. Nobody in here exists."""

from typing import Any

from services.customer.domain.customer_commands import Register
from shared.events import customer as events
from shared.ids import derive

ID = "01990000-0000-7000-8000-000000000001"
OTHER = "01990000-0000-7000-8000-000000000002"
MARKERS = ("Zanzibarra", "0412987654", "zanzi@example.org", "Quokkastrasse", "TFN99887766")
"""Personal values that no answer about a failure and no log line may show."""


def register(**changes: Any) -> Register:
    """A Register command with five fields, and what a test changes."""
    return Register.model_validate(registration_body(**changes))


def registration_body(**changes: Any) -> dict[str, Any]:
    """The body of a registration, as a client sends it."""
    return {"kind": "person", "name": "Mia Zanzibarra", "source": "crm", **changes}


def registered(**changes: Any) -> events.CustomerRegistered:
    """What `register` leads to."""
    return events.CustomerRegistered.model_validate(
        {"kind": "person", "source": "crm", "name": {"full": "Mia Zanzibarra"}, **changes}
    )


def contact_id(ordinal: int) -> str:
    """The id of a customer's n-th contact point."""
    return derive("contact", ID, str(ordinal))


def phone(ordinal: int, value: str, raw: str | None = None) -> events.ContactPoint:
    """A phone as the state holds it."""
    return events.ContactPoint(contact_id=contact_id(ordinal), kind="phone", value=value, raw=raw)
