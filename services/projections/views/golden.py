"""The golden record of an identity: for every field the member, the event and the reason, never the value itself."""

from collections.abc import Sequence

from services.projections.views.survivorship import Candidate, choose
from services.projections.views.view import Document

_GROUPS = (("addresses", "address"), ("classification", "classification"), ("extensions", "extension"))


def golden(members: Sequence[Document]) -> Document:
    """Field -> {member, event, at, why} and, for contact fields, the contact. A pure function of the members.

    The number is no matter of survivorship: it is that of the oldest member, so a merge never changes it.

    Fields: name, birth_date, number, kind, phone, email, social, address:<usage>, classification:<scheme>,
    extension:<field>.
    """
    candidates: dict[str, list[Candidate]] = {}
    for member in members:
        for field, candidate in _candidates(member):
            of_field = candidates.get(field)
            if of_field is None:
                candidates[field] = [candidate]
            else:
                of_field.append(candidate)
    record: Document = {}
    for field, of_field in candidates.items():
        chosen, why = choose(of_field)
        entry = record[field] = {"member": chosen.member, "event": chosen.event, "at": chosen.at, "why": why}
        if chosen.detail:
            entry["contact"] = chosen.detail
    if numbered := next((member for member in members if member["number"] is not None), None):
        number = numbered["number"]
        why = "number of the oldest member"
        record["number"] = {"member": numbered["customer"], "event": number["event"], "at": number["at"], "why": why}
    return record


def _candidates(member: Document) -> list[tuple[str, Candidate]]:
    customer, active = member["customer"], not member["archived"]
    found = [
        (name, Candidate(active, "rectified" in known, known["at"], customer, known["event"]))
        for name in ("name", "birth_date")
        if (known := member[name]) is not None
    ]
    if member["kind"] is not None:
        found.append(("kind", Candidate(active, False, member["registered_at"], customer, member["event"])))  # noqa: FBT003
    for contact, known in member["contacts"].items():
        state = known["state"]
        if state in ("added", "verified"):
            verified = state == "verified" or "rectified" in known
            found.append((known["kind"], Candidate(active, verified, known["at"], customer, known["event"], contact)))
    for group, field in _GROUPS:
        for name, known in member[group].items():
            verified = "rectified" in known
            found.append((f"{field}:{name}", Candidate(active, verified, known["at"], customer, known["event"])))
    return found
