"""How long which data of a customer are kept: a visible table, and who is due by it. Pure; the present is an argument.

All personal fields of a customer are sealed with one key, so they go together: a customer is due when the last of the
classes that there is something of has run out, for all customers who are the same person.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from shared.events import customer as events
from shared.events import survivorship
from shared.events.envelope import Contract

State: TypeAlias = Literal["due", "held", "requested"]


@dataclass(frozen=True, slots=True)
class Policy:
    """One class of data. It is kept for `years` from the last event of its types or the end of that year (UTC)."""

    name: str
    what: str
    starts: str
    years: int
    from_end_of_year: bool
    ground: str
    types: tuple[type[Contract], ...]

    def due(self, last: datetime) -> datetime:
        """From when on this class is kept without need, if its last event happened then."""
        start = datetime(last.year + 1, 1, 1, tzinfo=UTC) if self.from_end_of_year else last
        try:
            return start.replace(year=start.year + self.years)
        except ValueError:
            # The last of February of a leap year.
            return start.replace(year=start.year + self.years, month=3, day=1)


POLICIES: tuple[Policy, ...] = (
    Policy(
        "orders",
        "orders, payments, deliveries, returns, and whose they are",
        "the last event of an order",
        10,
        True,  # noqa: FBT003 - read beside the name of the field
        "legal obligation: commercial and tax records",
        (events.OrderPlaced, events.OrderPaid, events.OrderDelivered, events.OrderReturned),
    ),
    Policy(
        "service",
        "tickets and interactions",
        "the last event of a ticket or interaction",
        3,
        True,  # noqa: FBT003
        "legitimate interest: legal claims until they lapse",
        (
            events.InteractionRecorded,
            events.TicketOpened,
            events.TicketAnswered,
            events.TicketResolved,
            events.TicketReopened,
        ),
    ),
    Policy(
        "consents",
        "consents, withdrawals, objections, restrictions",
        "the last of them",
        3,
        True,  # noqa: FBT003
        "legal obligation: proof of consent and of what was refused",
        (
            events.ConsentGiven,
            events.ConsentWithdrawn,
            events.ObjectionRaised,
            events.ObjectionWithdrawn,
            events.ProcessingRestricted,
            events.RestrictionLifted,
        ),
    ),
    Policy(
        "master",
        "names, dates, contact points, addresses, identifiers, preferences, relationships, own fields",
        "the last time that the customer was registered or changed",
        2,
        False,  # noqa: FBT003
        "legitimate interest: care of customers",
        (
            events.CustomerRegistered,
            events.NameCorrected,
            events.BirthDateSet,
            events.ContactPointAdded,
            events.ContactPointVerified,
            events.ContactPointInvalidated,
            events.ContactPointRemoved,
            events.AddressSet,
            events.IdentifierAdded,
            events.Classified,
            events.Tagged,
            events.PreferenceNoted,
            events.RelationshipAdded,
            events.RelationshipEnded,
            events.OwnerAssigned,
            events.ExtensionFieldSet,
            events.CustomerArchived,
            events.CustomerRestored,
        ),
    ),
)
KEEPS_NOTHING: tuple[type[Contract], ...] = (
    events.ErasureRequested,
    events.ErasureRefused,
    events.ErasureApproved,
    events.CustomerErased,
    events.HoldPlaced,
    events.HoldLifted,
    survivorship.ValuePinned,
    survivorship.ValueUnpinned,
    survivorship.SurvivorshipPolicySet,
)
"""What is said about the keeping itself, or about which value is the best: no ground for keeping longer."""
CLASS_OF: Mapping[str, Policy] = {contract.TYPE: policy for policy in POLICIES for contract in policy.types}


@dataclass(frozen=True, slots=True)
class Kept:
    """What of a customer matters here: when the last event of each type happened, and what stands against erasing."""

    customer: str
    identity: str
    last: Mapping[str, datetime]
    held: bool = False
    requested: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """A customer who is kept without need since `since`; `policy` is the class of the person that lasted longest."""

    customer: str
    policy: str
    since: datetime
    state: State


def due(kept: Iterable[Kept], now: datetime) -> Iterator[Due]:
    """Who is due, the longest due first. `kept` has all customers of every person, none who is erased already."""
    people: dict[str, list[Kept]] = {}
    for one in kept:
        people.setdefault(one.identity, []).append(one)
    ends = []
    for members in people.values():
        runs_out = [
            (CLASS_OF[name].due(last), CLASS_OF[name].name)
            for one in members
            for name, last in one.last.items()
            if name in CLASS_OF
        ]
        if runs_out and max(runs_out)[0] <= now:
            ends += [(max(runs_out), one) for one in members]
    for (since, policy), one in sorted(ends, key=lambda end: (end[0][0], end[1].customer)):
        yield Due(one.customer, policy, since, "held" if one.held else "requested" if one.requested else "due")
