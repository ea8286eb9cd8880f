"""View `directory`: one document per identity, to find it by number, part of a name, end of a phone number, or class.

{_id: identity, name, archived, restricted, keys, members: [...]}

`keys` holds whatever the identity is found by, each behind a letter (see `Key`), in one index: an index for each
kind made writing twice as expensive (measured).

Names stand here in the open because they are searched and listed; of a phone number only the last six digits do,
reversed, so that "ends with" is a prefix that an index can serve.
"""

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum

from services.projections.views.membership import MemberFold, member_folds, members_wanted
from services.projections.views.survivorship import RECTIFICATION, Candidate, choose
from services.projections.views.view import ACCESS, NUMBERING, Decision, Document, Filter, View
from shared.events import customer as log
from shared.events import identity, notifications
from shared.events.envelope import Erased, Recorded

PHONE_DIGITS = 6


class Key(StrEnum):
    """What a key of a document is: the text before its value."""

    CUSTOMER = "i:"
    NUMBER = "n:"
    WORD = "w:"
    END = "e:"
    PHONE = "p:"
    CLASS = "c:"


# Plain text: formatting a member of an enumeration costs ten times as much.
_CUSTOMER, _NUMBER, _WORDS, _ENDS, _PHONE, _CLASS = (key.value for key in Key)
_WORD = re.compile(r"\w+")
_FIRST_IDEOGRAPH = "\u2e80"
_LONGEST_SUFFIXED = 12
_LONGEST_ENDED = 40
_SHORTEST_END = 2

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


def search(
    *,
    number: str | None = None,
    name: str | None = None,
    phone: str | None = None,
    classified: str | None = None,
    inside_words: bool = False,
) -> Filter:
    """Filter of the identities that have all of: the number, the name fragments, the last phone digits, the class.

    A name fragment finds words that begin with it; with `inside_words` also words that hold it further on, if it has
    two letters. Several fragments have to be found each.
    """
    wanted: list[Filter] = []
    if number is not None:
        wanted.append({"keys": f"{Key.NUMBER}{number}"})
    if name is not None:
        words = _WORD.findall(fold_case(name))
        wanted += [_beginning_with(word, inside_words=inside_words) for word in words]
    if phone is not None:
        digits = last_digits(phone)
        wanted.append({"keys": {"$regex": f"^{Key.PHONE}{digits}"}})
    if classified is not None:
        wanted.append({"keys": f"{Key.CLASS}{classified}"})
    return {"$and": wanted} if wanted else {}


def _beginning_with(word: str, *, inside_words: bool) -> Filter:
    begins: Filter = {"keys": {"$regex": f"^{Key.WORD}{re.escape(word)}"}}
    if not inside_words:
        return begins
    return {"$or": [begins, {"keys": {"$regex": f"^{Key.END}{re.escape(word)}"}}]}


def fold_case(text: str) -> str:
    """The text as it is compared: compatibility forms composed, case folded."""
    return unicodedata.normalize("NFKC", text).casefold()


def name_words(text: str) -> list[str]:
    """What a name is found by. In scripts without spaces every end of a word counts as a word."""
    words = set(_WORD.findall(fold_case(text)))
    for word in list(words):
        if word[0] >= _FIRST_IDEOGRAPH and len(word) <= _LONGEST_SUFFIXED:
            words.update(word[start:] for start in range(1, len(word)))
    return sorted(words)


def word_ends(word: str) -> list[str]:
    """What a word is found by that somebody knows no beginning of; the ends that `name_words` gives are words already.

    A search inside words that read every document took seconds with a hundred thousand (measured).
    """
    if word[0] >= _FIRST_IDEOGRAPH or len(word) > _LONGEST_ENDED:
        return []
    return [word[start:] for start in range(1, len(word) - _SHORTEST_END + 1)]


def last_digits(text: str) -> str:
    """The last digits of a phone number, reversed."""
    return "".join(char for char in reversed(text) if char in "0123456789")[:PHONE_DIGITS]


def member_numbers(member: Document) -> list[str]:
    """The number and the aliases of a member."""
    aliases: list[str] = member["aliases"]
    number: str | None = member["number"]
    return aliases if number is None else [number, *aliases]


def member_classes(member: Document) -> list[str]:
    """The classification of a member as "<scheme>:<code>", and its tags."""
    return [*(f"{scheme}:{code}" for scheme, code in member["classification"].items()), *member["tags"]]


def new_member(customer: str) -> Document:
    """A member of which only the id is known."""
    return {
        "customer": customer,
        "since": 0,
        "event": None,
        "number": None,
        "aliases": [],
        "name": None,
        "name_at": None,
        "name_rectified": False,
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
    member["name_at"] = event.occurred_at
    member["name_rectified"] = event.purpose == RECTIFICATION
    member["name"] = None if isinstance(name, Erased) else name.full
    member["words"] = [] if isinstance(name, Erased) else name_words(_all_parts(name))


def _all_parts(name: log.Name) -> str:
    return " ".join(part for part in (name.full, name.given, name.family) if part)


def _add_phone(member: Document, contact: str, kind: str, number: str) -> None:
    if kind == "phone" and (digits := last_digits(number)):
        member["phones"][contact] = digits


def _finish(document: Document) -> None:
    members = document["members"]
    keys: set[str] = set()
    names: list[Candidate] = []
    for member in members:
        keys.add(f"{_CUSTOMER}{member['customer']}")
        keys.update([f"{_NUMBER}{number}" for number in member_numbers(member)])
        keys.update([f"{_WORDS}{word}" for word in member["words"]])
        keys.update([f"{_ENDS}{end}" for word in member["words"] for end in word_ends(word)])
        keys.update([f"{_PHONE}{digits}" for digits in member["phones"].values()])
        keys.update([f"{_CLASS}{classified}" for classified in member_classes(member)])
        if member["name"] is not None:
            active = not member["archived"]
            verified = member["name_rectified"]
            names.append(Candidate(active, verified, member["name_at"], member["customer"], "", member["name"]))
    document["name"] = choose(names).chosen.detail if names else None
    document["archived"] = all(member["archived"] for member in members)
    document["restricted"] = any(member["restricted"] for member in members)
    document["keys"] = sorted(keys)


def _of_subject(subject: str) -> Filter:
    return {"keys": f"{Key.CUSTOMER}{subject}"}


def _purge(document: Document, subject: str) -> None:
    for member in document["members"]:
        if member["customer"] == subject:
            member["name"] = None
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
    identity.NumberAssigned.TYPE: _number_assigned,
    identity.AliasAdded.TYPE: _alias_added,
}

DIRECTORY = View(
    name="directory",
    version=3,
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
            notifications.ReminderPlanned.TYPE,
            notifications.ReminderCancelled.TYPE,
            notifications.ReminderFired.TYPE,
            notifications.MessageSent.TYPE,
            notifications.MessageFailed.TYPE,
        }
    )
    | ACCESS
    | NUMBERING,
    wanted=members_wanted(_FOLDS, field="keys", prefix=Key.CUSTOMER.value),
    levels=LEVELS,
    indexes=((("keys", 1),),),
    of_subject=_of_subject,
    purge=_purge,
    finish=_finish,
)
