"""Written events as metrics; called after their transaction was committed."""

from __future__ import annotations

from collections.abc import Mapping

from services.notifications.causes import RULES
from shared import metrics
from shared.events.notifications import ReminderCancelled, ReminderFired, ReminderPlanned

_COUNTERS = {
    ReminderPlanned.TYPE: metrics.REMINDERS_PLANNED,
    ReminderCancelled.TYPE: metrics.REMINDERS_CANCELLED,
    ReminderFired.TYPE: metrics.REMINDERS_FIRED,
}
_RULES: Mapping[str, str] = {kind: actor.id for kind, actor in RULES.items()}


def written(events: int) -> None:
    """One transaction that wrote this many events."""
    metrics.COMMITS.labels("notifications").inc()
    metrics.EVENTS_APPENDED.labels("notifications").inc(events)
    metrics.BATCH_EVENTS.labels("notifications").observe(events)


def count(tally: Mapping[tuple[str, str], int]) -> None:
    """(event type, kind of reminder) -> number."""
    if tally:
        written(sum(tally.values()))
    for (event_type, kind), number in tally.items():
        _COUNTERS[event_type].labels(_RULES[kind]).inc(number)
