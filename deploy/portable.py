"""A customer's history as one row of an intake file, so that another system can take it over. Pure.

A row holds what the person gave and said: the registration and what changed since. It leaves out what is ours alone
(numbers, owners, holds, erasure requests), other people (relationships), and whatever was erased. It ends before what a
row cannot carry; the rest of the stream is sent after it (`following`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from services.customer.domain.customer import contact_id_of
from services.customer.intake.importing import ROW_BYTES
from services.customer.intake.since import FIELD
from services.projections.views.survivorship import RECTIFICATION
from shared.eventlog.commit import MAX_EVENTS
from shared.events import customer as log
from shared.events.envelope import Erased, Recorded

Told: TypeAlias = dict[str, Any]
MAX_CONTACTS = 1_000
"""Contact points of one customer whose order is looked up."""
CLOSING = frozenset({log.CustomerArchived.TYPE, log.ProcessingRestricted.TYPE})
"""After these a customer takes no order, ticket or link: a row ends before them if any is to follow."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What becomes of one customer's stream: the row of its source, and the events that do not go into it."""

    customer: str
    source: str
    row: Told
    rest: tuple[Recorded, ...]


def carried(events: Sequence[Recorded], *, belongs: bool = False) -> Carried | None:
    """The row of one customer whose whole stream this is, and its rest; None if its registration was erased.

    `belongs`: orders, tickets, interactions or links of the customer follow the row. The rest begins with the first
    change that was a rectification, for only a request says so, or that makes the row larger than intake takes.
    """
    if not events or not isinstance(events[0].data, log.CustomerRegistered):
        return None
    registered = events[0].data
    if any(isinstance(getattr(registered, name), Erased) for name in registered.SEALED):
        return None
    told = _registration(registered)
    told["occurred_at"] = events[0].occurred_at
    numbers = contact_numbers(events[0].customer)
    since: list[Told] = []
    size = _size(told) + len(FIELD) + 6
    cut = len(events)
    for at, event in enumerate(events[1:], 1):
        if event.purpose == RECTIFICATION or (belongs and event.type in CLOSING):
            cut = at
            break
        change = command(event, numbers)
        if change is None:
            continue
        size += _size(change) + 1
        if size > ROW_BYTES or len(since) + 2 > MAX_EVENTS:
            cut = at
            break
        since.append(change)
    row = {**told, **({FIELD: since} if since else {})}
    return Carried(events[0].customer, registered.source, row, tuple(events[cut:]))


def contact_numbers(customer: str) -> dict[str, int]:
    """Id of a contact point -> its number, in the order in which the customer's were added, from 1."""
    return {contact_id_of(customer, n): n for n in range(1, MAX_CONTACTS)}


def _size(told: Told) -> int:
    return len(orjson.dumps(told))


def _registration(data: log.CustomerRegistered) -> Told:
    told = data.model_dump(mode="json", exclude={"source", "contact_points"}, exclude_none=True)
    points = () if isinstance(data.contact_points, Erased) else data.contact_points
    told["phones"] = [point.value for point in points if point.kind == "phone"]
    told["emails"] = [point.value for point in points if point.kind == "email"]
    return {name: value for name, value in told.items() if value not in ([], {})}


def command(event: Recorded, contacts: Mapping[str, int]) -> Told | None:
    """The command that leads to a change, as `since` takes it; None for what is ours alone or was erased."""
    known = _COMMANDS.get(event.type)
    if known is None or any(isinstance(getattr(event.data, name), Erased) for name in event.data.SEALED):
        return None
    name, fields = known
    told = fields(event.data.model_dump(mode="json"))
    if "contact_id" in told:
        number = contacts.get(told.pop("contact_id"))
        if number is None:
            return None
        told["contact"] = number
    return {"command": name, "occurred_at": event.occurred_at, **told}


def _only(*names: str) -> Callable[[Told], Told]:
    return lambda data: {name: data[name] for name in names}


_COMMANDS: Mapping[str, tuple[str, Callable[[Told], Told]]] = {
    log.NameCorrected.TYPE: ("edit", _only("name", "reason")),
    log.BirthDateSet.TYPE: ("edit", _only("birth_date")),
    log.ContactPointAdded.TYPE: ("add-contact-point", _only("kind", "value")),
    log.ContactPointVerified.TYPE: ("verify-contact-point", _only("contact_id", "method")),
    log.ContactPointInvalidated.TYPE: ("invalidate-contact-point", _only("contact_id", "reason")),
    log.ContactPointRemoved.TYPE: ("remove-contact-point", _only("contact_id", "reason")),
    log.AddressSet.TYPE: ("set-address", _only("usage", "address")),
    log.IdentifierAdded.TYPE: ("add-identifier", _only("identifier")),
    log.Classified.TYPE: ("classify", _only("scheme", "code")),
    log.Tagged.TYPE: ("tag", lambda data: {"add": data["added"], "remove": data["removed"]}),
    log.PreferenceNoted.TYPE: ("note-preference", _only("topic", "value", "source", "confidence")),
    log.ConsentGiven.TYPE: ("give-consent", _only("purpose", "channel", "text_version")),
    log.ConsentWithdrawn.TYPE: ("withdraw-consent", _only("purpose", "channel", "reason")),
    log.ProcessingRestricted.TYPE: ("restrict-processing", _only("reason")),
    log.RestrictionLifted.TYPE: ("lift-restriction", _only("reason")),
    log.ObjectionRaised.TYPE: ("raise-objection", _only("purpose", "reason")),
    log.ObjectionWithdrawn.TYPE: ("withdraw-objection", _only("purpose")),
    log.ExtensionFieldSet.TYPE: ("set-extension-field", _only("field", "value")),
    log.CustomerArchived.TYPE: ("archive", _only("reason")),
    log.CustomerRestored.TYPE: ("restore", _only("reason")),
}
"""Event -> the command that leads to it, and its fields."""
