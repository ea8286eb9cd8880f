"""Documents of the `customer` view as answers: sealed fields opened as far as the caller may see them. Pure."""

from services.projections.api.shown import Of, Shown, Sight, contact_mask
from services.projections.views.golden import contacts as reachable
from services.projections.views.golden import golden as survivors
from services.projections.views.survivorship import Edition
from services.projections.views.values import Opened, held
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
    "pins",
)
_SINGLE: dict[str, MaskKind] = {"name": "name", "birth_date": "date"}
_CALLED = {"address": "addresses", "extension": "extensions"}
"""Group of golden fields -> what members call it."""
_OPEN = ("kind", "number", "classification")


def identity(document: Document, opened: Opened, sight: Sight, edition: Edition) -> Document:
    """An identity with all its members and its golden record."""
    return {
        "identity": document["_id"],
        "restricted": any(member["restricted"] for member in document["members"]),
        "golden": golden(document, opened, sight, edition),
        "members": [_member(member, opened, sight) for member in document["members"]],
    }


def golden(document: Document, opened: Opened, sight: Sight, edition: Edition) -> Document:
    """Every field of the golden record with its value, where it comes from and why, and the values that did not hold.

    `opened` must have what any member's parts hold, whatever the caller may see: values are compared to choose.
    """
    members = {member["customer"]: member for member in document["members"]}

    def shown(field: str, entry: Document) -> Document:
        return {**_golden_value(field, entry, members[entry["member"]], opened, sight), **entry}

    chosen = survivors(document["members"], opened, edition.policy)
    fields = {
        name: {
            **shown(name, entry),
            **({"others": [shown(name, other) for other in entry["others"]]} if "others" in entry else {}),
        }
        for name, entry in chosen.items()
    }
    lists = reachable(document["members"], opened, edition.policy)
    return {
        "policy": edition.label,
        "fields": fields,
        "contacts": {kind: [shown(kind, entry) for entry in listed] for kind, listed in lists.items()},
    }


def _golden_value(name: str, entry: Document, member: Document, opened: Opened, sight: Sight) -> Shown:
    if (group := name.partition(":")[0]) in _OPEN:
        return {"value": entry["value"]}
    if "contact" in entry:
        return _contact_value(entry["contact"], member, opened, sight)
    of = member["customer"], _CALLED.get(group, group)
    erased = entry["event"] not in opened
    value = held(opened, entry["event"], name)
    return sight.show(Level.SENSITIVE, _SINGLE.get(group, "default"), value, of=of, erased=erased)


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
    value = held(opened, known["event"], known["kind"], contact)
    erased = known["event"] not in opened
    return sight.show(Level.SENSITIVE, contact_mask(known["kind"]), value, of=of, erased=erased)


def _identifiers(event: str, of: Of, opened: Opened, sight: Sight) -> list[Shown]:
    fields = opened.get(event)
    if fields is None:
        return [sight.show(Level.CORE, "identifier", None, of=of, erased=True)]
    known = fields["identifiers"] if "identifiers" in fields else [fields["identifier"]]
    return [{**sight.show(Level.CORE, "identifier", part["value"], of=of), "type": part["type"]} for part in known]
