"""One customer inside an identity's document: its shape, and what each event of the customer changes in it."""

from collections.abc import Mapping
from decimal import Decimal

from services.projections.views.membership import MemberFold
from services.projections.views.sealed import sealed_parts
from services.projections.views.survivorship import RECTIFICATION
from services.projections.views.view import Document
from shared.events import customer as log
from shared.events import identity
from shared.events.envelope import Contract, Erased, Recorded


def new_member(customer: str) -> Document:
    """A member of which only the id is known; `since` is the position of the move that put it where it is."""
    return {
        "customer": customer,
        "since": 0,
        "event": None,
        "registered_at": None,
        "source": None,
        "external_id": None,
        "kind": None,
        "version": 0,
        "archived": False,
        "number": None,
        "aliases": [],
        "name": None,
        "birth_date": None,
        "contacts": {},
        "addresses": {},
        "identifiers": [],
        "classification": {},
        "tags": [],
        "preferences": {},
        "relationships": {},
        "owner": None,
        "team": None,
        "consents": {},
        "restricted": False,
        "objections": [],
        "extensions": {},
        "orders": None,
        "tickets": None,
        "interactions": None,
        "sealed": [],
    }


def _registered(member: Document, data: log.CustomerRegistered, event: Recorded) -> None:
    member["event"] = event.id
    member["registered_at"] = event.occurred_at
    member["source"] = data.source
    member["external_id"] = data.external_id
    member["kind"] = data.kind
    member["version"] = event.seq
    member["name"] = _reference(event)
    if data.birth_date is not None:
        member["birth_date"] = _reference(event)
    if not isinstance(data.contact_points, Erased):
        for point in data.contact_points:
            member["contacts"][point.contact_id] = _contact(point.kind, event)
    if data.address is not None:
        member["addresses"]["main"] = _reference(event)
    if data.identifiers:
        member["identifiers"].append(_reference(event))
    for scheme, code in data.classification.items():
        member["classification"][scheme] = {"code": code, **_reference(event)}
    member["tags"] = sorted(set(data.tags))
    _keep(member, event)


def _name_corrected(member: Document, data: log.NameCorrected, event: Recorded) -> None:  # noqa: ARG001
    member["version"] = event.seq
    member["name"] = _reference(event)
    _keep(member, event)
    _drop_unused(member)


def _birth_date_set(member: Document, data: log.BirthDateSet, event: Recorded) -> None:
    member["version"] = event.seq
    member["birth_date"] = None if data.birth_date is None else _reference(event)
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
    _drop_unused(member)


def _address_set(member: Document, data: log.AddressSet, event: Recorded) -> None:
    member["version"] = event.seq
    member["addresses"][data.usage] = _reference(event)
    _keep(member, event)
    _drop_unused(member)


def _identifier_added(member: Document, data: log.IdentifierAdded, event: Recorded) -> None:  # noqa: ARG001
    member["version"] = event.seq
    member["identifiers"].append(_reference(event))
    _keep(member, event)


def _classified(member: Document, data: log.Classified, event: Recorded) -> None:
    member["version"] = event.seq
    if data.code is None:
        member["classification"].pop(data.scheme, None)
    else:
        member["classification"][data.scheme] = {"code": data.code, **_reference(event)}


def _tagged(member: Document, data: log.Tagged, event: Recorded) -> None:
    member["version"] = event.seq
    member["tags"] = sorted({*member["tags"], *data.added} - set(data.removed))


def _preference_noted(member: Document, data: log.PreferenceNoted, event: Recorded) -> None:
    member["version"] = event.seq
    noted = {"source": data.source, "confidence": data.confidence, **_reference(event)}
    member["preferences"][data.topic] = noted
    _keep(member, event)
    _drop_unused(member)


def _relationship_added(member: Document, data: log.RelationshipAdded, event: Recorded) -> None:
    member["version"] = event.seq
    member["relationships"][data.relationship_id] = {"other": data.other, "role": data.role, "at": event.occurred_at}


def _relationship_ended(member: Document, data: log.RelationshipEnded, event: Recorded) -> None:
    member["version"] = event.seq
    member["relationships"].pop(data.relationship_id, None)


def _owner_assigned(member: Document, data: log.OwnerAssigned, event: Recorded) -> None:
    member["version"] = event.seq
    member["owner"] = data.owner
    member["team"] = data.team


