"""Records of the topics as events: parsed, their keys fetched at once, opened. What cannot be read says why."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared.eventlog.mapper import Record, open_record, parse, subjects
from shared.events.envelope import Recorded
from shared.log import safe_message
from shared.privacy.keyring import Keyring
from shared.streaming import Plan, Source

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Place = tuple[str, int]
"""(source name, offset): what tells the records of a batch apart."""


class Foreign(ValueError):
    """A record that does not belong where it stands. Fate: park."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The events of a batch by place, and why the others are none."""

    events: dict[Place, Recorded] = field(default_factory=dict)
    failures: dict[Place, str] = field(default_factory=dict)

    def park_failures(self, batch: Plan) -> Plan:
        """The plan without the records that could not be read."""
        for source in [source for source in batch.apply if place(source) in self.failures]:
            if source in batch.apply:
                batch = batch.parking(source, self.failures[place(source)])
        return batch

    def of(self, sources: Iterable[Source]) -> list[Recorded]:
        """The events of these records, in their order."""
        return [self.events[place(source)] for source in sources]


def place(source: Source) -> Place:
    """Where a record stands."""
    return source.name, source.offset


def decode(sources: Iterable[Source], keyring: Keyring, topics: Mapping[str, str]) -> Decoded:
    """Opens all usable records with one query of the keyring. Blocking; raises Unavailable (retry) and nothing else.

    topics  topic -> the log that it carries
    """
    decoded = Decoded()
    parsed: list[tuple[Source, Record]] = []
    for source in sources:
        if source.reason is not None:
            continue
        try:
            record = parse(source.value)
            _check(record, source, topics)
        except Exception as error:  # noqa: BLE001 - whatever a record holds, it must not stop the others
            decoded.failures[place(source)] = f"it is no record of ours: {type(error).__name__}"
        else:
            parsed.append((source, record))
    keys = keyring.fetch(subjects(record for _, record in parsed))
    for source, record in parsed:
        try:
            decoded.events[place(source)] = open_record(record, keys, source.position)
        except Exception as error:  # noqa: BLE001 - as above
            reason = f"it cannot be read: {type(error).__name__}: {safe_message(error)}"
            decoded.failures[place(source)] = reason[:500]
    return decoded


def _check(record: Record, source: Source, topics: Mapping[str, str]) -> None:
    if record.customer != source.key:
        raise Foreign("its key is not its customer")
    if record.log != topics.get(source.topic):
        raise Foreign("its log is not that of the topic")
    # The keyring's query would fail as a whole for one subject that is no id.
    if not all(map(_ID.fullmatch, record.sealed)):
        raise Foreign("a subject is no id")
