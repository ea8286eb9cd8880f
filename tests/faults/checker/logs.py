"""I2: versions of a stream and positions of a log run from 1 without a gap; ids are unique, every record can be read.

When an event was recorded is not judged: clocks jump, and order never rests on them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tests.faults.checker.evidence import Evidence, Logged
from tests.faults.checker.finding import Finding


def judge(evidence: Evidence) -> Finding:
    """Every row of every log."""
    violations: list[str] = []
    ids: dict[str, str] = {}
    for log, rows in evidence.logs.items():
        violations += gaps(f"positions of the {log} log", [row.position for row in rows])
        violations += _unreadable(log, rows, evidence)
        streams: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            streams[row.stream].append(row.seq)
            violations += _envelope(log, row, ids)
        for stream, seqs in streams.items():
            violations += gaps(f"versions of {stream} in the {log} log", seqs)
    return Finding(sum(map(len, evidence.logs.values())), violations)


def gaps(what: str, numbers: list[int]) -> list[str]:
    """One sentence if the numbers are not 1, 2, 3, ... each once."""
    for expected, number in enumerate(sorted(numbers), start=1):
        if number != expected:
            how = f"{expected} is missing" if number > expected else f"{number} is there twice"
            return [f"The {what} are not gapless: {how}."]
    return []


def _unreadable(log: str, rows: Sequence[Logged], evidence: Evidence) -> list[str]:
    """Records that this build cannot open, but for those that a newer build was made to write there."""
    foreseen = any(fault.kind == "unknown_version" and fault.target == log for fault in evidence.faults)
    return [
        f"The record at {log} {row.position} cannot be read: {row.trouble}."
        for row in rows
        if row.event is None and not (foreseen and row.trouble == "UnknownEvent")
    ]


def _envelope(log: str, row: Logged, ids: dict[str, str]) -> list[str]:
    event = row.event
    if event is None:
        return []
    place = f"{log} {row.position}"
    found = []
    said = (event.log, event.stream, event.seq, event.customer)
    if said != (log, row.stream, row.seq, row.customer):
        found.append(f"The record at {place} says another log, stream, version or customer than its row.")
    if event.id in ids:
        found.append(f"Event id {event.id} stands at {ids[event.id]} and at {place}.")
    ids[event.id] = place
    return found
