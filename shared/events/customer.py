"""Events of the customer log: what sales, service, shops, web forms and files say about one customer."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.events.envelope import (
    Business,
    Code,
    Contract,
    Core,
    Currency,
    Decimal,
    General,
    Id,
    Instant,
    Sensitive,
    Text,
    Value,
    Word,
)

CustomerKind = Literal["person", "organisation"]
ContactKind = Literal["phone", "email", "social"]
AddressUsage = Literal["main", "postal", "billing", "delivery"]
InteractionKind = Literal["call", "mail", "visit", "chat", "web", "social"]
Scalar = Annotated[str, StringConstraints(max_length=10_000)] | bool | int | None


class Name(Value):
    """A name as its bearer writes it; `full` is what is shown, the parts serve matching and salutation."""

    full: Word
    given: Word | None = None
    family: Word | None = None


class ContactPoint(Value):
    """One way to reach somebody: `value` normalised (E.164, lower-case address), `raw` as it was given."""

    contact_id: Id
    kind: ContactKind
    value: Word
    raw: Word | None = None


class Address(Value):
    """A postal address; every part optional, because sources differ."""

    lines: Annotated[tuple[Word, ...], Field(max_length=6)] = ()
    street_number: Word | None = None
    locality: Word | None = None
    region: Word | None = None
    postcode: Word | None = None
    country: Word | None = None


class Identifier(Value):
    """A number somebody else gave this customer (tax, social security, company register)."""

    type: Code
    value: Word


class CustomerRegistered(Contract):
    """A customer became known through one source. Opens the stream."""

    TYPE = "customer.registered"
    kind: General[CustomerKind]
    source: General[Code]
    external_id: Business[Word | None] = None
    name: Sensitive[Name]
    birth_date: Sensitive[date | None] = None
    contact_points: Sensitive[tuple[ContactPoint, ...]] = ()
    address: Sensitive[Address | None] = None
    identifiers: Core[tuple[Identifier, ...]] = ()
    classification: Business[dict[Code, Code]] = Field(default_factory=dict)
    tags: Business[tuple[Code, ...]] = ()


class NameCorrected(Contract):
    TYPE = "customer.name_corrected"
    name: Sensitive[Name]
    reason: General[Word | None] = None


class BirthDateSet(Contract):
    TYPE = "customer.birth_date_set"
    birth_date: Sensitive[date | None] = None


class ContactPointAdded(Contract):
    TYPE = "customer.contact_point_added"
    contact_id: General[Id]
    kind: General[ContactKind]
    value: Sensitive[Word]
    raw: Sensitive[Word | None] = None


class ContactPointVerified(Contract):
    TYPE = "customer.contact_point_verified"
    contact_id: General[Id]
    method: General[Code]


class ContactPointInvalidated(Contract):
    TYPE = "customer.contact_point_invalidated"
    contact_id: General[Id]
    reason: General[Code]


class ContactPointRemoved(Contract):
    TYPE = "customer.contact_point_removed"
    contact_id: General[Id]
    reason: General[Code]


class AddressSet(Contract):
    TYPE = "customer.address_set"
    usage: General[AddressUsage]
    address: Sensitive[Address]


class IdentifierAdded(Contract):
    TYPE = "customer.identifier_added"
    identifier: Core[Identifier]


class Classified(Contract):
    """The customer's code in one classification scheme (segment, industry, region); None takes it away."""

    TYPE = "customer.classified"
    scheme: Business[Code]
    code: Business[Code | None] = None


class Tagged(Contract):
    TYPE = "customer.tagged"
    added: Business[tuple[Code, ...]] = ()
    removed: Business[tuple[Code, ...]] = ()


class PreferenceNoted(Contract):
    """A preference with where it came from; `confidence` is 0 to 1 as a decimal string."""

    TYPE = "customer.preference_noted"
    topic: Business[Code]
    value: Sensitive[Word]
    source: General[Code]
    confidence: Business[Decimal] = "1"


class RelationshipAdded(Contract):
    TYPE = "customer.relationship_added"
    relationship_id: General[Id]
    other: General[Id]
    role: Business[Code]


class RelationshipEnded(Contract):
    TYPE = "customer.relationship_ended"
    relationship_id: General[Id]
    reason: General[Code]


