"""The golden record of an identity: for every field the member, the event and the reason, never the value itself."""

from collections.abc import Sequence

from services.projections.views.survivorship import Candidate, choose
from services.projections.views.view import Document


def golden(members: Sequence[Document]) -> Document:
    """Field -> {member, event, at, why} and, for contact fields, the contact. A pure function of the members.

    Fields: name, birth_date, number, kind, phone, email, social, address:<usage>, classification:<scheme>,
    extension:<field>.
    """
    candidates: dict[str, list[Candidate]] = {}
    for member in members:
        _collect(member, candidates)
    record: Document = {}
    for name, of_field in candidates.items():
        chosen, why = choose(of_field)
        record[name] = {"member": chosen.member, "event": chosen.event, "at": chosen.at, "why": why}
        if chosen.detail:
            record[name]["contact"] = chosen.detail
    return record


def _collect(member: Document, candidates: dict[str, list[Candidate]]) -> None:
    customer, active = member["customer"], not member["archived"]

    def add(field: str, reference: Document, *, verified: bool = False, detail: str = "") -> None:
        candidate = Candidate(active, verified, reference["at"], customer, reference["event"], detail)
        candidates.setdefault(field, []).append(candidate)

    for name in ("name", "birth_date", "number"):
        if member[name] is not None:
            add(name, member[name])
    if member["kind"] is not None:
        add("kind", {"at": member["registered_at"], "event": member["event"]})
    for contact, known in member["contacts"].items():
        if known["state"] in ("added", "verified"):
            add(known["kind"], known, verified=known["state"] == "verified", detail=contact)
    for usage, reference in member["addresses"].items():
        add(f"address:{usage}", reference)
    for scheme, reference in member["classification"].items():
        add(f"classification:{scheme}", reference)
    for field, reference in member["extensions"].items():
        add(f"extension:{field}", reference)
