"""Registrations for tests, and the features that events add up to."""

from __future__ import annotations

from datetime import date
from typing import Any

from services.identity.matching.features import NOTHING, Features, evolve
from shared.events import customer as facts
from shared.events.envelope import Contract
from shared.ids import uuid7


def point(kind: str, value: str) -> facts.ContactPoint:
    return facts.ContactPoint.model_validate({"contact_id": uuid7(), "kind": kind, "value": value})


def person(given: str | None = None, family: str | None = None, **fields: Any) -> facts.CustomerRegistered:
    full = fields.pop("full", None) or " ".join(part for part in (given, family) if part) or "unknown"
    if "born" in fields:
        fields["birth_date"] = date.fromisoformat(fields.pop("born"))
    if "street" in fields or "postcode" in fields:
        lines = tuple(line for line in (fields.pop("street", None),) if line)
        fields["address"] = facts.Address(lines=lines, postcode=fields.pop("postcode", None))
    if "phone" in fields or "email" in fields:
        fields["contact_points"] = tuple(
            point(kind, fields.pop(kind)) for kind in ("phone", "email") if fields.get(kind)
        )
    if "tax" in fields:
        fields["identifiers"] = (facts.Identifier(type="tax", value=fields.pop("tax")),)
    name = facts.Name(full=full, given=given, family=family)
    return facts.CustomerRegistered.model_validate({"kind": "person", "source": "crm", "name": name} | fields)


def features(*events: Contract) -> Features:
    found = NOTHING
    for event in events:
        found = evolve(found, event)
    return found
