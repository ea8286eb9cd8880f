"""Follows the customer topic: what of it says who somebody is becomes numbers and links."""

from __future__ import annotations

from services.identity.batch import Matching, Outcome
from services.identity.matching.features import CHANGES
from shared import metrics
from shared.consumer import PARKED_CAP, Consumer
from shared.decoding import Decoder
from shared.eventlog.log import Log
from shared.eventlog.mapper import Record
from shared.events.catalogue import CATALOGUE

NAME = "identity"
TOPIC = "customer.events"

TELLING = frozenset(contract.TYPE for contract in CHANGES)


def make_consumer(log: Log, matching: Matching, *, parked_cap: int = PARKED_CAP) -> Consumer[Outcome]:
    """The consumer of this service."""
    decoder = Decoder(_concerns, lambda record: {*record.sealed, record.customer})
    return Consumer(log, NAME, decoder, matching.apply, report=_report, parked_cap=parked_cap)


def _concerns(record: Record) -> bool:
    # A type that this build does not know may say who somebody is: it is opened too, and parks.
    return record.type in TELLING or (record.type, record.v) not in CATALOGUE


def _report(outcome: Outcome) -> None:
    metrics.NUMBERS_ASSIGNED.inc(outcome.numbers)
    metrics.LINKS_MADE.inc(outcome.links)
    metrics.REVIEWS_OPENED.inc(outcome.reviews)
    metrics.KEYS_TOO_COMMON.inc(outcome.common)
