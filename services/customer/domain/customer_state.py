"""The customer as its events made it. Personal fields may be `Erased` anywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal, TypeVar

from shared.events import customer as events
from shared.events import survivorship
from shared.events.customer import Address, ContactKind, CustomerKind, Identifier, Name, Scalar
from shared.events.envelope import ERASED, Contract, Erased

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Contact:
    """One way to reach the customer."""

    kind: ContactKind
    value: str | Erased
    verified: bool = False
    valid: bool = True


@dataclass(frozen=True, slots=True)
class Relationship:
    """What another customer is to this one."""

    other: str
    role: str
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Consent:
    """The last word on one purpose through one channel."""

    given: bool
    text_version: str | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A duty to keep the customer's data, to the end of a day or until it is lifted."""

    reason: str
    until: date | None = None
    lifted: bool = False

    def active(self, today: date) -> bool:
        """Whether nothing may be erased today (UTC)."""
        return not self.lifted and (self.until is None or self.until >= today)


@dataclass(frozen=True, slots=True)
class Customer:
    """State of one customer stream; `kind` is None until it is registered.

    `consents` is keyed by purpose and channel. `contacts_seen` counts every contact point ever added, so that no id is
    used twice. `pins` says of each pinned field whether it still has the value that it had then.
    """

    id: str
    kind: CustomerKind | None = None
    archived: bool = False
    name: Name | Erased = ERASED
    birth_date: date | Erased | None = None
    contacts: Mapping[str, Contact] = field(default_factory=dict)
    contacts_seen: int = 0
    addresses: Mapping[str, Address | Erased] = field(default_factory=dict)
    identifiers: tuple[Identifier | Erased, ...] = ()
    classification: Mapping[str, str] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    preferences: Mapping[str, events.PreferenceNoted] = field(default_factory=dict)
    relationships: Mapping[str, Relationship] = field(default_factory=dict)
    owner: str | None = None
    team: str | None = None
    consents: Mapping[tuple[str, str], Consent] = field(default_factory=dict)
    restricted: bool = False
    objections: frozenset[str] = frozenset()
    extension: Mapping[str, Scalar | Erased] = field(default_factory=dict)
    erasure: Literal["none", "requested", "approved", "done"] = "none"
    holds: Mapping[str, Hold] = field(default_factory=dict)
    pins: Mapping[str, bool] = field(default_factory=dict)


def evolve(state: Customer, event: Contract) -> Customer:  # noqa: C901, PLR0911, PLR0912 - one line per event
    """The state after one more event; events of other aggregates change nothing."""
    match event:
        case events.CustomerRegistered():
            return _registered(state, event)
        case events.NameCorrected():
            return _changed(replace(state, name=event.name), "name")
        case events.BirthDateSet():
            return _changed(replace(state, birth_date=event.birth_date), "birth_date")
        case events.ContactPointAdded():
            added = {event.contact_id: Contact(event.kind, event.value)}
            return replace(state, contacts={**state.contacts, **added}, contacts_seen=state.contacts_seen + 1)
        case events.ContactPointVerified():
            return _with_contact(state, event.contact_id, verified=True, valid=True)
        case events.ContactPointInvalidated():
            return _with_contact(state, event.contact_id, verified=False, valid=False)
        case events.ContactPointRemoved():
            return _without_contact(state, event.contact_id)
        case events.AddressSet():
            known = replace(state, addresses={**state.addresses, event.usage: event.address})
            return _changed(known, f"address:{event.usage}")
        case events.IdentifierAdded():
            return replace(state, identifiers=(*state.identifiers, event.identifier))
        case events.Classified():
            rest = _without(state.classification, event.scheme)
            codes = rest if event.code is None else {**rest, event.scheme: event.code}
            return _changed(replace(state, classification=codes), f"classification:{event.scheme}")
        case events.Tagged():
            return replace(state, tags=state.tags.union(event.added).difference(event.removed))
        case events.PreferenceNoted():
            return replace(state, preferences={**state.preferences, event.topic: event})
        case events.RelationshipAdded():
            added_one = {event.relationship_id: Relationship(event.other, event.role)}
            return replace(state, relationships={**state.relationships, **added_one})
        case events.RelationshipEnded():
            return _with_relationship_ended(state, event.relationship_id)
        case events.OwnerAssigned():
            return replace(state, owner=event.owner, team=event.team)
        case events.ConsentGiven():
            given = Consent(True, event.text_version)  # noqa: FBT003 - the field is named `given`
            return replace(state, consents={**state.consents, (event.purpose, event.channel): given})
        case events.ConsentWithdrawn():
            withdrawn = Consent(False)  # noqa: FBT003 - as above
            return replace(state, consents={**state.consents, (event.purpose, event.channel): withdrawn})
        case events.ProcessingRestricted():
            return replace(state, restricted=True)
        case events.RestrictionLifted():
            return replace(state, restricted=False)
        case events.ObjectionRaised():
            return replace(state, objections=state.objections | {event.purpose})
        case events.ObjectionWithdrawn():
            return replace(state, objections=state.objections - {event.purpose})
        case events.ExtensionFieldSet():
            known = replace(state, extension={**state.extension, event.field: event.value})
            return _changed(known, f"extension:{event.field}")
        case survivorship.ValuePinned():
            return replace(state, pins={**state.pins, event.field: True})
        case survivorship.ValueUnpinned():
            return replace(state, pins=_without(state.pins, event.field))
        case events.CustomerArchived():
            return replace(state, archived=True)
        case events.CustomerRestored():
            return replace(state, archived=False)
        case events.ErasureRequested():
            return replace(state, erasure="requested")
        case events.ErasureRefused():
            return replace(state, erasure="none")
        case events.ErasureApproved():
            return replace(state, erasure="approved")
        case events.CustomerErased():
            return replace(state, erasure="done")
        case events.HoldPlaced():
            return replace(state, holds={**state.holds, event.hold_id: Hold(event.reason, event.until)})
        case events.HoldLifted():
            return _with_hold_lifted(state, event.hold_id)
        case _:
            return state


