"""I11: every consumer stands at the end of every partition, and has put aside what it had to and nothing else.

To be put aside: a record of a version that this build does not know, and the later records of the same key. Records of
that key on another topic may be either, by the order in which they were read. A record that no relay published is
neither applied nor put aside, and moves no consumer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.faults.checker.evidence import CONSUMED, Evidence, OnTopic, Parked
from tests.faults.checker.finding import Finding
from tests.faults.checker.topics import published

Place = tuple[str, int, int]
"""(source, position, offset): the offset counts only for a record without a position."""

OPENS_ALL = frozenset({"identity", "projections"})
"""Consumers that park every record of an unknown version; the others pass over types they have no use for."""


def judge(evidence: Evidence) -> Finding:
    """Every consumer: its positions, and its parked records."""
    violations: list[str] = []
    checked = 0
    for consumer, topics in CONSUMED.items():
        records = [record for topic in topics for record in published(evidence, topic)]
        violations += _positions(consumer, records, evidence.positions.get(consumer, {}))
        violations += _parked(consumer, records, evidence)
        checked += len(records)
    figures = {"parked": {consumer: len(parked) for consumer, parked in evidence.parked.items()}}
    return Finding(checked, violations, figures=figures)


def _positions(consumer: str, records: list[OnTopic], stored: dict[str, int] | object) -> Iterator[str]:
    ends: dict[str, int] = defaultdict(int)
    for record in records:
        source = f"{record.topic}/{record.partition}"
        ends[source] = max(ends[source], record.position or 0)
    at = dict(stored) if isinstance(stored, dict) else {}
    for source in sorted(ends.keys() | at.keys()):
        if at.get(source, 0) != ends.get(source, 0):
            yield f"Consumer {consumer} stands at {at.get(source, 0)} of {source}, which ends at {ends.get(source, 0)}."


def _parked(consumer: str, records: list[OnTopic], evidence: Evidence) -> list[str]:
    must, may = _expected(consumer, records, evidence)
    found = {_place(parked) for parked in evidence.parked.get(consumer, ())}
    return [
        *(f"Consumer {consumer} has not put aside {_told(place)}." for place in sorted(must - found)),
        *(f"Consumer {consumer} has put aside {_told(place)} for no reason." for place in sorted(found - may)),
    ]


def _expected(consumer: str, records: list[OnTopic], evidence: Evidence) -> tuple[set[Place], set[Place]]:
    """What has to be parked, and what may be."""
    must: set[Place] = set()
    may: set[Place] = set()
    unreadable = {(log, row.position) for log, rows in evidence.logs.items() for row in rows if row.event is None}
    found = {_place(parked) for parked in evidence.parked.get(consumer, ())}
    blocked: dict[bytes | None, tuple[str, int]] = {}
    for record in records:
        if record.position is None:
            continue
        place = (f"{record.topic}/{record.partition}", record.position, 0)
        if (record.topic.partition(".")[0], record.position) in unreadable:
            may.add(place)
            if consumer in OPENS_ALL:
                must.add(place)
            if place in found or consumer in OPENS_ALL:
                blocked.setdefault(record.key, (record.topic, record.position))
        elif record.key in blocked and blocked[record.key][0] == record.topic:
            must.add(place)
    may |= must
    may |= {(f"{r.topic}/{r.partition}", r.position, 0) for r in records if r.key in blocked and r.position}
    return must, may


def _place(parked: Parked) -> Place:
    return parked.source, parked.position, 0 if parked.position else parked.offset


def _told(place: Place) -> str:
    source, position, offset = place
    return f"position {position} of {source}" if position else f"offset {offset} of {source}"
