"""I4: the views hold what the log says, byte for byte: the pure fold of every record that was not put aside.

Only records that I11 allows to be parked may be missing in a view, so nothing is excused here.
"""

from __future__ import annotations

from collections import Counter

from services.projections.fold import FoldFailed, compare, fold_all
from tests.faults.checker import model
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.finding import Finding, together


def judge(evidence: Evidence) -> Finding:
    """Every document of every view, and the answers of the query API against a model of its own."""
    return together(_judge_views(evidence), model.judge(evidence))


def _judge_views(evidence: Evidence) -> Finding:
    aside = evidence.set_aside("projections")
    events = [event for log in evidence.logs for event in evidence.events(log) if (log, event.position) not in aside]
    try:
        folded = fold_all(events)
    except FoldFailed as failed:
        return Finding(len(events), [f"The fold itself fails at position {failed.position}: {failed}."])
    differences = compare(folded, evidence.views)
    violations = [f"Document {it.id} of view {it.view} is {it.how} beside the fold of the log." for it in differences]
    figures = {
        "documents": {view: len(documents) for view, documents in folded.items()},
        "documents_unlike": dict(Counter(difference.view for difference in differences)),
        "keys_set_aside_in_views": sorted({parked.key for parked in evidence.parked.get("projections", ())}),
    }
    return Finding(sum(map(len, folded.values())), violations, figures=figures)
