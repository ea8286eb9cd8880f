"""Who could see a customer, and who did, as of an instant: from the policy and from the access log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.history import History
from deploy.trail.question import Question
from deploy.trail.search import Search
from services.projections.views.membership import members_at
from shared.access.levels import Level
from shared.access.policy import ROLES, Sight, allows, sees
from shared.as_of import AsOf
from shared.events.access import PersonalDataRead, TokenIssued
from shared.events.envelope import instant, moment

LONGEST = timedelta(days=1)
"""No token is made for longer (`custlog token`)."""


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
class Grant:
    """A token that the operators' issuer had given to an account, and that was good then: its roles, and until when."""

    position: int
    account: str
    roles: tuple[str, ...]
    issued_at: str
    until: str


@dataclass(frozen=True, slots=True)
class Seen:
    """`could`: role -> level -> sight, of the roles that may read customers. `granted`: who had such a role then.
    `did`: the reads, oldest first.

    The policy is part of the code and not of any log: it is that of the version which answers, and had been since that
    version was installed. Grants are those that the access log has; a token of another issuer is in none.
    """

    members: tuple[str, ...]
    could: Mapping[str, Mapping[str, Sight]]
    granted: tuple[Grant, ...]
    did: tuple[Read, ...]

    def as_json(self) -> dict[str, Any]:
        """As one object of `--json`."""
        did = [{name: getattr(read, name) for name in Read.__slots__} for read in self.did]
        granted = [{name: getattr(grant, name) for name in Grant.__slots__} for grant in self.granted]
        return {"members": self.members, "could": self.could, "granted": granted, "did": did}


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
    return Seen(members, could, _granted(history, as_of), tuple(did))


def _granted(history: History, as_of: AsOf | None) -> tuple[Grant, ...]:
    """The tokens that were good at the instant and had a role that may read customers, the oldest first."""
    then = datetime.now(UTC) if as_of is None else moment(as_of.instant)
    question = Question(types=frozenset({TokenIssued.TYPE}), since=then - LONGEST, logs=("access",))
    search = Search(history.connections)
    found = []
    for place, record in search.records(search.places(question, "oldest"), question):
        told, until = record.data, moment(record.recorded_at) + timedelta(seconds=record.data["seconds"])
        counts = as_of is None or as_of.takes("access", place.position, record.recorded_at)
        if counts and until > then and allows(told["roles"], "customer.read"):
            roles = tuple(told["roles"])
            found.append(Grant(place.position, told["account"], roles, record.recorded_at, instant(until)))
    return tuple(found)
