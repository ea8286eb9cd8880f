"""Facts and events as an auditor gets to see them: by the levels of their fields. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from deploy.changes.facts import Fact
from deploy.envelope import envelope
from services.projections.api.shown import Shown, Sight, contact_mask
from shared.access.levels import Level
from shared.access.policy import MaskKind, sees
from shared.events.customer import CustomerRegistered
from shared.events.envelope import Erased, Recorded

_CONTACTS = ("phone", "email", "social")
LABELS = {
    "address": "addresses",
    "extension": "extensions",
    "preference": "preferences",
    "identifier": "identifiers",
    **dict.fromkeys(_CONTACTS, "contacts"),
}
"""Group of fields -> what answers and the access log call it."""
_CONTACT_EVENTS = frozenset({"customer.registered", "customer.contact_point_added"})
_VALUES = {"customer.preference_noted": "preferences", "customer.extension_field_set": "extensions"}
_HELD: Mapping[str, tuple[str, ...]] = {
    "identifier": ("identifiers", "identifier"),
    "extension": ("value",),
    "preference": ("value",),
    **dict.fromkeys(_CONTACTS, ("contact_points", "value")),
}
"""Group -> the fields of events that may hold it; its own name if none is given."""
_MASKS: Mapping[str, MaskKind] = {"name": "name", "birth_date": "date", "identifier": "identifier"}


class Showing:
    """What some roles see. `disclosed` says of whom which fields were shown in the clear, to be recorded before."""

    def __init__(self, roles: Collection[str], events: Iterable[Recorded]) -> None:
        self._roles = roles
        self._events = {event.id: event for event in events}
        self._sources = {
            event.customer: event.data for event in self._events.values() if isinstance(event.data, CustomerRegistered)
        }
        self._sight = Sight(roles)

    @property
    def disclosed(self) -> Mapping[str, set[str]]:
        return self._sight.disclosed

    def fact(self, field: str, fact: Fact | None) -> dict[str, Any] | None:
        """What holds, from whom, since when and why; None if nothing does."""
        if fact is None:
            return None
        told = {"member": fact.member, "source": self._source(fact.member), "at": fact.at}
        chosen = {"rule": fact.rule, "why": fact.why} if fact.why else {}
        return {**self._value(field, fact), **told, **chosen}

    def event(self, event: Recorded) -> dict[str, Any]:
        """The event that did it: where it stands, who caused it and why, and what of its data is open."""
        levels = event.data.LEVELS
        data = event.data.model_dump(mode="json", exclude_none=True)
        return {
            **envelope(event),
            "source": self._source(event.customer),
            "data": {
                name: value
                for name, value in data.items()
                if not levels[name].sealed and sees(self._roles, levels[name]) == "allow"
            },
        }

    def holder(self, fact: Fact | None) -> Recorded | None:
        """The event that holds a value."""
        return None if fact is None or fact.event is None else self._events.get(fact.event)

    def _value(self, field: str, fact: Fact) -> Shown:
        if not fact.level.sealed:
            return {"value": fact.value} if sees(self._roles, fact.level) == "allow" else {"hidden": True}
        group = field.partition(":")[0]
        value, erased = self._held(group, fact)
        mask = _MASKS.get(group) or contact_mask(group)
        return self._sight.show(fact.level, mask, value, of=(fact.member, LABELS.get(group, group)), erased=erased)

    def _held(self, group: str, fact: Fact) -> tuple[Any, bool]:
        event = self.holder(fact)
        if event is None:
            return None, False
        data = event.data
        name = next(name for name in _HELD.get(group, (group,)) if hasattr(data, name))
        if isinstance(getattr(data, name), Erased):
            return None, True
        value = data.model_dump(mode="json", exclude_none=True).get(name)
        if name == "contact_points":
            return next((point["value"] for point in value or () if point["contact_id"] == fact.contact), None), False
        return value, False

    def _source(self, customer: str) -> str | None:
        registered = self._sources.get(customer)
        if registered is None:
            return None
        told = registered.external_id is not None and sees(self._roles, Level.BUSINESS) == "allow"
        return f"{registered.source}:{registered.external_id}" if told else registered.source


def disclosed_by(event: Recorded) -> set[str]:
    """What the access log calls the sensitive and core fields that an event shows when it is told whole."""
    return {
        _label(event.type, name)
        for name in event.data.SEALED
        if getattr(event.data, name) not in (None, (), {}) and not isinstance(getattr(event.data, name), Erased)
    }


def _label(event_type: str, field: str) -> str:
    if field in ("contact_points", "value", "raw"):
        return "contacts" if event_type in _CONTACT_EVENTS else _VALUES.get(event_type, field)
    return {"identifiers": "identifiers", **LABELS}.get(field, field)
