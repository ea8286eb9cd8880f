"""An event's envelope as JSON values: one shape for whatever tells of events. Pure."""

from __future__ import annotations

from typing import Any

from shared.events.envelope import Recorded


def envelope(event: Recorded) -> dict[str, Any]:
    """Where it stands, what it is, when it was recorded and happened, who caused it, through what and what for."""
    return {
        "log": event.log,
        "position": event.position,
        "stream": event.stream,
        "seq": event.seq,
        "type": f"{event.type}.v{event.version}",
        "recorded_at": event.recorded_at,
        "occurred_at": event.occurred_at,
        "actor": f"{event.actor.kind}:{event.actor.id}",
        "channel": event.channel,
        "purpose": event.purpose,
        "command": event.command,
        "correlation": event.correlation,
        "customer": event.customer,
    }
