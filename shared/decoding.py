"""Records of the topics as events: parsed, their keys fetched at once, opened. What cannot be read says why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from shared.eventlog.mapper import Record, open_record, parse
from shared.events.catalogue import CATALOGUE, UnknownEvent
from shared.events.envelope import Recorded
from shared.log import get_logger, safe_message
from shared.privacy.keyring import Keyring
from shared.privacy.sealing import DataKey
from shared.streaming import Plan, Source

MAX_REASON = 500
MAX_NUMBER = 2**53
FOLLOWED = 20

_log = get_logger(__name__)

# Without a group, which would take twice as long; every record passes here.
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

Place: TypeAlias = tuple[str, int, int]
"""(source name, position, offset): what tells the records of a batch apart.

Parked records of a topic that was made anew since may share an offset, a record and its repetition share a position.
"""


class Foreign(ValueError):
    """A record that does not belong where it stands. Fate: park."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The events of a batch by place, why others could not be read, and the keys that were fetched for them."""

    events: dict[Place, Recorded] = field(default_factory=dict)
    failures: dict[Place, str] = field(default_factory=dict)
    keys: Mapping[str, DataKey] = field(default_factory=dict)

    def park_failures(self, batch: Plan) -> Plan:
        """The plan without the records that could not be read."""
        for source in [source for source in batch.apply if place(source) in self.failures]:
            if source in batch.apply:
                batch = batch.parking(source, self.failures[place(source)])
        return batch

    def of(self, sources: Iterable[Source]) -> list[Recorded]:
        """The events of these records, in their order, without those of no concern."""
        return [self.events[at] for source in sources if (at := place(source)) in self.events]


@dataclass(frozen=True, slots=True)
class Decoder:
    """What a consumer wants to see of its topics.

    concerns  whether a parsed record is opened at all; the others are taken as read
    subjects  whose keys a record needs; a subject without a key is erased
    logs      topic -> the log that it carries, checked for the topics named here
    """

    concerns: Callable[[Record], bool] = lambda _: True
    subjects: Callable[[Record], Iterable[str]] = lambda record: record.sealed
    logs: Mapping[str, str] = field(default_factory=dict)

    def decode(self, sources: Iterable[Source], keyring: Keyring) -> Decoded:
        """Opens all usable records with one query of the keyring. Blocks; raises Unavailable (retry), nothing else."""
        events: dict[Place, Recorded] = {}
        failures: dict[Place, str] = {}
        parsed: list[tuple[Source, Record]] = []
        wanted: set[str] = set()
        for source in sources:
            if source.reason is not None:
                continue
            try:
                record = parse(source.value)
                self._check(record, source)
                if self.concerns(record):
                    _check_known(record)
                    parsed.append((source, record))
                    wanted.update(self.subjects(record))
            except Exception as error:  # noqa: BLE001 - whatever a record holds, it must not stop the others
                failures[place(source)] = _reason("it is no record of ours", error)
        keys = keyring.fetch(wanted)
        for source, record in parsed:
            try:
                events[place(source)] = open_record(record, keys, source.position)
            except Exception as error:  # noqa: BLE001 - as above
                failures[place(source)] = _reason("it cannot be read", error)
        return Decoded(events, failures, keys)

    def _check(self, record: Record, source: Source) -> None:
        if record.customer != source.key:
            raise Foreign("its key is not its customer")
        if record.log != self.logs.get(source.topic, record.log):
            raise Foreign("its log is not that of the topic")
        # The keyring's query would fail as a whole for one subject that is no id.
        if not _ID.fullmatch(record.customer) or not all(map(_ID.fullmatch, record.sealed)):
            raise Foreign("a subject of it is no id")
        # No store takes more, and a write that fails is taken for a failure of the store: the batch would never end.
        if not 0 < record.seq <= MAX_NUMBER or not 0 <= record.depth <= MAX_NUMBER:
            raise Foreign("a number of it is out of range")


def _check_known(record: Record) -> None:
    if (record.type, record.v) not in CATALOGUE:
        raise UnknownEvent(f"{record.type}.v{record.v} is not in the catalogue of this build")


def place(source: Source) -> Place:
    """Where a record stands."""
    return source.name, source.position, source.offset


def _reason(what: str, error: Exception) -> str:
    # It may quote a type or a name of the record; PostgreSQL stores no NUL.
    said = safe_message(error).replace("\0", "\N{REPLACEMENT CHARACTER}")
    return f"{what}: {type(error).__name__}: {said}"[:MAX_REASON]


def follow(consumer: str, decoded: Decoded, applied: Iterable[Source]) -> None:
    """One log line per correlation id behind these records, so that a command can be followed through all services.

    Of a batch with more than FOLLOWED of them only those with the most records are told.
    """
    counts = Counter(event.correlation for event in decoded.of(applied))
    for correlation, records in counts.most_common(FOLLOWED):
        _log.info("records applied", consumer=consumer, correlation=correlation, records=records)