def _consent_given(member: Document, data: log.ConsentGiven, event: Recorded) -> None:
    member["version"] = event.seq
    member["consents"][f"{data.purpose}/{data.channel}"] = {
        "purpose": data.purpose,
        "channel": data.channel,
        "given": True,
        "text_version": data.text_version,
        "at": event.occurred_at,
    }


def _consent_withdrawn(member: Document, data: log.ConsentWithdrawn, event: Recorded) -> None:
    member["version"] = event.seq
    consent = member["consents"].setdefault(
        f"{data.purpose}/{data.channel}", {"purpose": data.purpose, "channel": data.channel, "text_version": None}
    )
    consent["given"] = False
    consent["at"] = event.occurred_at


def _processing_restricted(member: Document, data: log.ProcessingRestricted, event: Recorded) -> None:  # noqa: ARG001
    member["version"] = event.seq
    member["restricted"] = True


def _restriction_lifted(member: Document, data: log.RestrictionLifted, event: Recorded) -> None:  # noqa: ARG001
    member["version"] = event.seq
    member["restricted"] = False


def _objection_raised(member: Document, data: log.ObjectionRaised, event: Recorded) -> None:
    member["version"] = event.seq
    member["objections"] = sorted({*member["objections"], data.purpose})


def _objection_withdrawn(member: Document, data: log.ObjectionWithdrawn, event: Recorded) -> None:
    member["version"] = event.seq
    member["objections"] = sorted({*member["objections"]} - {data.purpose})


def _extension_field_set(member: Document, data: log.ExtensionFieldSet, event: Recorded) -> None:
    member["version"] = event.seq
    if data.value is None:
        member["extensions"].pop(data.field, None)
    else:
        member["extensions"][data.field] = _reference(event)
    _keep(member, event)
    _drop_unused(member)


def _archived(member: Document, data: log.CustomerArchived, event: Recorded) -> None:  # noqa: ARG001
    member["version"] = event.seq
    member["archived"] = True


def _restored(member: Document, data: log.CustomerRestored, event: Recorded) -> None:  # noqa: ARG001
    member["version"] = event.seq
    member["archived"] = False


def _only_the_version(member: Document, data: Contract, event: Recorded) -> None:  # noqa: ARG001
    member["version"] = event.seq


def _interaction_recorded(member: Document, data: log.InteractionRecorded, event: Recorded) -> None:
    summary = member["interactions"]
    if summary is None:
        summary = member["interactions"] = {"count": 0, "kinds": {}, "last_at": event.occurred_at}
    summary["count"] += 1
    summary["kinds"][data.kind] = summary["kinds"].get(data.kind, 0) + 1
    summary["last_at"] = max(summary["last_at"], event.occurred_at)


def _order_placed(member: Document, data: log.OrderPlaced, event: Recorded) -> None:
    summary = _count_order(member, "placed", event)
    total = Decimal(summary["totals"].get(data.currency, "0")) + Decimal(data.total)
    summary["totals"][data.currency] = str(total)


def _order_paid(member: Document, data: log.OrderPaid, event: Recorded) -> None:  # noqa: ARG001
    _count_order(member, "paid", event)


def _order_delivered(member: Document, data: log.OrderDelivered, event: Recorded) -> None:  # noqa: ARG001
    _count_order(member, "delivered", event)


def _order_returned(member: Document, data: log.OrderReturned, event: Recorded) -> None:  # noqa: ARG001
    _count_order(member, "returned", event)


def _ticket_opened(member: Document, data: log.TicketOpened, event: Recorded) -> None:
    summary = _tickets(member, event)
    summary["opened"] += 1
    summary["open"] = sorted({*summary["open"], data.ticket_id})


def _ticket_answered(member: Document, data: log.TicketAnswered, event: Recorded) -> None:  # noqa: ARG001
    _tickets(member, event)


def _ticket_resolved(member: Document, data: log.TicketResolved, event: Recorded) -> None:
    summary = _tickets(member, event)
    summary["resolved"] += 1
    summary["open"] = [ticket for ticket in summary["open"] if ticket != data.ticket_id]


def _ticket_reopened(member: Document, data: log.TicketReopened, event: Recorded) -> None:
    summary = _tickets(member, event)
    summary["open"] = sorted({*summary["open"], data.ticket_id})


