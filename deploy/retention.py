"""Who is kept without need, read from the logs; and what is no person's: messages that were taken long ago."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from deploy.history import History
from services.customer.domain.customer import decider
from services.customer.domain.retention import CLASS_OF, Due, Kept, due
from services.notifications.channels.spool import TAKEN
from shared.events.envelope import moment

MESSAGES = timedelta(days=90)
"""For so long a message stays in `taken/` after its receiver put it there."""

_REQUESTED = "customer.erasure_requested"


def kept(history: History, now: datetime) -> Iterator[Kept]:
    """Every customer who is not erased, and whose erasure is not approved."""
    identity_of: dict[str, str] = {}
    for event in history.membership():
        identity_of.update({move.customer: move.identity for move in getattr(event.data, "moves", ())})
    customers: dict[str, dict[str, datetime]] = {}
    for customer, topic, at in history.last_of_types():
        customers.setdefault(customer, {})[topic.rpartition(".v")[0]] = moment(at)
    for customer, last in customers.items():
        if "customer.erased" in last or "customer.erasure_approved" in last:
            continue
        held = requested = False
        if "customer.hold_placed" in last or _REQUESTED in last:
            made = decider(customer)
            state = made.fold(event.data for event in history.of_customers([customer]) if event.log == "customer")
            held = any(hold.active(now.date()) for hold in state.holds.values())
            requested = state.erasure == "requested"
        yield Kept(
            customer,
            identity_of.get(customer, customer),
            {name: happened for name, happened in last.items() if name in CLASS_OF},
            held,
            requested,
        )


def due_now(history: History, now: datetime) -> list[Due]:
    """Who is due, the longest due first."""
    return list(due(kept(history, now), now))


def old_messages(spool: Path, now: datetime) -> list[Path]:
    """The messages that were taken longer ago than they are kept."""
    oldest = (now - MESSAGES).timestamp()
    return sorted(path for path in (spool / TAKEN).glob("*.json") if path.stat().st_mtime < oldest)
