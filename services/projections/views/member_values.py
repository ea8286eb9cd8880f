"""What is known of a customer inside an identity's document: references to the events that hold values, and pins.

A reference names the event; the sealed part of that event is kept with the member for as long as anything refers to it.
"""

from collections.abc import Mapping

from services.projections.views.membership import MemberFold
from services.projections.views.sealed import sealed_parts
from services.projections.views.survivorship import RECTIFICATION
from services.projections.views.view import Document
from shared.events import customer as log
from shared.events.envelope import Erased, Recorded
from shared.events.survivorship import ValuePinned, ValueUnpinned

_GROUPS = {"address": "addresses", "classification": "classification", "extension": "extensions"}
"""Group of golden fields -> what a member calls it; else it is a contact point."""


def _registered(member: Document, data: log.CustomerRegistered, event: Recorded) -> None:
    member["event"] = event.id
    member["registered_at"] = event.occurred_at
    member["source"] = data.source
    member["external_id"] = data.external_id
    member["kind"] = data.kind
    member["version"] = event.seq
    member["name"] = reference_to(event)
    if data.birth_date is not None:
        member["birth_date"] = reference_to(event)
    if not isinstance(data.contact_points, Erased):
        for point in data.contact_points:
            member["contacts"][point.contact_id] = _contact(point.kind, event)
    if data.address is not None:
        member["addresses"]["main"] = reference_to(event)
    if data.identifiers:
        member["identifiers"].append(reference_to(event))
    for scheme, code in data.classification.items():
        member["classification"][scheme] = {"code": code, **reference_to(event)}
    member["tags"] = sorted(set(data.tags))
    _keep(member, event)


def _name_corrected(member: Document, data: log.NameCorrected, event: Recorded) -> None:  # noqa: ARG001
    member["version"] = event.seq
    member["name"] = reference_to(event)
    _changed(member, "name", event)
    _keep(member, event)
    _drop_unused(member)


def _birth_date_set(member: Document, data: log.BirthDateSet, event: Recorded) -> None:
    member["version"] = event.seq
    member["birth_date"] = None if data.birth_date is None else reference_to(event)
    _changed(member, "birth_date", event, is_gone=data.birth_date is None)
    _keep(member, event)
    _drop_unused(member)


def _contact_point_added(member: Document, data: log.ContactPointAdded, event: Recorded) -> None:
    member["version"] = event.seq
    member["contacts"][data.contact_id] = _contact(data.kind, event)
    _keep(member, event)
    _drop_unused(member)


def _contact_point_verified(member: Document, data: log.ContactPointVerified, event: Recorded) -> None:
    _contact_state(member, data.contact_id, "verified", event)


def _contact_point_invalidated(member: Document, data: log.ContactPointInvalidated, event: Recorded) -> None:
    _contact_state(member, data.contact_id, "invalid", event)


def _contact_point_removed(member: Document, data: log.ContactPointRemoved, event: Recorded) -> None:
    _contact_state(member, data.contact_id, "removed", event)
    member["pins"] = {field: pin for field, pin in member["pins"].items() if field.partition(":")[2] != data.contact_id}
    _drop_unused(member)


def _address_set(member: Document, data: log.AddressSet, event: Recorded) -> None:
    member["version"] = event.seq
    member["addresses"][data.usage] = reference_to(event)
    _changed(member, f"address:{data.usage}", event)
    _keep(member, event)
    _drop_unused(member)


def _identifier_added(member: Document, data: log.IdentifierAdded, event: Recorded) -> None:  # noqa: ARG001
    member["version"] = event.seq
    member["identifiers"].append(reference_to(event))
    _keep(member, event)


def _classified(member: Document, data: log.Classified, event: Recorded) -> None:
    member["version"] = event.seq
    _changed(member, f"classification:{data.scheme}", event, is_gone=data.code is None)
    if data.code is None:
        member["classification"].pop(data.scheme, None)
    else:
        member["classification"][data.scheme] = {"code": data.code, **reference_to(event)}


