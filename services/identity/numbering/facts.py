"""What numbering may know of a customer, and predicates over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.events.customer import CustomerRegistered
from shared.events.envelope import Recorded
from shared.events.numbering import Condition


@dataclass(frozen=True, slots=True)
class Facts:
    """What numbering may know of a customer: open fields, nothing personal. "" is what is not known."""

    kind: str = ""
    source: str = ""
    channel: str = ""
    classes: Mapping[str, str] | None = None
    tags: frozenset[str] = frozenset()

    def value(self, name: str) -> str:
        """One fact by its name in rules."""
        if name.startswith("class."):
            return (self.classes or {}).get(name.removeprefix("class."), "")
        found: str = getattr(self, name)
        return found


def fits(condition: Condition, facts: Facts) -> bool:
    """Whether a predicate holds. A fact that is not known is in no list."""
    values = facts.tags if condition.fact == "tag" else {facts.value(condition.fact)} - {""}
    return (not condition.is_in or not values.isdisjoint(condition.is_in)) and values.isdisjoint(condition.not_in)


def facts_of(event: Recorded) -> Facts:
    """What the first event of a customer says of it; of one that is not its registration, only the channel."""
    data = event.data
    if not isinstance(data, CustomerRegistered):
        return Facts(channel=event.channel)
    return Facts(data.kind, data.source, event.channel, data.classification, frozenset(data.tags))
