"""What a caller sees of a field: its value, a part of it, nothing, or that it was erased."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from shared.access.levels import Level
from shared.access.policy import MaskKind, mask, sees

Shown: TypeAlias = dict[str, Any]
"""{"value": ...}, {"value": "***", "masked": true}, {"hidden": true} or {"erased": true}."""

Of: TypeAlias = tuple[str, str]
"""Whose field it is, and its name: the customer, and what the answer calls it."""

_KINDS: dict[str, MaskKind] = {"phone": "phone", "email": "email"}


class Sight:
    """How the roles of one caller see sealed fields. `disclosed` says of whom which were shown in the clear."""

    def __init__(self, roles: Iterable[str]) -> None:
        self._sees = {level: sees(roles, level) for level in Level}
        self.disclosed = dict[str, set[str]]()

    def opens(self, level: Level) -> bool:
        """Whether anything of such fields is shown, so that they have to be opened."""
        return self._sees[level] != "deny"

    def whole(self, level: Level) -> bool:
        """Whether such fields are shown as they are; only then may one search or sort by them."""
        return self._sees[level] == "allow"

    def show(self, level: Level, kind: MaskKind, value: Any, *, of: Of, erased: bool = False) -> Shown:
        """A field of that level. An erased field has no value to mask."""
        match self._sees[level]:
            case "deny":
                return {"hidden": True}
            case _ if erased:
                return {"erased": True}
            case "mask":
                return {"value": _masked(kind, value), "masked": True}
            case _:
                self.disclose(of, value)
                return {"value": value}

    def disclose(self, of: Of, value: Any) -> None:
        """Says that a value is shown in the clear; None is no value."""
        if value is not None:
            customer, field = of
            self.disclosed.setdefault(customer, set()).add(field)


def contact_mask(kind: str) -> MaskKind:
    """How a contact point of that kind is masked."""
    return _KINDS.get(kind, "default")


def _masked(kind: MaskKind, value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _masked(kind, part) for name, part in value.items()}
    if isinstance(value, list):
        return [_masked(kind, part) for part in value]
    return None if value is None else mask(kind, str(value))
