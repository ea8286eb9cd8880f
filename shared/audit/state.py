"""What the events of a bundle say, folded with their contracts. Pure.

The state, which `verify.py` folds once more without the contracts and compares: "links" between customers that hold,
"members" that they connect, and "streams": by log and stream the "version" and what was "said". That is by type of
event, and within it by the thing that such events are about (a contact point, a purpose; "" where there is one only,
the seq where each counts), the index and data of the last one. In data a sealed field is {"sealed": true} if no keys
are disclosed, {"erased": true} if its key or ciphertext is gone; what is null or empty is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.events import customer, identity, notifications, survivorship
from shared.events.catalogue import CATALOGUE
from shared.events.envelope import ERASED, Contract, SealedPart
from shared.privacy.sealing import DataKey, associated_data, unseal

# A position in a log, and the bytes of the record there.
Stored = tuple[int, bytes]
# The two customers that are linked, the older one first.
Link = tuple[str, str]

SEALED_JSON = {"sealed": True}
ERASED_JSON = ERASED.model_dump(mode="json")

ABOUT: Mapping[type[Contract], str] = {
    customer.ContactPointAdded: "contact_id",
    customer.ContactPointVerified: "contact_id",
    customer.ContactPointInvalidated: "contact_id",
    customer.ContactPointRemoved: "contact_id",
    customer.AddressSet: "usage",
    customer.Classified: "scheme",
    customer.PreferenceNoted: "topic",
    customer.RelationshipAdded: "relationship_id",
    customer.RelationshipEnded: "relationship_id",
    customer.ConsentGiven: "purpose",
    customer.ConsentWithdrawn: "purpose",
    customer.ObjectionRaised: "purpose",
    customer.ObjectionWithdrawn: "purpose",
    customer.ExtensionFieldSet: "field",
    survivorship.ValuePinned: "field",
    survivorship.ValueUnpinned: "field",
    customer.TicketOpened: "topic",
    identity.AliasAdded: "alias",
    notifications.MessageSent: "message_id",
    notifications.MessageFailed: "message_id",
}
"""The field that tells which thing an event is about."""

COUNTED: frozenset[type[Contract]] = frozenset(
    {
        customer.IdentifierAdded,
        customer.Tagged,
        customer.OrderPaid,
        customer.OrderReturned,
        customer.TicketAnswered,
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
    }
)
"""Events of which none replaces an earlier one."""


def fold(
    members: Sequence[str],
    links: Iterable[Link],
    records: Mapping[str, Iterable[Stored]],
    keys: Mapping[str, bytes] | None,
) -> dict[str, Any]:
    """The state. `records` are those of each log by position, `keys` the data keys by subject if they are disclosed.

    Raises BadSeal for a wrong key, KeyError or ValidationError for records of no known contract (stop).
    """
    streams: dict[str, dict[str, Any]] = {log: {} for log in records}
    for log, stored in records.items():
        for position, each in stored:
            record = orjson.loads(each)
            contract, data = _said(record, keys)
            stream = streams[log].setdefault(record["stream"], {"said": {}})
            stream["version"] = record["seq"]
            about = str(record["seq"]) if contract in COUNTED else data[ABOUT[contract]] if contract in ABOUT else ""
            told = stream["said"].setdefault(contract.stored_type(), {})
            told[about] = {"index": position, "data": data}
    held = sorted(link for link in links if link[0] in members)
    return {"members": members, "links": held, "streams": streams}


def links_of(records: Iterable[Stored]) -> set[Link]:
    """The links that hold after these records of the identity log, by position."""
    links: set[Link] = set()
    for _, stored in records:
        record = orjson.loads(stored)
        contract = CATALOGUE[record["type"], record["v"]]
        if not issubclass(contract, identity.LinkedV1 | identity.SeparatedV1):
            continue
        event = contract.model_validate(record["data"])
        if isinstance(event, identity.LinkedV1):
            links.add((min(event.a, event.b), max(event.a, event.b)))
        elif isinstance(event, identity.Separated) and event.links:
            links -= {(min(ends.a, ends.b), max(ends.a, ends.b)) for ends in event.links}
        else:
            links = {link for link in links if event.a not in link}
    return links


def members_of(customer: str, links: Iterable[Link]) -> list[str]:
    """All customers that links connect with this one, itself included."""
    links = list(links)
    members, found = set[str](), {customer}
    while found:
        members |= found
        found = {end for link in links if not members.isdisjoint(link) for end in link} - members
    return sorted(members)


def _said(record: Mapping[str, Any], keys: Mapping[str, bytes] | None) -> tuple[type[Contract], dict[str, Any]]:
    """An event's contract in the version it was written in, and its data."""
    contract = CATALOGUE[record["type"], record["v"]]
    data, hidden = dict(record["data"]), dict[str, Any]()
    for subject, part in record["sealed"].items():
        if keys is None and "ct" in part:
            hidden |= dict.fromkeys(part["fields"], SEALED_JSON)
        elif keys is None or subject not in keys or "ct" not in part:
            hidden |= dict.fromkeys(part["fields"], ERASED_JSON)
        else:
            place = associated_data(record["log"], record["stream"], record["seq"], record["type"], subject)
            sealed = SealedPart(part["key"], part["nonce"], part["ct"], tuple(part["fields"]))
            data |= unseal(DataKey(subject, sealed.key, AESGCM(keys[subject])), sealed, place)
    event = contract.model_validate(data | dict.fromkeys(hidden, ERASED_JSON))
    told = event.model_dump(mode="json", exclude_none=True) | hidden
    return contract, {name: value for name, value in told.items() if value not in ([], {})}
