"""A record of the trail as a row: its envelope, and of its data what may be told. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from deploy.trail.search import Found
from shared.access.policy import sees
from shared.events.catalogue import CATALOGUE

COLUMNS = (
    "recorded_at",
    "log",
    "position",
    "type",
    "actor",
    "channel",
    "purpose",
    "customer",
    "command",
    "correlation",
    "causation",
    "occurred_at",
    "stream",
    "seq",
)


def row(found: Found, roles: Collection[str]) -> dict[str, Any]:
    """The record as one flat object. `data` has the open fields that these roles see, `sealed` names the others."""
    place, record = found
    levels = CATALOGUE[record.type, record.v].LEVELS if (record.type, record.v) in CATALOGUE else {}
    told: Mapping[str, Any] = {
        name: value
        for name, value in record.data.items()
        if name in levels and not levels[name].sealed and sees(roles, levels[name]) == "allow"
    }
    return {
        "recorded_at": record.recorded_at,
        "log": place.log,
        "position": place.position,
        "type": f"{record.type}.v{record.v}",
        "actor": f"{record.actor.kind}:{record.actor.id}",
        "channel": record.channel,
        "purpose": record.purpose,
        "customer": record.customer,
        "command": record.command,
        "correlation": record.correlation,
        "causation": record.causation,
        "occurred_at": record.occurred_at,
        "stream": record.stream,
        "seq": record.seq,
        "data": told,
        "sealed": sorted(name for part in record.sealed.values() for name in part.fields),
    }
