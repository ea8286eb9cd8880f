"""The golden record of an identity: for every field the member, the event and the reason, never a sealed value itself.

A pure function of the members, their opened values and a policy. Values are only compared with each other; without
them (erased, or not opened) a field is still chosen, by whatever else the policy compares.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.projections.views.survivorship import SHIPPED, Candidate, Choice, choose, with_pins_that_hold
from services.projections.views.values import Opened, compared, held, size_of
from services.projections.views.view import Document
from shared.events.survivorship import Policy

CONTACTS = ("phone", "email", "social")
_GROUPS = (("addresses", "address"), ("classification", "classification"), ("extensions", "extension"))
_NOTHING: Opened = {}

Candidates = dict[str, list[Candidate]]


def golden(members: Sequence[Document], opened: Opened = _NOTHING, policy: Policy = SHIPPED) -> Document:
    """Field -> {member, source, event, at, why, others}; for contact fields the contact, for open ones the value.

    `others` are the values that did not hold, the best first, each {member, source, event, at, lost}: by what it lost.
    Of contact fields there are none: `contacts` lists them all.

    The number is no matter of survivorship: it is that of the oldest member, so a merge never changes it.

    Fields: name, birth_date, number, kind, phone, email, social, address:<usage>, classification:<scheme>,
    extension:<field>.
    """
    candidates = _all(members, opened)
    record: Document = {}
    for field, choice in _chosen(candidates, policy):
        entry = record[field] = {**_provenance(choice.chosen), "why": choice.why}
        if choice.chosen.contact:
            entry["contact"] = choice.chosen.contact
        else:
            entry["others"] = list(_others(choice))
    if numbered := next((member for member in members if member["number"] is not None), None):
        number = numbered["number"]
        record["number"] = {
            "member": numbered["customer"],
            "source": numbered["source"],
            "event": number["event"],
            "at": number["at"],
            "value": number["number"],
            "why": "number of the oldest member",
            "others": [],
        }
    return record


def contacts(members: Sequence[Document], opened: Opened = _NOTHING, policy: Policy = SHIPPED) -> Document:
    """Kind -> every contact point that anybody is reached at, the best first, each value once.

    Each {member, source, event, at, contact, verified, pinned, members}; `members` are all who have it.
    """
    candidates = _all(members, opened)
    lists: Document = {}
    for kind in CONTACTS:
        listed: dict[str, Document] = {}
        for candidate in choose(candidates[kind], policy.rule(kind)).ranked if kind in candidates else ():
            known = listed.setdefault(
                candidate.value or f"\0{candidate.contact}",
                {
                    **_provenance(candidate),
                    "contact": candidate.contact,
                    "verified": candidate.verified,
                    "pinned": bool(candidate.pinned),
                    "members": [],
                },
            )
            known["members"] = sorted({*known["members"], candidate.member})
        lists[kind] = list(listed.values())
    return lists


def _chosen(candidates: Candidates, policy: Policy) -> Iterator[tuple[str, Choice]]:
    """The choice for each field. What belongs together is of the member whose value of the leading field holds."""
    grouped = {field: fields for fields in policy.together.values() for field in fields}
    leads = {fields: _lead(fields, candidates) for fields in set(grouped.values())}
    for field, of_field in candidates.items():
        lead = leads.get(grouped.get(field, ()))
        if lead is None or lead == field:
            yield field, choose(of_field, policy.rule(field))
            continue
        member = choose(candidates[lead], policy.rule(lead)).chosen.member
        if own := [candidate for candidate in of_field if candidate.member == member]:
            choice = choose(own, policy.rule(field))
            rest = [candidate for candidate in of_field if candidate.member != member]
            yield field, Choice(choice.chosen, f"with {lead}", (*choice.ranked, *rest), choice.ranking)


def _lead(fields: Sequence[str], candidates: Candidates) -> str | None:
    """The field by which a group goes: the one pinned last, else the first of which there is a value."""
    present = [field for field in fields if field in candidates]
    pinned = {field: max(candidate.pinned for candidate in candidates[field]) for field in present}
    return max(present, key=lambda field: pinned[field], default=None)


def _others(choice: Choice) -> Iterator[Document]:
    seen = {choice.chosen.value} - {""}
    for candidate in choice.ranked:
        if candidate is choice.chosen or candidate.value in seen:
            continue
        seen |= {candidate.value} - {""}
        together = choice.why if choice.why.startswith("with ") else None
        yield {**_provenance(candidate), "lost": together or choice.ranking.decided(choice.chosen, candidate)}


def _provenance(candidate: Candidate) -> Document:
    opened = {"value": candidate.code} if candidate.code else {}
    return {
        **opened,
        "member": candidate.member,
        "source": candidate.source or None,
        "event": candidate.event,
        "at": candidate.at,
    }


def _all(members: Sequence[Document], opened: Opened) -> Candidates:
    found: Candidates = {}
    for member in members:
        for field, candidate in _of_member(member, opened):
            found.setdefault(field, []).append(candidate)
    return {field: with_pins_that_hold(of_field) for field, of_field in found.items()}


def _of_member(member: Document, opened: Opened) -> Iterator[tuple[str, Candidate]]:
    for field, known, contact in _references(member):
        pin = member["pins"].get(f"{field}:{contact}" if contact else field)
        if pin is None:
            yield field, _candidate(member, field, known, opened, contact=contact)
        elif contact or pin["value"]["event"] == known["event"]:
            yield field, _candidate(member, field, known, opened, contact=contact, pinned=pin["at"])
        else:
            yield field, _candidate(member, field, known, opened)
            yield field, _candidate(member, field, pin["value"], opened, pinned=pin["at"])


def _references(member: Document) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Field, where its value stands, and the contact."""
    for name in ("name", "birth_date"):
        if member[name] is not None:
            yield name, member[name], ""
    if member["kind"] is not None:
        yield "kind", {"event": member["event"], "at": member["registered_at"], "code": member["kind"]}, ""
    for contact, known in member["contacts"].items():
        if known["state"] in ("added", "verified"):
            yield known["kind"], known, contact
    for group, field in _GROUPS:
        for name, known in member[group].items():
            yield f"{field}:{name}", known, ""


def _candidate(
    member: Document, field: str, known: Mapping[str, Any], opened: Opened, *, contact: str = "", pinned: str = ""
) -> Candidate:
    code = known.get("code", "")
    value = code or held(opened, known["event"], field, contact)
    return Candidate(
        active=not member["archived"],
        verified=known.get("state") == "verified" or "rectified" in known,
        at=known["at"],
        member=member["customer"],
        event=known["event"],
        value="" if value is None else compared(value),
        size=0 if value is None else size_of(value),
        source=member["source"] or "",
        pinned=pinned,
        contact=contact,
        corrected="rectified" in known,
        code=code,
    )
