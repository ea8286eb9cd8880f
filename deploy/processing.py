"""The record of processing activities, made of the contracts' levels and purposes, the roles and retention table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from services.customer.domain.retention import CLASS_OF
from shared.access.levels import Level
from shared.access.policy import ROLES, SIGHT
from shared.events.catalogue import LOGS
from shared.events.processing import PROCESSED, PURPOSES

_HEAD = """\
# Record of processing activities

Made by `custlog contracts processing` from the contracts, the roles and the retention table; the tests compare it.
Names and addresses of the controller and of its data protection officer are yours to add.

Whose data: customers (persons, and persons at organisations). Transfers to third countries: none by custlog; what
leaves is what you read from its API, topics and exports. Safeguards: personal fields are encrypted per customer, reads
are recorded, erasure destroys the key ([operations.md](operations.md), [audit.md](audit.md)).
"""


def record() -> list[dict[str, Any]]:
    """A line for each personal field of each event: level, purposes, who sees it, how long it stays."""
    return [
        {
            "log": log,
            "event": contract.stored_type(),
            "field": field,
            "level": str(contract.LEVELS[field]),
            "purposes": list(PROCESSED[contract][field]),
            "seen_by": seen_by(contract.LEVELS[field]),
            "retention": CLASS_OF[contract.TYPE].name if contract.TYPE in CLASS_OF else "as its customer",
        }
        for log, contracts in LOGS.items()
        for contract in contracts
        for field in contract.LEVELS
        if field in contract.SEALED
    ]


def seen_by(level: Level) -> list[str]:
    """The roles that see fields of this level as they are."""
    return [role for role in ROLES if SIGHT.get(role, {}).get(level) == "allow"]


def markdown() -> str:
    """The record as the page docs/processing.md."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    yield "## Purposes\n"
    yield "| purpose | what for | ground |"
    yield "|---|---|---|"
    for name, purpose in PURPOSES.items():
        yield f"| `{name}` | {purpose.what} | {purpose.ground} |"
    yield "\n## Personal fields\n"
    yield "| event | field | level | purposes | roles that see it | retention |"
    yield "|---|---|---|---|---|---|"
    for row in record():
        purposes, roles = ", ".join(row["purposes"]), ", ".join(row["seen_by"])
        yield f"| `{row['event']}` | `{row['field']}` | {row['level']} | {purposes} | {roles} | {row['retention']} |"
