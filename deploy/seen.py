"""Who could see a customer, and who did, as of an instant: from the policy and from the access log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.history import History
from services.projections.views.membership import members_at
from shared.access.levels import Level
from shared.access.policy import ROLES, Sight, allows, sees
from shared.as_of import AsOf
from shared.events.access import PersonalDataRead


@dataclass(frozen=True, slots=True)
class Read:
    """One answer that showed fields of a customer in the clear, recorded before it left."""

    position: int | None
    recorded_at: str
    actor: str
    channel: str
    purpose: str
    operation: str
    customer: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """`could`: role -> level -> sight, of the roles that may read customers. `did`: the reads, oldest first.

    The policy is part of the code and not of any log: it is that of the version which answers, and had been since that
    version was installed. Who had which role stood in the tokens of those days.
    """

    members: tuple[str, ...]
    could: Mapping[str, Mapping[str, Sight]]
    did: tuple[Read, ...]

    def as_json(self) -> dict[str, Any]:
        """As one object of `--json`."""
        did = [{name: getattr(read, name) for name in Read.__slots__} for read in self.did]
        return {"members": self.members, "could": self.could, "did": did}


def seen(history: History, customer: str, as_of: AsOf | None) -> Seen:
    """Of the customers that were one identity with this one then."""
    members = tuple(sorted(members_at(history.together(customer, as_of), customer)))
    could: dict[str, Mapping[str, Sight]] = {
        role: {level.value: sees([role], level) for level in Level} for role in ROLES if allows([role], "customer.read")
    }
    did = [
        Read(
            event.position,
            event.recorded_at,
            f"{event.actor.kind}:{event.actor.id}",
            event.channel,
            event.purpose,
            event.data.operation,
            event.customer,
            event.data.fields,
        )
        for event in history.reads(members, as_of)
        if isinstance(event.data, PersonalDataRead)
    ]
    return Seen(members, could, tuple(did))
