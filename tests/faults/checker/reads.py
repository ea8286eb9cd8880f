"""I10: nobody was shown more than their role may see, and every answer that showed personal fields has its record.

A record stands before its answer leaves, so every question that was answered has one with the same correlation. What
was recorded for an answer that nobody received is no violation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from shared.events.access import PersonalDataRead
from tests.faults.checker.evidence import Attempt, Evidence
from tests.faults.checker.finding import Finding

QUERIES = "query."
"""How the op of a question begins."""
HIDDEN: Mapping[str, frozenset[str] | None] = {
    "load-sales": frozenset({"identifiers"}),
    "load-service": frozenset({"identifiers"}),
    "load-viewer": None,
}
"""User -> the fields that no answer may show them in the clear, None for all personal ones; others may see all."""


def judge(evidence: Evidence) -> Finding:
    """Every question of the load that was answered."""
    answered = [one for one in evidence.attempts if one.op.startswith(QUERIES) and one.outcome == "ok"]
    if not answered:
        return Finding(why="the load asked nothing")
    reads: dict[str, list[Any]] = defaultdict(list)
    for event in evidence.events("access"):
        if isinstance(event.data, PersonalDataRead):
            reads[event.correlation].append(event)
    violations: list[str] = []
    lost = 0
    for question in answered:
        violations += _beyond_the_role(question)
        missing = list(_unrecorded(question, reads[question.answer["correlation"]]))
        if missing and _may_be_lost(question, evidence):
            lost += 1
        else:
            violations += missing
    showing = sum(bool(question.answer["shown"]) for question in answered)
    return Finding(
        len(answered), violations, figures={"answers_with_personal_fields": showing, "lost_by_restore": lost}
    )


def _beyond_the_role(question: Attempt) -> Iterator[str]:
    hidden = HIDDEN.get(question.user, frozenset())
    for part in question.answer["shown"]:
        beyond = [field for field in part["fields"] if hidden is None or field in hidden]
        if beyond:
            yield f"{_named(question)} showed {', '.join(beyond)} to {question.user}, who may not see them."


def _unrecorded(question: Attempt, events: list[Any]) -> Iterator[str]:
    told = [event for event in events if event.actor.id == question.user]
    for part in question.answer["shown"]:
        fields = set(part["fields"])
        if not any(event.customer in part["of"] and fields <= set(event.data.fields) for event in told):
            yield f"{_named(question)} showed {', '.join(part['fields'])} of {part['of'][0]}, and no record says so."


def _may_be_lost(question: Attempt, evidence: Evidence) -> bool:
    lost, at = evidence.lost_between(), question.answered_at
    return lost is not None and at is not None and lost[0] <= at <= lost[1]


def _named(question: Attempt) -> str:
    return f"The answer to question {question.n} ({question.op})"