class OwnerAssigned(Contract):
    """The account and team now responsible; `owner` None leaves the team alone responsible."""

    TYPE = "customer.owner_assigned"
    owner: Business[Code | None] = None
    team: Business[Code | None] = None


class ConsentGiven(Contract):
    TYPE = "customer.consent_given"
    purpose: General[Code]
    channel: General[Code]
    text_version: General[Code]


class ConsentWithdrawn(Contract):
    TYPE = "customer.consent_withdrawn"
    purpose: General[Code]
    channel: General[Code]
    reason: General[Code | None] = None


class ProcessingRestricted(Contract):
    """From here on the customer's data are only kept: no rule uses them, nobody is matched by them, nothing is sent."""

    TYPE = "customer.processing_restricted"
    reason: General[Code]


class RestrictionLifted(Contract):
    TYPE = "customer.restriction_lifted"
    reason: General[Code]


class ObjectionRaised(Contract):
    """The customer objects to the processing for one purpose; whatever is due for it is not sent."""

    TYPE = "customer.objection_raised"
    purpose: General[Code]
    reason: General[Code | None] = None


class ObjectionWithdrawn(Contract):
    TYPE = "customer.objection_withdrawn"
    purpose: General[Code]


class ExtensionFieldSet(Contract):
    """A field the core does not know. Sealed always, because nobody classified its content."""

    TYPE = "customer.extension_field_set"
    field: General[Code]
    value: Sensitive[Scalar] = None


class CustomerArchived(Contract):
    TYPE = "customer.archived"
    reason: General[Code]


class CustomerRestored(Contract):
    TYPE = "customer.restored"
    reason: General[Code]


class ErasureRequested(Contract):
    """Somebody asks that everything personal about the customer is erased. A second person decides on it."""

    TYPE = "customer.erasure_requested"
    reason: General[Code]


class ErasureRefused(Contract):
    TYPE = "customer.erasure_refused"
    reason: General[Code]


class ErasureApproved(Contract):
    """From here on nothing about the customer is recorded any more, and nobody can take it back."""

    TYPE = "customer.erasure_approved"


class CustomerErased(Contract):
    """The customer's data key is destroyed: what was personal in any event reads as erased."""

    TYPE = "customer.erased"


class HoldPlaced(Contract):
    """A duty to keep the customer's data, to the end of the day `until` (UTC) or until it is lifted."""

    TYPE = "customer.hold_placed"
    hold_id: General[Id]
    reason: General[Code]
    until: General[date | None] = None


class HoldLifted(Contract):
    TYPE = "customer.hold_lifted"
    hold_id: General[Id]


class InteractionRecorded(Contract):
    TYPE = "interaction.recorded"
    interaction_id: General[Id]
    kind: General[InteractionKind]
    direction: General[Literal["in", "out"]]
    summary: Sensitive[Text | None] = None
    outcome: Business[Code | None] = None


class OrderLine(Value):
    product: Code
    quantity: Decimal
    amount: Decimal


class OrderPlaced(Contract):
    TYPE = "order.placed"
    order_id: General[Id]
    reference: Business[Code]
    currency: Business[Currency]
    total: Business[Decimal]
    lines: Business[tuple[OrderLine, ...]] = ()


class OrderPaid(Contract):
    TYPE = "order.paid"
    order_id: General[Id]
    amount: Business[Decimal]
    method: Business[Code]


class OrderDelivered(Contract):
    TYPE = "order.delivered"
    order_id: General[Id]
    carrier: Business[Code | None] = None
    delivered_at: Business[Instant | None] = None


class OrderReturned(Contract):
    TYPE = "order.returned"
    order_id: General[Id]
    amount: Business[Decimal]
    reason: Business[Code]


class TicketOpened(Contract):
    TYPE = "ticket.opened"
    ticket_id: General[Id]
    topic: Business[Code]
    priority: Business[Literal["low", "normal", "high", "urgent"]] = "normal"
    summary: Sensitive[Text]


class TicketAnswered(Contract):
    TYPE = "ticket.answered"
    ticket_id: General[Id]
    text: Sensitive[Text]


class TicketResolved(Contract):
    TYPE = "ticket.resolved"
    ticket_id: General[Id]
    resolution: Business[Code]


class TicketReopened(Contract):
    TYPE = "ticket.reopened"
    ticket_id: General[Id]
    reason: Business[Code]
