"""What the personal fields of each event are processed for: a visible table, which the record of processing is made of.

A sealed field of a contract that has no purpose here fails at import, and so does a purpose that nobody described.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from shared.events import customer, notifications
from shared.events.catalogue import CATALOGUE
from shared.events.envelope import Contract


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why personal data are processed, and on what ground."""

    what: str
    ground: str


PURPOSES: Mapping[str, Purpose] = {
    "identification": Purpose(
        "to know every customer once: numbers, matching, merging", "legitimate interest (Art. 6(1)(f) GDPR)"
    ),
    "customer_care": Purpose(
        "to answer, to keep in touch, to congratulate", "contract and legitimate interest (Art. 6(1)(b), (f) GDPR)"
    ),
    "service": Purpose("to deliver, to help with what was bought", "contract (Art. 6(1)(b) GDPR)"),
    "marketing": Purpose("to advertise", "consent for each channel (Art. 6(1)(a) GDPR)"),
}
"""Purpose -> what it is and its ground. Whoever sends a command gives one in `Custlog-Purpose`."""

_WHO = ("identification", "customer_care", "service")
_REACH = ("identification", "customer_care", "service", "marketing")
_NUMBER = ("identification", "service")
_DAY = ("identification", "customer_care")

PROCESSED: Mapping[type[Contract], Mapping[str, tuple[str, ...]]] = {
    customer.CustomerRegistered: {
        "name": _REACH,
        "birth_date": _DAY,
        "contact_points": _REACH,
        "address": _REACH,
        "identifiers": _NUMBER,
    },
    customer.NameCorrected: {"name": _REACH},
    customer.BirthDateSet: {"birth_date": _DAY},
    customer.ContactPointAdded: {"value": _REACH, "raw": _WHO},
    customer.AddressSet: {"address": _REACH},
    customer.IdentifierAdded: {"identifier": _NUMBER},
    customer.PreferenceNoted: {"value": ("customer_care", "marketing")},
    customer.ExtensionFieldSet: {"value": ("customer_care", "service")},
    customer.InteractionRecorded: {"summary": ("customer_care", "service")},
    customer.TicketOpened: {"summary": ("service",)},
    customer.TicketAnswered: {"text": ("service",)},
    notifications.ReminderPlanned: {
        "due_at": ("customer_care", "marketing"),
        "local_date": ("customer_care", "marketing"),
        "note": ("customer_care", "marketing"),
    },
}
"""Event -> personal field -> what it is processed for."""


def check(
    contracts: Collection[type[Contract]],
    processed: Mapping[type[Contract], Mapping[str, tuple[str, ...]]] = PROCESSED,
    purposes: Collection[str] = tuple(PURPOSES),
) -> None:
    """TypeError for the first contract with a personal field that has no purpose, or one that is not described."""
    for contract in contracts:
        given = processed.get(contract, {})
        if missing := sorted(name for name in contract.SEALED if not given.get(name)):
            raise TypeError(f"{contract.__name__}.{missing[0]} is personal and has no purpose: {_REMEDY}")
        if strange := sorted(given.keys() - contract.SEALED):
            raise TypeError(f"{contract.__name__}.{strange[0]} has a purpose and is no personal field: {_REMEDY}")
        if unknown := sorted({purpose for of_field in given.values() for purpose in of_field} - set(purposes)):
            raise TypeError(f"{contract.__name__} names the purpose {unknown[0]}, which is not described: {_REMEDY}")


_REMEDY = "see shared/events/processing.py"
check(CATALOGUE.values())
