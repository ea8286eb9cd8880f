"""The visible table of what a run must not break, and the judgement of all of it. Pure."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tests.faults.checker import (
    birthdays,
    commands,
    faults,
    identities,
    inboxes,
    logs,
    numbers,
    privacy,
    process,
    reads,
    reminders,
    topics,
    trail,
    views,
)
from tests.faults.checker.evidence import Evidence
from tests.faults.checker.finding import Finding, together
from tests.faults.checker.sometimes import void_reasons

Judge: TypeAlias = Callable[[Evidence], Finding]


def _reminders(evidence: Evidence) -> Finding:
    return together(reminders.judge(evidence), birthdays.judge(evidence))


INVARIANTS: Mapping[str, tuple[str, Judge]] = {
    "I1": ("Acknowledged once is stored once, with what was sent; refused is not stored", commands.judge),
    "I2": ("Versions and positions are gapless, ids unique", logs.judge),
    "I3": ("A topic holds its log, byte for byte, in order, and nothing else", topics.judge),
    "I4": ("The views are the fold of the log, and the query API answers so", views.judge),
    "I5": ("A number is issued once, everybody has one, it leads to them", numbers.judge),
    "I6": ("Identities are what the links make, everywhere the same", identities.judge),
    "I7": ("What is to be reminded of is planned, fires once, never early, and is seen once", _reminders),
    "I8": ("Chains, tree and checkpoints verify", trail.judge),
    "I9": ("No sealed text stands in the open, and who is erased is so everywhere", privacy.judge),
    "I10": ("No unmasked field without a grant, every sensitive read is logged", reads.judge),
    "I11": ("What was consumed was applied, dropped as a repeat or put aside for a reason", inboxes.judge),
    "I12": ("Everything is ready and nothing behind at the end", process.judge_ready),
    "I13": ("Memory, threads and file descriptors are bounded", process.judge_growth),
    "I14": ("Every fault truly happened", faults.judge),
}
"""Name -> what must hold, and who judges it."""


def judge(evidence: Evidence) -> dict[str, Any]:
    """The verdict on a run: every invariant, the figures of all of them, and what never happened."""
    found = {name: _tried(judge, evidence) for name, (_, judge) in INVARIANTS.items()}
    figures: dict[str, Any] = {"events": {log: len(rows) for log, rows in evidence.logs.items()}}
    for name, finding in found.items():
        if finding.figures:
            figures[name] = dict(finding.figures)
    return {
        "verdict": "red" if any(finding.ok is False for finding in found.values()) else "green",
        "invariants": {name: {"what": INVARIANTS[name][0], **finding.as_json()} for name, finding in found.items()},
        "figures": figures,
        "void": void_reasons(evidence.counters, evidence),
    }


def _tried(judge: Judge, evidence: Evidence) -> Finding:
    try:
        return judge(evidence)
    except Exception as error:  # noqa: BLE001 - what cannot be judged does not hold, and the others are judged
        at = traceback.extract_tb(error.__traceback__)[-1]
        return Finding(violations=[f"This could not be judged: {type(error).__name__} in {at.name}, line {at.lineno}."])
