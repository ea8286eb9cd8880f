"""I1 for the rows of imported files: each is a command of its own, answered by itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.events.envelope import Recorded
from shared.ids import derive
from tests.faults.checker.content import differing
from tests.faults.checker.evidence import IMPORT, Attempt, Evidence
from tests.faults.checker.finding import Finding

TAKEN = (200, 201)


@dataclass(slots=True)
class Row:
    """One row over all attempts: the customers that were answered for it, and whether any outcome is unknown."""

    where: str
    sent: list[Any] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    unknown: bool = False
    lost: bool = False


def judge(evidence: Evidence) -> Finding:
    """Every row that was sent, and that no (source, external id) is two customers."""
    events: dict[str, list[Recorded]] = defaultdict(list)
    sources: Counter[tuple[str, str]] = Counter()
    for event in evidence.events("customer"):
        events[event.command].append(event)
        if event.type == "customer.registered" and (external := getattr(event.data, "external_id", None)) is not None:
            sources[getattr(event.data, "source", ""), external] += 1
    rows, erased = _rows(evidence), evidence.erased()
    violations = [
        f"{number} customers are registered under external id {external} of {source}."
        for (source, external), number in sources.items()
        if number > 1
    ]
    for command, row in rows.items():
        violations.extend(_judge(row, events.get(command, []), erased))
    lost = sum(row.lost and command not in events for command, row in rows.items())
    figures = {"import_rows": len(rows), "import_rows_lost_by_restore": lost}
    return Finding(len(rows) + len(sources), violations, figures=figures)


def _judge(row: Row, events: Sequence[Recorded], erased: Collection[str]) -> Iterator[str]:
    if len(row.ids) > 1:
        yield f"{row.where} was answered with {len(row.ids)} different customers."
    if len(events) > 1:
        yield f"{row.where} was carried out {len(events)} times."
    if row.ids and not events:
        yield f"{row.where} was acknowledged with {', '.join(sorted(row.ids))}, the log holds nothing of it."
    if row.ids and events and events[0].customer not in row.ids:
        yield f"{row.where} was acknowledged with {', '.join(sorted(row.ids))}, the log has {events[0].customer}."
    if not row.ids and not row.unknown and events:
        yield f"{row.where} was refused, yet the log holds it at {events[0].log} {events[0].position}."
    # A key that was used for two files: whichever came first holds.
    gone = bool(events) and events[0].customer in erased
    wrong = [differing(sent, events, erased=gone) for sent in row.sent] if events else []
    if wrong and all(wrong):
        yield f"{row.where}: {', '.join(wrong[0])} in the log is not what was sent."


def _rows(evidence: Evidence) -> dict[str, Row]:
    """Command id -> row."""
    lost = evidence.lost_between()
    rows: dict[str, Row] = {}
    for attempt in evidence.attempts:
        if attempt.op != IMPORT or not isinstance(attempt.body, Mapping):
            continue
        told = {row["row"]: row for row in attempt.rows}
        gone = lost is not None and attempt.answered_at is not None and lost[0] <= attempt.answered_at <= lost[1]
        for number, sent in enumerate(attempt.body["rows"], start=1):
            command = derive("intake", attempt.user, attempt.body["source"], attempt.key, str(number))
            row = rows.setdefault(command, Row(f"row {number} of import n {attempt.n}"))
            row.sent.append(sent)
            _tell(row, attempt, told.get(number), gone=gone)
    return rows


def _tell(row: Row, attempt: Attempt, told: Mapping[str, Any] | None, *, gone: bool) -> None:
    status = told["status"] if told else None
    if told and status in TAKEN:
        if gone:
            row.lost = row.unknown = True
        else:
            row.ids.add(told["id"])
    elif attempt.outcome != "fail" and (status is None or status >= 500):
        row.unknown = True
