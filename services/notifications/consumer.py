"""Follows the customer and identity topics: what of them is read here, and what it becomes."""

from __future__ import annotations

from services.notifications import reporting
from services.notifications.effects import Effects, Tally, concerns, subjects
from shared.consumer import PARKED_CAP, Consumer
from shared.decoding import Decoder
from shared.eventlog.log import Log

NAME = "notifications"


def make_consumer(log: Log, effects: Effects, *, parked_cap: int = PARKED_CAP) -> Consumer[Tally]:
    """The consumer of this service."""
    return Consumer(log, NAME, Decoder(concerns, subjects), effects.take, report=reporting.count, parked_cap=parked_cap)
