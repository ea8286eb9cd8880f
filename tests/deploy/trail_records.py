"""Records of the trail for tests, as the logs store them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from deploy.trail.question import Place
from deploy.trail.search import Found
from shared.eventlog.mapper import encode, parse
from shared.events.access import about_actor
from shared.events.envelope import Actor, Cause, Contract, instant
from shared.ids import uuid7
from tests.contracts.golden import KEYS


def found(
    event: Contract,
    at: datetime,
    *,
    actor: str = "u1",
    customer: str | None = None,
    log: str = "access",
    position: int = 1,
) -> Found:
    """One record at its place."""
    command = uuid7()
    stored = encode(
        event,
        Cause(Actor(id=actor, kind="user"), "web", "service", command, uuid7(), command),
        event_id=uuid7(),
        log=log,
        stream=f"{log}-{uuid7()}",
        seq=1,
        customer=customer or about_actor(actor),
        recorded_at=instant(at),
        occurred_at=instant(at),
        keys=KEYS,
    )
    return Found(Place(at, log, position), parse(stored))


def in_order(records: Sequence[Found]) -> list[Found]:
    return sorted(records, key=lambda each: each.place)
