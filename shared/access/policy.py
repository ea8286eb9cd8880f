"""Who may do what, and who sees which level of field. Pure tables; what is not listed is denied."""

import re
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from shared.access.levels import Level

Role = Literal["admin", "sales", "service", "manager", "import", "auditor", "operator", "viewer"]
Action = Literal[
    "customer.write",
    "customer.import",
    "customer.read",
    "erasure.request",
    "erasure.decide",
    "identity.link",
    "golden.decide",
    "reminder.write",
    "operate",
    "audit.read",
]
"""`erasure.decide` covers approving, refusing and holds: nobody approves their own request.

`golden.decide` covers pinning values and setting the survivorship policy.

`operate` covers re-driving parked records, rebuilding views and moving the test clock.
"""
Sight = Literal["allow", "mask", "deny"]
MaskKind = Literal["name", "phone", "email", "date", "identifier", "default"]

ROLES: tuple[Role, ...] = get_args(Role)
ACTIONS: tuple[Action, ...] = get_args(Action)

GRANTS: Mapping[str, frozenset[Action]] = {
    "admin": frozenset(ACTIONS),
    "sales": frozenset({"customer.read", "customer.write", "erasure.request", "reminder.write"}),
    "service": frozenset({"customer.read", "customer.write", "erasure.request", "reminder.write"}),
    "manager": frozenset(
        {
            "customer.read",
            "customer.write",
            "customer.import",
            "erasure.decide",
            "identity.link",
            "golden.decide",
            "reminder.write",
        }
    ),
    "import": frozenset({"customer.write", "customer.import"}),
    "auditor": frozenset({"customer.read", "audit.read"}),
    "operator": frozenset({"operate"}),
    "viewer": frozenset({"customer.read"}),
}
"""Role -> actions it allows."""

_ALL_OPEN: Mapping[Level, Sight] = dict.fromkeys(Level, "allow")
_CORE_MASKED: Mapping[Level, Sight] = {**_ALL_OPEN, Level.CORE: "mask"}
_INTERNAL: Mapping[Level, Sight] = {Level.GENERAL: "allow", Level.BUSINESS: "allow"}

SIGHT: Mapping[str, Mapping[Level, Sight]] = {
    "admin": _CORE_MASKED,
    "sales": _CORE_MASKED,
    "service": _CORE_MASKED,
    "manager": _ALL_OPEN,
    "import": _INTERNAL,
    "auditor": _ALL_OPEN,
    "operator": {Level.GENERAL: "allow"},
    "viewer": {**_INTERNAL, Level.SENSITIVE: "mask"},
}
"""Role -> level -> sight; an absent level is denied."""

_HIDDEN = "***"
_WIDTH: Mapping[Sight, int] = {"deny": 0, "mask": 1, "allow": 2}


def allows(roles: Iterable[str], action: str) -> bool:
    """True if any of the roles allows the action. Unknown roles and actions allow nothing."""
    return any(action in GRANTS.get(role, ()) for role in roles)


def sees(roles: Iterable[str], level: Level) -> Sight:
    """The widest sight that any of the roles has of fields of this level; `deny` without a known role."""
    sights: list[Sight] = [SIGHT[role].get(level, "deny") for role in roles if role in SIGHT]
    return max(sights, key=_WIDTH.__getitem__, default="deny")


def mask(kind: MaskKind, value: str) -> str:
    """The part of `value` that a masked reader may see; its length never shows.

    name, email: the first character, if at least two follow it in the name or local part. phone: the last four of at
    least ten digits. date: the year of an ISO date. identifier: the last two of at least eight characters.
    Everything else, and values too short for their rule: nothing.
    """
    match kind:
        case "name":
            return f"{value[0]}{_HIDDEN}" if len(value) >= 3 else _HIDDEN
        case "phone":
            digits = [char for char in value if char.isdigit()]
            return _HIDDEN + "".join(digits[-4:]) if len(digits) >= 10 else _HIDDEN
        case "email":
            local = value.partition("@")[0]
            return f"{local[0]}{_HIDDEN}@{_HIDDEN}" if "@" in value and len(local) >= 3 else _HIDDEN
        case "date":
            return f"{value[:4]}-**-**" if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value) else _HIDDEN
        case "identifier":
            return _HIDDEN + value[-2:] if len(value) >= 8 else _HIDDEN
        case _:
            return _HIDDEN
