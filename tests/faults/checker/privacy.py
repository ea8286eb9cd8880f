"""I9, as far as it can be asked before there is an erasure: no sealed text stands anywhere in the open.

Looked through: the logs of the services, the files of PostgreSQL and Kafka, every record of logs and topics. The views
in MongoDB may hold names: their search index needs them.
"""

from __future__ import annotations

from tests.faults.checker.evidence import Evidence
from tests.faults.checker.finding import Finding


def judge(evidence: Evidence) -> Finding:
    """Where the canary was found."""
    if evidence.leaks is None:
        return Finding(why="no text was marked to be searched for")
    violations = [f"A sealed text stands in the open in {place}." for place in evidence.leaks]
    return Finding(1, violations)