def pinnable(state: Customer, field: str) -> Any:
    """The value that a field of the golden record has at this customer; None without one."""
    group, _, key = field.partition(":")
    match group:
        case "name":
            return state.name
        case "birth_date":
            return state.birth_date
        case "address":
            return state.addresses.get(key)
        case "classification":
            return state.classification.get(key)
        case "extension":
            return state.extension.get(key)
        case _:
            contact = state.contacts.get(key)
            return contact.value if contact is not None and contact.kind == group and contact.valid else None


def _changed(state: Customer, field: str) -> Customer:
    """The pin of a field that has changed is one of its former value; that of a field taken away is gone."""
    if field not in state.pins:
        return state
    rest = _without(state.pins, field)
    return replace(state, pins=rest if pinnable(state, field) is None else {**rest, field: False})


def _without_contact(state: Customer, contact_id: str) -> Customer:
    pins = {field: still for field, still in state.pins.items() if field.partition(":")[2] != contact_id}
    return replace(state, contacts=_without(state.contacts, contact_id), pins=pins)


def _registered(state: Customer, event: events.CustomerRegistered) -> Customer:
    # Contact points of an erased registration cannot be told apart any more; none of them can be addressed.
    points = () if isinstance(event.contact_points, Erased) else event.contact_points
    identifiers = (event.identifiers,) if isinstance(event.identifiers, Erased) else event.identifiers
    return replace(
        state,
        kind=event.kind,
        name=event.name,
        birth_date=event.birth_date,
        contacts={point.contact_id: Contact(point.kind, point.value) for point in points},
        contacts_seen=len(points),
        addresses={} if event.address is None else {"main": event.address},
        identifiers=identifiers,
        classification=event.classification,
        tags=frozenset(event.tags),
    )


def _with_contact(state: Customer, contact_id: str, *, verified: bool, valid: bool) -> Customer:
    contact = state.contacts.get(contact_id)
    if contact is None:
        return state
    changed = replace(contact, verified=verified, valid=valid)
    return replace(state, contacts={**state.contacts, contact_id: changed})


def _with_relationship_ended(state: Customer, relationship_id: str) -> Customer:
    relationship = state.relationships.get(relationship_id)
    if relationship is None:
        return state
    ended = replace(relationship, ended=True)
    return replace(state, relationships={**state.relationships, relationship_id: ended})


def _with_hold_lifted(state: Customer, hold_id: str) -> Customer:
    hold = state.holds.get(hold_id)
    return state if hold is None else replace(state, holds={**state.holds, hold_id: replace(hold, lifted=True)})


def _without(mapping: Mapping[str, V], name: str) -> dict[str, V]:
    return {key: value for key, value in mapping.items() if key != name}
