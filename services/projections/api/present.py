"""Documents of the `customer` view as answers: sealed fields opened as far as the caller may see them. Pure."""

from typing import Any

from services.projections.api.opening import Opened
from services.projections.api.shown import Of, Shown, Sight, contact_mask
from services.projections.views.golden import golden as survivors
from services.projections.views.survivorship import POLICY
from services.projections.views.view import Document
from shared.access.levels import Level
from shared.access.policy import MaskKind

_PLAIN = (
    "customer",
    "registered_at",
    "source",
    "external_id",
    "kind",
    "version",
    "archived",
    "restricted",
    "objections",
    "aliases",
    "tags",
    "owner",
    "team",
    "relationships",
    "orders",
    "tickets",
    "interactions",
)
_SINGLE: dict[str, MaskKind] = {"name": "name", "birth_date": "date"}
_GROUPS = {"address": ("addresses", "address"), "extension": ("extensions", "value")}
"""Group of golden fields -> what members call it, and the field of the event."""


def identity(document: Document, opened: Opened, sight: Sight) -> Document:
    """An identity with all its members and its golden record."""
    return {
        "identity": document["_id"],
        "restricted": any(member["restricted"] for member in document["members"]),
        "golden": golden(document, opened, sight),
        "members": [_member(member, opened, sight) for member in document["members"]],
    }


def golden(document: Document, opened: Opened, sight: Sight) -> Document:
    """Every field of the golden record with its value, the member and event it comes from, and why."""
    members = {member["customer"]: member for member in document["members"]}
    fields = {
        name: {**_golden_value(name, chosen, members[chosen["member"]], opened, sight), **chosen}
        for name, chosen in survivors(document["members"]).items()
    }
    return {"policy": POLICY, "fields": fields}


def _golden_value(name: str, chosen: Document, member: Document, opened: Opened, sight: Sight) -> Shown:
    group, _, key = name.partition(":")
    open_values = {"kind": "kind", "number": "number", "classification": "code"}
    if group in open_values:
        known = member if group == "kind" else member["number"] if group == "number" else member[group][key]
        return {"value": known[open_values[group]]}
    if "contact" in chosen:
        return _contact_value(chosen["contact"], member, opened, sight)
    name, field = _GROUPS.get(group, (group, group))
    return _sealed(chosen["event"], field, (member["customer"], name), opened, sight)


def _member(member: Document, opened: Opened, sight: Sight) -> Document:
    shown: Document = {name: member[name] for name in _PLAIN}
    customer = member["customer"]
    shown["number"] = member["number"]["number"] if member["number"] else None
    shown["classification"] = {scheme: known["code"] for scheme, known in member["classification"].items()}
    shown["consents"] = list(member["consents"].values())
    for name in _SINGLE:
        reference = member[name]
        shown[name] = reference and {
            **_sealed(reference["event"], name, (customer, name), opened, sight),
            **reference,
        }
    shown["contacts"] = [
        {
            "id": contact,
            **(_contact_value(contact, member, opened, sight) if known["state"] != "removed" else {}),
            **known,
        }
        for contact, known in member["contacts"].items()
    ]
    for group, field in (("addresses", "address"), ("preferences", "value"), ("extensions", "value")):
        shown[group] = {
            name: {**_sealed(reference["event"], field, (customer, group), opened, sight), **reference}
            for name, reference in member[group].items()
        }
    shown["identifiers"] = [
        {**part, "event": reference["event"], "at": reference["at"]}
        for reference in member["identifiers"]
        for part in _identifiers(reference["event"], (customer, "identifiers"), opened, sight)
    ]
    return shown


def _sealed(event: str, field: str, of: Of, opened: Opened, sight: Sight) -> Shown:
    fields = opened.get(event)
    kind = _SINGLE.get(of[1], "default")
    return sight.show(Level.SENSITIVE, kind, (fields or {}).get(field), of=of, erased=fields is None)


def _contact_value(contact: str, member: Document, opened: Opened, sight: Sight) -> Shown:
    known = member["contacts"][contact]
    of = member["customer"], "contacts"
    fields = opened.get(known["event"])
    value: Any = None
    if fields is not None and "contact_points" in fields:
        value = next(point["value"] for point in fields["contact_points"] if point["contact_id"] == contact)
    elif fields is not None:
        value = fields.get("value")
    return sight.show(Level.SENSITIVE, contact_mask(known["kind"]), value, of=of, erased=fields is None)


def _identifiers(event: str, of: Of, opened: Opened, sight: Sight) -> list[Shown]:
    fields = opened.get(event)
    if fields is None:
        return [sight.show(Level.CORE, "identifier", None, of=of, erased=True)]
    known = fields["identifiers"] if "identifiers" in fields else [fields["identifier"]]
    return [{**sight.show(Level.CORE, "identifier", part["value"], of=of), "type": part["type"]} for part in known]