def _preference_noted(member: Document, data: log.PreferenceNoted, event: Recorded) -> None:
    member["version"] = event.seq
    noted = {"source": data.source, "confidence": data.confidence, **reference_to(event)}
    member["preferences"][data.topic] = noted
    _keep(member, event)
    _drop_unused(member)


def _extension_field_set(member: Document, data: log.ExtensionFieldSet, event: Recorded) -> None:
    member["version"] = event.seq
    _changed(member, f"extension:{data.field}", event, is_gone=data.value is None)
    if data.value is None:
        member["extensions"].pop(data.field, None)
    else:
        member["extensions"][data.field] = reference_to(event)
    _keep(member, event)
    _drop_unused(member)


def _value_pinned(member: Document, data: ValuePinned, event: Recorded) -> None:
    member["version"] = event.seq
    reference = _pinnable(member, data.field)
    # Unknown if the customer was erased: the contact points of a registration are inside its sealed part.
    if reference is not None:
        value = {name: reference[name] for name in ("event", "at", "code") if name in reference}
        member["pins"][data.field] = {"value": value, "event": event.id, "at": event.occurred_at, "by": event.actor.id}
        _drop_unused(member)


def _value_unpinned(member: Document, data: ValueUnpinned, event: Recorded) -> None:
    member["version"] = event.seq
    member["pins"].pop(data.field, None)
    _drop_unused(member)


def _pinnable(member: Document, field: str) -> Document | None:
    group, _, key = field.partition(":")
    reference: Document | None = member[group] if not key else member[_GROUPS.get(group, "contacts")].get(key)
    return reference


def _changed(member: Document, field: str, event: Recorded, *, is_gone: bool = False) -> None:
    """Ends the pin of a value that was taken away, or corrected because the person asked for it."""
    if is_gone or event.purpose == RECTIFICATION:
        member["pins"].pop(field, None)


def reference_to(event: Recorded) -> Document:
    """What a field says of its value: the event that holds it, since when, and whether the person had it corrected."""
    reference = {"event": event.id, "at": event.occurred_at}
    return {**reference, "rectified": True} if event.purpose == RECTIFICATION else reference


def _contact(kind: str, event: Recorded) -> Document:
    return {"kind": kind, "state": "added", "since": event.occurred_at, **reference_to(event)}


def _contact_state(member: Document, contact: str, state: str, event: Recorded) -> None:
    member["version"] = event.seq
    known = member["contacts"].get(contact)
    # Unknown if the customer was erased: the contact points of a registration are inside its sealed part.
    if known is not None:
        known["state"] = state
        known["since"] = event.occurred_at


def _keep(member: Document, event: Recorded) -> None:
    member["sealed"] += sealed_parts(event)


def _drop_unused(member: Document) -> None:
    used = {reference["event"] for reference in (member["name"], member["birth_date"]) if reference is not None}
    for group in ("addresses", "preferences", "extensions"):
        used.update(reference["event"] for reference in member[group].values())
    used.update(contact["event"] for contact in member["contacts"].values() if contact["state"] != "removed")
    used.update(reference["event"] for reference in member["identifiers"])
    used.update(pin["value"]["event"] for pin in member["pins"].values())
    member["sealed"] = [part for part in member["sealed"] if part["event"] in used]


VALUE_FOLDS: Mapping[str, MemberFold] = {
    log.CustomerRegistered.TYPE: _registered,
    log.NameCorrected.TYPE: _name_corrected,
    log.BirthDateSet.TYPE: _birth_date_set,
    log.ContactPointAdded.TYPE: _contact_point_added,
    log.ContactPointVerified.TYPE: _contact_point_verified,
    log.ContactPointInvalidated.TYPE: _contact_point_invalidated,
    log.ContactPointRemoved.TYPE: _contact_point_removed,
    log.AddressSet.TYPE: _address_set,
    log.IdentifierAdded.TYPE: _identifier_added,
    log.Classified.TYPE: _classified,
    log.PreferenceNoted.TYPE: _preference_noted,
    log.ExtensionFieldSet.TYPE: _extension_field_set,
    ValuePinned.TYPE: _value_pinned,
    ValueUnpinned.TYPE: _value_unpinned,
}
