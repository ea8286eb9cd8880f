"""The visible table of every event version ever written, and the way from each to the newest one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from shared.events import access, customer, identity, notifications, numbering, survivorship
from shared.events.envelope import Contract

Upcaster: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

LOGS: Mapping[str, tuple[type[Contract], ...]] = {
    "customer": (
        customer.CustomerRegistered,
        customer.NameCorrected,
        customer.BirthDateSet,
        customer.ContactPointAdded,
        customer.ContactPointVerified,
        customer.ContactPointInvalidated,
        customer.ContactPointRemoved,
        customer.AddressSet,
        customer.IdentifierAdded,
        customer.Classified,
        customer.Tagged,
        customer.PreferenceNoted,
        customer.RelationshipAdded,
        customer.RelationshipEnded,
        customer.OwnerAssigned,
        customer.ConsentGiven,
        customer.ConsentWithdrawn,
        customer.ProcessingRestricted,
        customer.RestrictionLifted,
        customer.ObjectionRaised,
        customer.ObjectionWithdrawn,
        customer.ExtensionFieldSet,
        survivorship.ValuePinned,
        survivorship.ValueUnpinned,
        customer.CustomerArchived,
        customer.CustomerRestored,
        customer.ErasureRequested,
        customer.ErasureRefused,
        customer.ErasureApproved,
        customer.CustomerErased,
        customer.HoldPlaced,
        customer.HoldLifted,
        customer.InteractionRecorded,
        customer.OrderPlaced,
        customer.OrderPaid,
        customer.OrderDelivered,
        customer.OrderReturned,
        customer.TicketOpened,
        customer.TicketAnswered,
        customer.TicketResolved,
        customer.TicketReopened,
        survivorship.SurvivorshipPolicySet,
    ),
    "identity": (
        identity.NumberAssigned,
        identity.AliasAdded,
        identity.LinkedV1,
        identity.Linked,
        identity.SeparatedV1,
        identity.Separated,
        identity.Asserted,
        identity.AssertionEnded,
        identity.ReviewOpened,
        identity.ReviewClosed,
        identity.ApprovalRequested,
        identity.ApprovalDecided,
        numbering.NumberingRulesSet,
        numbering.NumbersLeased,
        numbering.NumbersVoided,
        numbering.SerialsRaised,
    ),
    "notifications": (
        notifications.ReminderPlanned,
        notifications.ReminderCancelled,
        notifications.ReminderFired,
        notifications.MessageSent,
        notifications.MessageFailed,
    ),
    "access": (
        access.PersonalDataRead,
        access.Exported,
        access.LoginFailed,
        access.CommandRefused,
        access.TokenIssued,
        access.AlarmRaised,
    ),
}
FOLDED: tuple[str, ...] = tuple(log for log in LOGS if log != "access")
"""The logs that views are made of. The access log tells who looked at them."""


def _as_it_was(data: dict[str, Any]) -> dict[str, Any]:
    """For versions that only added fields which say nothing where they are absent."""
    return data


UPCASTERS: Mapping[tuple[str, int], Upcaster] = {
    (identity.LinkedV1.TYPE, 1): _as_it_was,
    (identity.SeparatedV1.TYPE, 1): _as_it_was,
}
"""(type, version) -> function from that version's data to the next version's data. Erased fields pass through."""

CATALOGUE: Mapping[tuple[str, int], type[Contract]] = {
    (contract.TYPE, contract.VERSION): contract for contracts in LOGS.values() for contract in contracts
}
NEWEST: Mapping[str, type[Contract]] = {
    contract.TYPE: contract for contract in sorted(CATALOGUE.values(), key=lambda contract: contract.VERSION)
}


class UnknownEvent(Exception):
    """A record of a type or version this build does not know. Fate: park; newer code can re-drive it."""


def decode(event_type: str, version: int, data: dict[str, Any]) -> Contract:
    """Data of any known version as the newest contract.

    Raises UnknownEvent (park) and pydantic's ValidationError (park: the record breaks its own contract).
    """
    newest = NEWEST.get(event_type)
    if newest is None or (event_type, version) not in CATALOGUE:
        raise UnknownEvent(f"{event_type}.v{version} is not in the catalogue of this build")
    while version < newest.VERSION:
        data = UPCASTERS[event_type, version](data)
        version += 1
    return newest.model_validate(data)
