"""What matching knows of one customer: a fold of the events that say who somebody is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from shared.events import customer as facts
from shared.events.envelope import Contract, Erased


class Place(msgspec.Struct, frozen=True):
    """What the matcher uses of an address, as it was given; `extra` are the lines below the first one."""

    line: str | None = None
    postcode: str | None = None
    number: str | None = None
    extra: str | None = None
    locality: str | None = None
    region: str | None = None
    country: str | None = None


class Features(msgspec.Struct, frozen=True):
    """The raw values that the matcher compares. Erased and absent values are the same: nothing to compare.

    Those of a customer whose processing is `restricted` are kept up, and compared with nothing.
    """

    kind: str = "person"
    full: str | None = None
    given: str | None = None
    family: str | None = None
    birth_date: str | None = None
    contacts: dict[str, tuple[str, str]] = {}
    addresses: dict[str, Place] = {}
    identifiers: tuple[tuple[str, str], ...] = ()
    restricted: bool = False
    former: tuple[str, ...] = ()
    """Names given up for another family name, the newest last; a corrected slip may be among them."""

    def to_json(self) -> dict[str, Any]:
        """JSON values, for sealing."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Features:
        return msgspec.convert(stored, cls)


NOTHING = Features()
FORMER = 3
"""Former names that are kept; the oldest are forgotten."""


def evolve(features: Features, event: Contract) -> Features:
    """The features after one event; events that say nothing about who somebody is change nothing. Never fails."""
    change = CHANGES.get(type(event))
    return features if change is None else change(features, event)


def _registered(_: Features, event: facts.CustomerRegistered) -> Features:
    full, given, family = _name(event.name)
    points = () if isinstance(event.contact_points, Erased) else event.contact_points
    identifiers = () if isinstance(event.identifiers, Erased) else event.identifiers
    place = _place(event.address)
    return Features(
        kind=event.kind,
        full=full,
        given=given,
        family=family,
        birth_date=_date(event.birth_date),
        contacts={point.contact_id: (point.kind, point.value) for point in points},
        addresses={} if place is None else {"main": place},
        identifiers=tuple((identifier.type, identifier.value) for identifier in identifiers),
    )


def _name_corrected(features: Features, event: facts.NameCorrected) -> Features:
    full, given, family = _name(event.name)
    before = features.full
    # Who keeps the given name has married or gone back to an earlier name. Else it was somebody else's, and goes.
    kept = _alike(given, features.given)
    if full is None or not kept:
        former: tuple[str, ...] = ()
    elif before and family and features.family and not _alike(family, features.family):
        former = (*(name for name in features.former if name not in (before, full)), before)[-FORMER:]
    else:
        former = features.former
    return msgspec.structs.replace(features, full=full, given=given, family=family, former=former)


def _alike(a: str | None, b: str | None) -> bool:
    return a is not None and b is not None and a.casefold() == b.casefold()


def _birth_date_set(features: Features, event: facts.BirthDateSet) -> Features:
    return msgspec.structs.replace(features, birth_date=_date(event.birth_date))


def _contact_point_added(features: Features, event: facts.ContactPointAdded) -> Features:
    if isinstance(event.value, Erased):
        return features
    return msgspec.structs.replace(
        features, contacts={**features.contacts, event.contact_id: (event.kind, event.value)}
    )


def _contact_point_gone(
    features: Features, event: facts.ContactPointRemoved | facts.ContactPointInvalidated
) -> Features:
    left = {contact_id: point for contact_id, point in features.contacts.items() if contact_id != event.contact_id}
    return msgspec.structs.replace(features, contacts=left)


def _address_set(features: Features, event: facts.AddressSet) -> Features:
    addresses = {usage: place for usage, place in features.addresses.items() if usage != event.usage}
    place = _place(event.address)
    if place is not None:
        addresses[event.usage] = place
    return msgspec.structs.replace(features, addresses=addresses)


def _identifier_added(features: Features, event: facts.IdentifierAdded) -> Features:
    if isinstance(event.identifier, Erased):
        return features
    added = (event.identifier.type, event.identifier.value)
    return msgspec.structs.replace(features, identifiers=(*features.identifiers, added))


def _restricted(features: Features, event: facts.ProcessingRestricted) -> Features:  # noqa: ARG001
    return msgspec.structs.replace(features, restricted=True)


def _erased(_: Features, __: facts.CustomerErased) -> Features:
    return NOTHING


def _lifted(features: Features, event: facts.RestrictionLifted) -> Features:  # noqa: ARG001
    return msgspec.structs.replace(features, restricted=False)


CHANGES: Mapping[type[Contract], Callable[[Features, Any], Features]] = {
    facts.CustomerRegistered: _registered,
    facts.NameCorrected: _name_corrected,
    facts.BirthDateSet: _birth_date_set,
    facts.ContactPointAdded: _contact_point_added,
    facts.ContactPointRemoved: _contact_point_gone,
    facts.ContactPointInvalidated: _contact_point_gone,
    facts.AddressSet: _address_set,
    facts.IdentifierAdded: _identifier_added,
    facts.ProcessingRestricted: _restricted,
    facts.RestrictionLifted: _lifted,
    facts.CustomerErased: _erased,
}
"""The events that change features."""


def _name(name: facts.Name | Erased) -> tuple[str | None, str | None, str | None]:
    return (None, None, None) if isinstance(name, Erased) else (name.full, name.given, name.family)


def _date(value: Any) -> str | None:
    return None if value is None or isinstance(value, Erased) else value.isoformat()


def _place(address: facts.Address | Erased | None) -> Place | None:
    if address is None or isinstance(address, Erased):
        return None
    first, *more = address.lines or ("",)
    return Place(
        line=first or None,
        postcode=address.postcode,
        number=address.street_number,
        extra=", ".join(more) or None,
        locality=address.locality,
        region=address.region,
        country=address.country,
    )
