"""I8: every record of every log is what was signed, all of them are signed, and a witness has seen it."""

from __future__ import annotations

from collections.abc import Iterator

from shared.audit.inspection import Verdict
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.finding import Finding


def judge(evidence: Evidence) -> Finding:
    """The inspection of each log from its raw rows, beside the rows that the other judges have."""
    if not evidence.inspected:
        return Finding(why="nothing was inspected")
    violations = [
        sentence
        for log, verdict in evidence.inspected.items()
        for sentence in _judged(log, verdict, len(evidence.logs.get(log, ())))
    ]
    signed = {log: verdict.checkpoints for log, verdict in evidence.inspected.items()}
    return Finding(
        sum(verdict.size for verdict in evidence.inspected.values()), violations, figures={"checkpoints": signed}
    )


def _judged(log: str, verdict: Verdict, records: int) -> Iterator[str]:
    if not verdict.ok:
        yield f"The {log} log is not what was signed, at positions {verdict.first} to {verdict.last}: {verdict.reason}."
    elif verdict.size < records:
        yield f"Of the {records} records of the {log} log only {verdict.size} are signed, though all is quiet."
    elif not verdict.cosigned:
        yield f"No witness has seen the newest checkpoint of the {log} log, though all is quiet."
