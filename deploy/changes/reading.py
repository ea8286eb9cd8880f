"""A customer's course from the logs, and its record in the access log before anything of it is shown."""

from __future__ import annotations

import asyncio
from datetime import datetime

from deploy.changes.course import Step, course
from deploy.changes.shown import Showing
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.exporting import shown
from deploy.history import History
from deploy.trail.asker import Asker
from services.projections.views.membership import moves_of
from services.projections.views.survivorship import edition_of
from shared.access.journal import Access
from shared.clock import SystemClock
from shared.events.envelope import instant


def read(history: History, customer: str, until: datetime | None, who: Asker) -> tuple[list[Step], Showing]:
    """Everything that happened to a customer and to those it was ever one with. EmbeddedError if nothing did yet."""
    moves = history.together(customer)
    together = {customer}.union(*({change.customer, change.identity} for event in moves for change in moves_of(event)))
    known = history.of_customers(together)
    events = [event for event in known if until is None or event.recorded_at <= instant(until)]
    now = instant(SystemClock().now() if until is None else until)
    policies = [event for event in history.policies() if edition_of(event).since <= now]
    if not any(event.customer == customer for event in events):
        raise EmbeddedError(f"Customer {customer} was not known at {until}; choose a later instant.")
    events += policies
    return course(events, customer), Showing(who.roles, events)


def account_for(home: Home, access: Access, showing: Showing) -> None:
    """Records whose fields are about to be shown. Raises Unavailable (retry): then show nothing."""
    asyncio.run(shown(home, access, showing.disclosed))
