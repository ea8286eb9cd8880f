"""I3: every topic holds its log, the stored bytes under the right key, in order per partition, and nothing else."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from shared.topics import partition_of
from tests.faults.checker.evidence import Evidence, Logged, OnTopic
from tests.faults.checker.finding import Finding
from tests.faults.forged import is_forged


def judge(evidence: Evidence) -> Finding:
    """Every record of every topic."""
    violations: list[str] = []
    repeats: Counter[str] = Counter()
    for log, rows in evidence.logs.items():
        topic = f"{log}.events"
        found, again = _judge_topic(topic, rows, published(evidence, topic), evidence.partitions)
        violations += found
        repeats[topic] += again
    checked = sum(map(len, evidence.topics.values()))
    return Finding(checked, violations, figures={"duplicates_in_topics": dict(repeats)})


def published(evidence: Evidence, topic: str) -> list[OnTopic]:
    """The records of a topic without those that were forged on purpose.

    Their sender may have failed after one was taken, or have sent it twice: where there was such a fault, whatever has
    its mark is of it.
    """
    forged = any(fault.kind == "garbage" and fault.target == topic for fault in evidence.faults)
    return [record for record in evidence.topics.get(topic, ()) if not (forged and is_forged(record.headers))]


def expected_prev(rows: Iterable[Logged], partitions: int) -> dict[int, tuple[int, int]]:
    """Position -> (partition, position before it in the same partition)."""
    heads: dict[int, int] = {}
    places: dict[int, tuple[int, int]] = {}
    for row in rows:
        partition = partition_of(_head(row)["customer"], partitions)
        places[row.position] = (partition, heads.get(partition, 0))
        heads[partition] = row.position
    return places


def _judge_topic(
    topic: str, rows: Sequence[Logged], records: Sequence[OnTopic], partitions: int
) -> tuple[list[str], int]:
    stored = {row.position: row for row in rows}
    places = expected_prev(rows, partitions)
    violations: list[str] = []
    seen: dict[int, set[int]] = defaultdict(set)
    last: dict[int, int] = defaultdict(int)
    repeats = 0
    for record in records:
        where = f"{topic}/{record.partition} at offset {record.offset}"
        position = record.position
        if position is None or position not in stored:
            violations.append(f"{where} holds a record (position {position}) that is not in the log.")
            continue
        violations += [f"{where}: {wrong}" for wrong in _compare(record, stored[position], places[position])]
        if position in seen[record.partition]:
            repeats += 1
            continue
        seen[record.partition].add(position)
        if position <= last[record.partition]:
            violations.append(f"{where}: position {position} comes after {last[record.partition]}.")
        last[record.partition] = max(position, last[record.partition])
    present = set().union(*seen.values()) if seen else set()
    violations += [
        f"The record at position {position} of the log is not in {topic}." for position in stored.keys() - present
    ]
    return violations, repeats


def _compare(record: OnTopic, row: Logged, place: tuple[int, int]) -> list[str]:
    head, found = _head(row), []
    if record.value != row.state:
        found.append(f"its bytes are not those of position {row.position}.")
    if record.key != head["customer"].encode():
        found.append(f"its key is not the customer of position {row.position}.")
    if record.partition != place[0]:
        found.append(f"position {row.position} belongs into partition {place[0]}.")
    if record.headers.get("prev") != str(place[1]).encode():
        said = record.headers.get("prev", b"?").decode(errors="replace")
        found.append(f"position {row.position} says prev {said}, the one before is {place[1]}.")
    wrong = [name for name, value in _headers(head).items() if record.headers.get(name) != value.encode()]
    if wrong:
        found.append(f"headers {', '.join(wrong)} do not agree with position {row.position}.")
    return found


def _headers(head: Mapping[str, Any]) -> dict[str, str]:
    return {
        "ce_specversion": "1.0",
        "ce_id": head["id"],
        "ce_type": f"{head['type']}.v{head['v']}",
        "ce_source": f"/custlog/{head['log']}",
        "ce_subject": head["customer"],
        "ce_time": head["recorded_at"],
        "content-type": "application/json",
    }


def _head(row: Logged) -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads(row.state)
    return content
