"""The numbers one customer is known by: a fold of its events, and what a further number does to it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from services.identity.numbering.rule import canonical
from services.identity.numbering.rulebook import RuleBook
from shared.events.envelope import Contract
from shared.events.identity import AliasAdded, NumberAssigned


@dataclass(slots=True)
class Held:
    """`primary` is shown to people, the newest one assigned. `by_scope` has the number that each scope gave."""

    primary: NumberAssigned | None = None
    by_scope: dict[str, NumberAssigned] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """Canonical number or alias as it is kept -> number, foreign, former or merged."""

    def take(self, event: Contract, book: RuleBook) -> None:
        """One more event of the customer's identity stream; what is not about numbers changes nothing."""
        if isinstance(event, NumberAssigned):
            self.primary = event
            self.names[event.number] = "number"
            scope = scope_of(event, book)
            if scope is not None:
                self.by_scope[scope] = event
        elif isinstance(event, AliasAdded):
            self.names[event.alias] = event.kind


def held(events: Iterable[Contract], book: RuleBook) -> Held:
    """The numbers after these events of one stream."""
    found = Held()
    for event in events:
        found.take(event, book)
    return found


def scope_of(event: NumberAssigned, book: RuleBook) -> str | None:
    """The scope that a number was taken from, read from the number; None if its rule is not known here."""
    numbering = book.rule(event.rule)
    parsed = None if numbering is None else numbering.read(canonical(event.number))
    return None if parsed is None else parsed.scope


def becomes_primary(now: Held, event: NumberAssigned) -> list[Contract]:
    """The events by which a customer gets this number: the one before stays as its alias. None if it has it."""
    before = now.primary
    if before is not None and before.number == event.number:
        return []
    if before is None or now.names.get(before.number) == "former":
        return [event]
    return [AliasAdded(alias=before.number, kind="former"), event]
