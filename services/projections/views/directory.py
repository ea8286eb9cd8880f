"""View `directory`: one document per identity, to find it by number, part of a name, end of a phone number, or class.

{_id: identity, archived, restricted, keys, members: [...]}

`keys` holds whatever the identity is found by, each behind a letter (see `Key`), in one index: an index for each
kind made writing twice as expensive (measured).

The name of an identity is computed when it is read (`name_of`), by the survivorship policy. Names stand here in the
open because they are searched and listed; of a phone number only the last six digits do,
reversed, so that "ends with" is a prefix that an index can serve.
"""

from collections.abc import Mapping

from services.projections.views.directory_keys import Key, keys_of, last_digits, name_words
from services.projections.views.membership import MemberFold, member_folds, members_wanted
from services.projections.views.survivorship import RECTIFICATION, SHIPPED, Candidate, choose, with_pins_that_hold
from services.projections.views.values import compared, size_of
from services.projections.views.view import ACCESS, NUMBERING, STEWARDSHIP, Decision, Document, Filter, View
from shared.events import customer as log
from shared.events import identity, notifications
from shared.events.envelope import Erased, Recorded
from shared.events.survivorship import Policy, SurvivorshipPolicySet, ValuePinned, ValueUnpinned

LEVELS: dict[str, Decision] = {
    "customer.registered.name": "open",
    "customer.registered.birth_date": "absent",
    "customer.registered.contact_points": "open",
    "customer.registered.address": "absent",
    "customer.registered.identifiers": "absent",
    "customer.name_corrected.name": "open",
    "customer.contact_point_added.value": "open",
    "customer.contact_point_added.raw": "absent",
}


def new_member(customer: str) -> Document:
    """A member of which only the id is known."""
    return {
        "customer": customer,
        "since": 0,
        "event": None,
        "number": None,
        "aliases": [],
        "name": None,
        "name_pin": None,
        "words": [],
        "phones": {},
        "classification": {},
        "tags": [],
        "kind": None,
        "archived": False,
        "restricted": False,
        "source": None,
    }


def _registered(member: Document, data: log.CustomerRegistered, event: Recorded) -> None:
    member["event"] = event.id
    member["kind"] = data.kind
    member["source"] = data.source
    member["classification"] = dict(data.classification)
    member["tags"] = sorted(set(data.tags))
    _set_name(member, data.name, event)
    if not isinstance(data.contact_points, Erased):
        for point in data.contact_points:
            _add_phone(member, point.contact_id, point.kind, point.value)


def _name_corrected(member: Document, data: log.NameCorrected, event: Recorded) -> None:
    _set_name(member, data.name, event)


def _contact_point_added(member: Document, data: log.ContactPointAdded, event: Recorded) -> None:  # noqa: ARG001
    member["phones"].pop(data.contact_id, None)
    if not isinstance(data.value, Erased):
        _add_phone(member, data.contact_id, data.kind, data.value)


def _contact_point_gone(
    member: Document,
    data: log.ContactPointInvalidated | log.ContactPointRemoved,
    event: Recorded,  # noqa: ARG001
) -> None:
    member["phones"].pop(data.contact_id, None)


def _classified(member: Document, data: log.Classified, event: Recorded) -> None:  # noqa: ARG001
    if data.code is None:
        member["classification"].pop(data.scheme, None)
    else:
        member["classification"][data.scheme] = data.code


def _tagged(member: Document, data: log.Tagged, event: Recorded) -> None:  # noqa: ARG001
    member["tags"] = sorted({*member["tags"], *data.added} - set(data.removed))


def _archived(member: Document, data: log.CustomerArchived, event: Recorded) -> None:  # noqa: ARG001
    member["archived"] = True


def _restored(member: Document, data: log.CustomerRestored, event: Recorded) -> None:  # noqa: ARG001
    member["archived"] = False


def _processing_restricted(member: Document, data: log.ProcessingRestricted, event: Recorded) -> None:  # noqa: ARG001
    member["restricted"] = True


def _restriction_lifted(member: Document, data: log.RestrictionLifted, event: Recorded) -> None:  # noqa: ARG001
    member["restricted"] = False


def _number_assigned(member: Document, data: identity.NumberAssigned, event: Recorded) -> None:  # noqa: ARG001
    member["number"] = data.number


def _alias_added(member: Document, data: identity.AliasAdded, event: Recorded) -> None:  # noqa: ARG001
    member["aliases"] = sorted({*member["aliases"], data.alias})


def _set_name(member: Document, name: log.Name | Erased, event: Recorded) -> None:
    corrected = event.purpose == RECTIFICATION
    if corrected:
        member["name_pin"] = None
    if isinstance(name, Erased):
        member["name"], member["words"] = None, []
        return
    size = size_of(name.model_dump(mode="json", exclude_none=True))
    member["name"] = {"full": name.full, "size": size, "at": event.occurred_at, "rectified": corrected}
    member["words"] = name_words(_all_parts(name))


def _value_pinned(member: Document, data: ValuePinned, event: Recorded) -> None:
    if data.field == "name" and member["name"] is not None:
        member["name_pin"] = {**member["name"], "pinned": event.occurred_at}