def _number_assigned(member: Document, data: identity.NumberAssigned, event: Recorded) -> None:
    member["number"] = {"number": data.number, **_reference(event)}


def _alias_added(member: Document, data: identity.AliasAdded, event: Recorded) -> None:  # noqa: ARG001
    member["aliases"] = sorted({*member["aliases"], data.alias})


def _reference(event: Recorded) -> Document:
    reference = {"event": event.id, "at": event.occurred_at}
    return {**reference, "rectified": True} if event.purpose == RECTIFICATION else reference


def _contact(kind: str, event: Recorded) -> Document:
    return {"kind": kind, "state": "added", "since": event.occurred_at, **_reference(event)}


def _contact_state(member: Document, contact: str, state: str, event: Recorded) -> None:
    member["version"] = event.seq
    known = member["contacts"].get(contact)
    # Unknown if the customer was erased: the contact points of a registration are inside its sealed part.
    if known is not None:
        known["state"] = state
        known["since"] = event.occurred_at


def _count_order(member: Document, step: str, event: Recorded) -> Document:
    summary: Document | None = member["orders"]
    if summary is None:
        counts = {"placed": 0, "paid": 0, "delivered": 0, "returned": 0}
        summary = member["orders"] = {**counts, "totals": {}, "last_at": event.occurred_at}
    summary[step] += 1
    summary["last_at"] = max(summary["last_at"], event.occurred_at)
    return summary


def _tickets(member: Document, event: Recorded) -> Document:
    summary: Document | None = member["tickets"]
    if summary is None:
        summary = member["tickets"] = {"opened": 0, "resolved": 0, "open": [], "last_at": event.occurred_at}
    summary["last_at"] = max(summary["last_at"], event.occurred_at)
    return summary


def _keep(member: Document, event: Recorded) -> None:
    member["sealed"] += sealed_parts(event)


def _drop_unused(member: Document) -> None:
    used = {reference["event"] for reference in (member["name"], member["birth_date"]) if reference is not None}
    for group in ("addresses", "preferences", "extensions"):
        used.update(reference["event"] for reference in member[group].values())
    used.update(contact["event"] for contact in member["contacts"].values() if contact["state"] != "removed")
    used.update(reference["event"] for reference in member["identifiers"])
    member["sealed"] = [part for part in member["sealed"] if part["event"] in used]


MEMBER_FOLDS: Mapping[str, MemberFold] = {
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
    log.Tagged.TYPE: _tagged,
    log.PreferenceNoted.TYPE: _preference_noted,
    log.RelationshipAdded.TYPE: _relationship_added,
    log.RelationshipEnded.TYPE: _relationship_ended,
    log.OwnerAssigned.TYPE: _owner_assigned,
    log.ConsentGiven.TYPE: _consent_given,
    log.ConsentWithdrawn.TYPE: _consent_withdrawn,
    log.ProcessingRestricted.TYPE: _processing_restricted,
    log.RestrictionLifted.TYPE: _restriction_lifted,
    log.ObjectionRaised.TYPE: _objection_raised,
    log.ObjectionWithdrawn.TYPE: _objection_withdrawn,
    log.ExtensionFieldSet.TYPE: _extension_field_set,
    log.CustomerArchived.TYPE: _archived,
    log.CustomerRestored.TYPE: _restored,
    log.ErasureRequested.TYPE: _only_the_version,
    log.ErasureRefused.TYPE: _only_the_version,
    log.ErasureApproved.TYPE: _only_the_version,
    log.CustomerErased.TYPE: _only_the_version,
    log.HoldPlaced.TYPE: _only_the_version,
    log.HoldLifted.TYPE: _only_the_version,
    log.InteractionRecorded.TYPE: _interaction_recorded,
    log.OrderPlaced.TYPE: _order_placed,
    log.OrderPaid.TYPE: _order_paid,
    log.OrderDelivered.TYPE: _order_delivered,
    log.OrderReturned.TYPE: _order_returned,
    log.TicketOpened.TYPE: _ticket_opened,
    log.TicketAnswered.TYPE: _ticket_answered,
    log.TicketResolved.TYPE: _ticket_resolved,
    log.TicketReopened.TYPE: _ticket_reopened,
    identity.NumberAssigned.TYPE: _number_assigned,
    identity.AliasAdded.TYPE: _alias_added,
}
