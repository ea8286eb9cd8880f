"""One customer inside an identity's document: its shape, and what each event of the customer changes in it."""

from collections.abc import Mapping

from services.projections.views.member_dealings import DEALING_FOLDS
from services.projections.views.member_values import VALUE_FOLDS, reference_to
from services.projections.views.membership import MemberFold
from services.projections.views.view import Document
from shared.events import customer as log
from shared.events import identity
from shared.events.envelope import Contract, Recorded


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
        "pins": {},
        "orders": None,
        "tickets": None,
        "interactions": None,
        "sealed": [],
    }


def _tagged(member: Document, data: log.Tagged, event: Recorded) -> None:
    member["version"] = event.seq
    member["tags"] = sorted({*member["tags"], *data.added} - set(data.removed))


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


def _archived(member: Document, data: log.CustomerArchived, event: Recorded) -> None:  # noqa: ARG001
    member["version"] = event.seq
    member["archived"] = True


def _restored(member: Document, data: log.CustomerRestored, event: Recorded) -> None:  # noqa: ARG001
    member["version"] = event.seq
    member["archived"] = False


def _only_the_version(member: Document, data: Contract, event: Recorded) -> None:  # noqa: ARG001
    member["version"] = event.seq


def _number_assigned(member: Document, data: identity.NumberAssigned, event: Recorded) -> None:
    member["number"] = {"number": data.number, **reference_to(event)}


def _alias_added(member: Document, data: identity.AliasAdded, event: Recorded) -> None:  # noqa: ARG001
    member["aliases"] = sorted({*member["aliases"], data.alias})


MEMBER_FOLDS: Mapping[str, MemberFold] = {
    **VALUE_FOLDS,
    **DEALING_FOLDS,
    log.Tagged.TYPE: _tagged,
    log.RelationshipAdded.TYPE: _relationship_added,
    log.RelationshipEnded.TYPE: _relationship_ended,
    log.OwnerAssigned.TYPE: _owner_assigned,
    log.ConsentGiven.TYPE: _consent_given,
    log.ConsentWithdrawn.TYPE: _consent_withdrawn,
    log.ProcessingRestricted.TYPE: _processing_restricted,
    log.RestrictionLifted.TYPE: _restriction_lifted,
    log.ObjectionRaised.TYPE: _objection_raised,
    log.ObjectionWithdrawn.TYPE: _objection_withdrawn,
    log.CustomerArchived.TYPE: _archived,
    log.CustomerRestored.TYPE: _restored,
    log.ErasureRequested.TYPE: _only_the_version,
    log.ErasureRefused.TYPE: _only_the_version,
    log.ErasureApproved.TYPE: _only_the_version,
    log.CustomerErased.TYPE: _only_the_version,
    log.HoldPlaced.TYPE: _only_the_version,
    log.HoldLifted.TYPE: _only_the_version,
    identity.NumberAssigned.TYPE: _number_assigned,
    identity.AliasAdded.TYPE: _alias_added,
}
