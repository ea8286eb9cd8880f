"""What is known of a customer, as a record that the matcher can compare."""

from __future__ import annotations

from services.identity.matching.features import Features, Place
from services.identity.matching.normalise.record import normalise
from services.identity.matching.record import Address, Normal, Raw

NOTHING = Normal()
"""The form of a customer of whom nothing may be compared: erased, restricted, or never told."""

_ORGANISATION = "organisation"


def raw_of(features: Features) -> Raw:
    """The features of a customer in the shape of a record; nothing is changed or left out."""
    is_organisation = features.kind == _ORGANISATION
    full = features.full or ""
    contacts = features.contacts.values()
    return Raw(
        kind="org" if is_organisation else features.kind,
        full="" if is_organisation else full,
        given=features.given or "",
        family=features.family or "",
        company=full if is_organisation else "",
        birth_date=features.birth_date or "",
        phones=tuple(value for kind, value in contacts if kind == "phone"),
        emails=tuple(value for kind, value in contacts if kind == "email"),
        addresses=tuple(_address(place) for place in features.addresses.values()),
        identifiers=features.identifiers,
        others=features.former,
    )


def normal_of(features: Features) -> Normal:
    """The form in which a customer is compared; NOTHING while its processing is restricted. Never fails."""
    if features.restricted:
        return NOTHING
    normal = normalise(raw_of(features))
    return normal if tells(normal) else NOTHING


def tells(normal: Normal) -> bool:
    """Whether there is anything by which somebody could be found to be the same."""
    return any((normal.names, normal.companies, normal.phones, normal.emails, normal.homes, normal.identities))


def _address(place: Place) -> Address:
    return Address(
        line=place.line or "",
        number=place.number or "",
        extra=place.extra or "",
        city=place.locality or "",
        state=place.region or "",
        postcode=place.postcode or "",
        country=place.country or "",
    )
