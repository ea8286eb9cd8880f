"""What is wrong with records of a topic, added up, so that a flood of them does not become one of alarms."""

from __future__ import annotations

from dataclasses import dataclass, field

from deploy.monitor.alarm import Alarm, Kind, Place
from shared.streaming import source_name


@dataclass(slots=True)
class _Sum:
    """Records of one partition that are wrong in the same way: offsets, and positions in the log."""

    first_offset: int
    last_offset: int = 0
    count: int = 0
    positions: list[int] = field(default_factory=list)


class Faults:
    """Those of one topic that were found in one look."""

    def __init__(self, log: str, topic: str) -> None:
        self._log = log
        self._topic = topic
        self._sums: dict[tuple[Kind, int, str], _Sum] = {}

    def add(self, kind: Kind, partition: int, offset: int, reason: str, *positions: int) -> None:
        """One record, and the positions in the log that it is about."""
        found = self._sums.setdefault((kind, partition, reason), _Sum(offset))
        found.last_offset = offset
        found.count += 1
        if positions:
            both = (*found.positions, *positions)
            found.positions = [min(both), max(both)]

    def alarms(self) -> list[Alarm]:
        """One for each partition and reason."""
        return [self._alarm(*wrong, found) for wrong, found in self._sums.items()]

    def _alarm(self, kind: Kind, partition: int, reason: str, found: _Sum) -> Alarm:
        what = f"the record at offset {found.first_offset}"
        if found.count > 1:
            what = f"each of {found.count} records at offsets {found.first_offset} to {found.last_offset}"
        sentence = f"{what} of {source_name(self._topic, partition)} is to be doubted: {reason}"
        first, last = found.positions or (0, 0)
        if first:
            where = f"position {first}" if first == last else f"positions {first} to {last}"
            sentence = f"{sentence} ({where})"
        return Alarm(kind, self._log, sentence, first, last, reason, Place(self._topic, partition, found.first_offset))
