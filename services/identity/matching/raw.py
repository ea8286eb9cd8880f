"""From what is known of a customer to the record that the matcher compares."""

from __future__ import annotations

from services.identity.matching.features import Features
from services.identity.matching.record import Address, Raw


def raw(features: Features) -> Raw:
    """The record of these features; nothing for a customer of whom nothing is known."""
    organisation = features.kind != "person"
    contacts = features.contacts.values()
    return Raw(
        kind="org" if organisation else "person",
        full="" if organisation else features.full or "",
        given=features.given or "",
        family=features.family or "",
        company=(features.full or "") if organisation else "",
        birth_date=features.birth_date or "",
        phones=tuple(value for kind, value in contacts if kind != "email"),
        emails=tuple(value for kind, value in contacts if kind == "email"),
        addresses=tuple(
            Address(line=place.line or "", postcode=place.postcode or "") for place in features.addresses.values()
        ),
        identifiers=features.identifiers,
    )
