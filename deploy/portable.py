"""A customer's history as one row of an intake file, so that another system can take it over. Pure.

A row holds what the person gave and said: the registration and what changed since. It leaves out what is ours alone
(numbers, owners, holds, erasure requests), other people (relationships), and whatever was erased.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from services.customer.domain.customer import contact_id_of
from services.customer.intake.since import FIELD
from shared.events import customer as log
from shared.events.envelope import Erased, Recorded

Told: TypeAlias = dict[str, Any]
MAX_CONTACTS = 1_000
"""Contact points of one customer whose order is looked up."""


def row(events: Sequence[Recorded]) -> tuple[str, Told] | None:
    """The source and the row of one customer whose whole stream this is; None if its registration was erased."""
    if not events or not isinstance(events[0].data, log.CustomerRegistered):
        return None
    registered = events[0].data
    if any(isinstance(getattr(registered, name), Erased) for name in registered.SEALED):
        return None
    told = _registration(registered)
    told["occurred_at"] = events[0].occurred_at
    contacts = {contact_id_of(events[0].customer, n): n for n in range(1, MAX_CONTACTS)}
    since = [change for event in events[1:] if (change := _change(event, contacts)) is not None]
    return registered.source, {**told, **({FIELD: since} if since else {})}


def _registration(data: log.CustomerRegistered) -> Told:
    told = data.model_dump(mode="json", exclude={"source", "contact_points"}, exclude_none=True)
    points = () if isinstance(data.contact_points, Erased) else data.contact_points
    told["phones"] = [point.value for point in points if point.kind == "phone"]
    told["emails"] = [point.value for point in points if point.kind == "email"]
    return {name: value for name, value in told.items() if value not in ([], {})}


def _change(event: Recorded, contacts: Mapping[str, int]) -> Told | None:
    known = _COMMANDS.get(event.type)
    if known is None or any(isinstance(getattr(event.data, name), Erased) for name in event.data.SEALED):
        return None
    command, fields = known
    told = fields(event.data.model_dump(mode="json"))
    if "contact_id" in told:
        number = contacts.get(told.pop("contact_id"))
        if number is None:
            return None
        told["contact"] = number
    return {"command": command, "occurred_at": event.occurred_at, **told}


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


def rows(events: Iterable[Recorded]) -> dict[str, list[Told]]:
    """Source -> the rows of its customers, of whatever events; those of other streams are left out."""
    streams: dict[str, list[Recorded]] = {}
    for event in events:
        if event.log == "customer" and event.stream == f"customer-{event.customer}":
            streams.setdefault(event.customer, []).append(event)
    found: dict[str, list[Told]] = {}
    for _, stream in sorted(streams.items()):
        made = row(sorted(stream, key=lambda event: event.seq))
        if made is not None:
            found.setdefault(made[0], []).append(made[1])
    return found