def _value_unpinned(member: Document, data: ValueUnpinned, event: Recorded) -> None:  # noqa: ARG001
    if data.field == "name":
        member["name_pin"] = None


def _all_parts(name: log.Name) -> str:
    return " ".join(part for part in (name.full, name.given, name.family) if part)


def _add_phone(member: Document, contact: str, kind: str, number: str) -> None:
    if kind == "phone" and (digits := last_digits(number)):
        member["phones"][contact] = digits


def name_of(document: Document, policy: Policy = SHIPPED) -> str | None:
    """The name that holds for the identity by a policy, as in its golden record; None if none is known."""
    names = [_candidate(member, name) for member in document["members"] for name in _names(member)]
    return choose(with_pins_that_hold(names), policy.rule("name")).chosen.event if names else None


def bears(member: Document, name: str) -> bool:
    """Whether a member has this name, or had it when it was pinned."""
    return any(known["full"] == name for known in _names(member))


def _names(member: Document) -> list[Document]:
    """The names a member has: its own, and a former one that was pinned."""
    name, pin = member["name"], member["name_pin"]
    if pin is None:
        return [] if name is None else [name]
    return [pin] if name == {part: pin[part] for part in pin if part != "pinned"} else [name, pin]


def _candidate(member: Document, name: Document) -> Candidate:
    # In the place of the event that holds it stands the name itself, which is open here.
    return Candidate(
        active=not member["archived"],
        verified=name["rectified"],
        at=name["at"],
        member=member["customer"],
        event=name["full"],
        value=compared(name["full"]),
        size=name["size"],
        source=member["source"] or "",
        pinned=name.get("pinned", ""),
        corrected=name["rectified"],
    )


def _finish(document: Document) -> None:
    members = document["members"]
    document["archived"] = all(member["archived"] for member in members)
    document["restricted"] = any(member["restricted"] for member in members)
    document["keys"] = keys_of(members)


def _of_subject(subject: str) -> Filter:
    return {"keys": f"{Key.CUSTOMER}{subject}"}


def _purge(document: Document, subject: str) -> None:
    for member in document["members"]:
        if member["customer"] == subject:
            member["name"] = member["name_pin"] = None
            member["words"] = []
            member["phones"] = {}
    _finish(document)


_FOLDS: Mapping[str, MemberFold] = {
    log.CustomerRegistered.TYPE: _registered,
    log.NameCorrected.TYPE: _name_corrected,
    log.ContactPointAdded.TYPE: _contact_point_added,
    log.ContactPointInvalidated.TYPE: _contact_point_gone,
    log.ContactPointRemoved.TYPE: _contact_point_gone,
    log.Classified.TYPE: _classified,
    log.Tagged.TYPE: _tagged,
    log.CustomerArchived.TYPE: _archived,
    log.CustomerRestored.TYPE: _restored,
    log.ProcessingRestricted.TYPE: _processing_restricted,
    log.RestrictionLifted.TYPE: _restriction_lifted,
    ValuePinned.TYPE: _value_pinned,
    ValueUnpinned.TYPE: _value_unpinned,
    identity.NumberAssigned.TYPE: _number_assigned,
    identity.AliasAdded.TYPE: _alias_added,
}

DIRECTORY = View(
    name="directory",
    version=4,
    folds=member_folds(new_member, _FOLDS),
    ignored=frozenset(
        {
            log.BirthDateSet.TYPE,
            log.ContactPointVerified.TYPE,
            log.AddressSet.TYPE,
            log.IdentifierAdded.TYPE,
            log.PreferenceNoted.TYPE,
            log.RelationshipAdded.TYPE,
            log.RelationshipEnded.TYPE,
            log.OwnerAssigned.TYPE,
            log.ConsentGiven.TYPE,
            log.ConsentWithdrawn.TYPE,
            log.ObjectionRaised.TYPE,
            log.ObjectionWithdrawn.TYPE,
            log.ExtensionFieldSet.TYPE,
            log.ErasureRequested.TYPE,
            log.ErasureRefused.TYPE,
            log.ErasureApproved.TYPE,
            log.CustomerErased.TYPE,
            log.HoldPlaced.TYPE,
            log.HoldLifted.TYPE,
            log.InteractionRecorded.TYPE,
            log.OrderPlaced.TYPE,
            log.OrderPaid.TYPE,
            log.OrderDelivered.TYPE,
            log.OrderReturned.TYPE,
            log.TicketOpened.TYPE,
            log.TicketAnswered.TYPE,
            log.TicketResolved.TYPE,
            log.TicketReopened.TYPE,
            SurvivorshipPolicySet.TYPE,
            notifications.ReminderPlanned.TYPE,
            notifications.ReminderCancelled.TYPE,
            notifications.ReminderFired.TYPE,
            notifications.MessageSent.TYPE,
            notifications.MessageFailed.TYPE,
        }
    )
    | ACCESS
    | NUMBERING
    | STEWARDSHIP,
    wanted=members_wanted(_FOLDS, field="keys", prefix=Key.CUSTOMER.value),
    levels=LEVELS,
    indexes=((("keys", 1),),),
    of_subject=_of_subject,
    purge=_purge,
    finish=_finish,
)
