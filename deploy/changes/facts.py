"""What holds for each field of a customer by the document of its identity: who says so, never a sealed value. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from services.projections.views.golden import golden
from services.projections.views.survivorship import DEFAULT, Edition
from services.projections.views.values import Opened
from services.projections.views.view import Document
from shared.access.levels import Level

OF_IDENTITY = (
    "name",
    "birth_date",
    "number",
    "kind",
    "phone",
    "email",
    "social",
    "address",
    "classification",
    "extension",
)
"""Fields that are one for all members: survivorship chooses among theirs."""
OF_CUSTOMER = (
    "identity",
    "archived",
    "owner",
    "team",
    "tags",
    "aliases",
    "consent",
    "relationship",
    "preference",
    "identifier",
)
"""Fields that each member has for itself."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What holds for a field. `event` is the one that holds a sealed value; an open one is in `value`.

    `rule` and `why` say how the golden record chose the member, "" where nothing was to choose.
    """

    level: Level
    member: str
    value: Any = None
    event: str | None = None
    contact: str | None = None
    at: str | None = None
    rule: str = ""
    why: str = ""

    def says(self) -> tuple[Any, ...]:
        """What is said, without why it was chosen."""
        return self.value, self.event, self.contact


Facts = Mapping[str, Fact]
_NOTHING: Opened = {}


def facts(document: Document, customer: str, opened: Opened = _NOTHING, edition: Edition = DEFAULT) -> dict[str, Fact]:
    """Field -> what holds for it: of the identity's golden record by a policy, and of this member alone."""
    members = {member["customer"]: member for member in document["members"]}
    record = golden(document["members"], opened, edition.policy)
    found = {name: _chosen(name, chosen, edition) for name, chosen in record.items()}
    found["identity"] = Fact(Level.GENERAL, customer, document["_id"])
    found.update(_own(members[customer]))
    return found


def _chosen(name: str, chosen: Document, edition: Edition) -> Fact:
    group = name.partition(":")[0]
    rule = "" if group == "number" else f"survivorship {edition.label}"
    told = {
        "member": chosen["member"],
        "event": chosen["event"],
        "at": chosen["at"],
        "rule": rule,
        "why": chosen["why"],
    }
    match group:
        case "kind" | "number":
            return Fact(Level.GENERAL, value=chosen["value"], **told)
        case "classification":
            return Fact(Level.BUSINESS, value=chosen["value"], **told)
        case _:
            return Fact(Level.SENSITIVE, contact=chosen.get("contact"), **told)


def _own(member: Document) -> Iterator[tuple[str, Fact]]:
    customer = member["customer"]
    yield "archived", Fact(Level.GENERAL, customer, member["archived"])
    for name in ("owner", "team", "tags", "aliases"):
        if member[name]:
            yield name, Fact(Level.BUSINESS, customer, member[name])
    for key, consent in member["consents"].items():
        said = {name: consent[name] for name in ("given", "text_version")}
        yield f"consent:{key}", Fact(Level.GENERAL, customer, said, at=consent["at"])
    for key, relationship in member["relationships"].items():
        said = {name: relationship[name] for name in ("other", "role")}
        yield f"relationship:{key}", Fact(Level.BUSINESS, customer, said, at=relationship["at"])
    for topic, noted in member["preferences"].items():
        yield f"preference:{topic}", Fact(Level.SENSITIVE, customer, event=noted["event"], at=noted["at"])
    for number, known in enumerate(member["identifiers"], 1):
        yield f"identifier:{number}", Fact(Level.CORE, customer, event=known["event"], at=known["at"])
