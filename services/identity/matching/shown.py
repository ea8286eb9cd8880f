"""The values of a record by the fields that compare them, as text for an explanation."""

from __future__ import annotations

from services.identity.matching.record import Address, Birth, Home, Normal, Raw

_NEXT = "; "


def shown_raw(raw: Raw) -> dict[str, str]:
    """What was written, field by field."""
    whole = " / ".join(name for name in (raw.full, *raw.others) if name)
    place = raw.addresses
    return {
        "kind": raw.kind,
        "given": raw.given or whole,
        "family": raw.family or whole,
        "order": " ".join(filter(None, (raw.given, raw.family))) or whole,
        "middle": raw.given or whole,
        "suffix": whole or raw.family,
        "gender": raw.gender,
        "birth": raw.birth_date,
        "company": " / ".join(name for name in (raw.company or raw.full, *raw.others) if name),
        "branch": raw.company or raw.full,
        "identity": _NEXT.join(f"{kind} {value}" for kind, value in raw.identifiers),
        "email": _NEXT.join(raw.emails),
        "phone": _NEXT.join(raw.phones),
        "street": _NEXT.join(_street(address) for address in place),
        "unit": _NEXT.join(address.extra or address.line for address in place),
        "city": _NEXT.join(address.suburb or address.city or address.district or address.line for address in place),
        "postcode": _NEXT.join(address.postcode or address.line for address in place),
        "region": _NEXT.join(address.state or address.line for address in place),
        "extra": _NEXT.join(f"{name} {value}" for name, value in raw.extra),
    }


def _street(address: Address) -> str:
    parts = (address.number, address.street) if address.street else (address.line, address.number)
    return " ".join(filter(None, parts))


def shown_normal(normal: Normal) -> dict[str, str]:
    """What was compared, field by field."""
    names, homes, companies = normal.names, normal.homes, normal.companies
    return {
        "kind": normal.kind,
        "given": _NEXT.join(name.given or " ".join(name.tokens) for name in names),
        "family": _NEXT.join(name.family or " ".join(name.tokens) for name in names),
        "order": _NEXT.join(" ".join(name.tokens) for name in names),
        "middle": _NEXT.join(name.given for name in names),
        "suffix": _NEXT.join(name.suffix for name in names if name.suffix),
        "gender": normal.gender,
        "birth": _birth(normal.birth),
        "company": _NEXT.join(company.core for company in companies),
        "branch": _NEXT.join(f"{company.region} {company.branch}".strip() for company in companies),
        "identity": _NEXT.join(f"{identity.type} {identity.value}" for identity in normal.identities),
        "email": _NEXT.join(email.address for email in normal.emails),
        "phone": _NEXT.join(phone.number for phone in normal.phones),
        "street": _NEXT.join(_road(home) for home in homes),
        "unit": _NEXT.join(home.unit for home in homes),
        "city": _NEXT.join(home.city or home.district for home in homes),
        "postcode": _NEXT.join(home.postcode for home in homes),
        "region": _NEXT.join(home.region for home in homes),
        "extra": _NEXT.join(f"{name} {value}" for name, value in normal.extra),
    }


def _birth(birth: Birth | None) -> str:
    if birth is None:
        return ""
    return "-".join(f"{part:02}" for part in (birth.year, birth.month, birth.day) if part)


def _road(home: Home) -> str:
    return " ".join(part for part in (home.road, home.number) if part)
