"""View `customer`: everything known about one identity, member by member.

{_id: identity, members: [member by customer id]}

The golden record is not in it: it is a pure function of the members (golden.py), computed when it is read.

No sealed value is opened here. A field refers to the event that holds it, and the member keeps that event's sealed
part, as stored, for as long as a field refers to it. A reference whose part is missing is an erased value.
"""

from services.projections.views.member import MEMBER_FOLDS, new_member
from services.projections.views.membership import member_folds, members_wanted, of_subject
from services.projections.views.view import ACCESS, NUMBERING, STEWARDSHIP, Decision, Document, View
from shared.events import notifications
from shared.events.survivorship import SurvivorshipPolicySet

LEVELS: dict[str, Decision] = {
    "customer.registered.name": "sealed",
    "customer.registered.birth_date": "sealed",
    "customer.registered.contact_points": "sealed",
    "customer.registered.address": "sealed",
    "customer.registered.identifiers": "sealed",
    "customer.name_corrected.name": "sealed",
    "customer.birth_date_set.birth_date": "sealed",
    "customer.contact_point_added.value": "sealed",
    "customer.contact_point_added.raw": "sealed",
    "customer.address_set.address": "sealed",
    "customer.identifier_added.identifier": "sealed",
    "customer.preference_noted.value": "sealed",
    "customer.extension_field_set.value": "sealed",
    "interaction.recorded.summary": "absent",
    "ticket.opened.summary": "absent",
    "ticket.answered.text": "absent",
}


def _purge(document: Document, subject: str) -> None:
    for member in document["members"]:
        member["sealed"] = [part for part in member["sealed"] if part["subject"] != subject]
        if member["customer"] == subject:
            # What the registration's sealed part says is unknown from now on, the contact points' ids included.
            gone = {contact for contact, known in member["contacts"].items() if known["event"] == member["event"]}
            member["contacts"] = {
                contact: known for contact, known in member["contacts"].items() if contact not in gone
            }
            member["pins"] = {
                field: pin for field, pin in member["pins"].items() if field.partition(":")[2] not in gone
            }


CUSTOMER = View(
    name="customer",
    version=3,
    folds=member_folds(new_member, MEMBER_FOLDS),
    ignored=frozenset(
        {
            notifications.ReminderPlanned.TYPE,
            notifications.ReminderCancelled.TYPE,
            notifications.ReminderFired.TYPE,
            notifications.MessageSent.TYPE,
            notifications.MessageFailed.TYPE,
            SurvivorshipPolicySet.TYPE,
        }
    )
    | ACCESS
    | NUMBERING
    | STEWARDSHIP,
    wanted=members_wanted(MEMBER_FOLDS),
    levels=LEVELS,
    indexes=((("members.customer", 1),),),
    of_subject=of_subject,
    purge=_purge,
)
