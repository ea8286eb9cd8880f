"""I14: every planned fault truly happened, or says why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.faults.checker.evidence import Evidence, Fault, Json
from tests.faults.checker.finding import Finding


def _another_process(told: Json) -> bool:
    return "before" in told and "after" in told and told["before"] != told["after"]


def _touched(told: Json) -> bool:
    return bool(told.get("connections") or told.get("bytes"))


def _names(*names: str) -> Callable[[Json], bool]:
    return lambda told: all(told.get(name) is not None for name in names)


SHOWN_BY: Mapping[str, Callable[[Json], bool]] = {
    "kill": _another_process,
    "restart": _another_process,
    "stop": lambda told: told.get("status") == "stopped",
    "zombie": lambda told: told.get("status") == "stopped" and bool(told.get("second")),
    "crash": lambda told: bool(told.get("crashed")),
    **dict.fromkeys(("latency", "throttle", "black_hole", "reset", "half_close"), _touched),
    "disk_full": lambda told: bool(told.get("bytes_taken")),
    "clock_jump": lambda told: bool(told.get("offset")),
    "second_instance": lambda told: bool(told.get("pid") and told.get("lived")),
    "rebalances": lambda told: bool(told.get("turns")),
    "garbage": _names("topic", "partition", "offset"),
    "unknown_version": _names("log", "customer", "position"),
    "mongo_wiped": lambda told: bool(told.get("collections")),
    "topic_deleted": lambda told: bool(told.get("topic")),
    "backup": lambda told: bool(told.get("heads")),
    "restore": _names("heads", "backup_at", "restored_at"),
}
"""Kind -> whether the evidence shows that it happened. A kind that is not here needs some evidence."""


def judge(evidence: Evidence) -> Finding:
    """Every fault that was begun."""
    violations = [sentence for fault in evidence.faults if (sentence := _judge(fault))]
    figures = {"faults_skipped": sum(fault.became == "skipped" for fault in evidence.faults)}
    return Finding(len(evidence.faults), violations, figures=figures)


def _judge(fault: Fault) -> str | None:
    name = f"Fault {fault.n} ({fault.kind} of {fault.target})"
    match fault.became:
        case "end":
            shown = SHOWN_BY.get(fault.kind, bool)(fault.evidence)
            return None if shown else f"{name} ended, and nothing shows that it happened."
        case "skipped":
            return None if fault.evidence.get("why") else f"{name} was skipped without a reason."
        case "failed":
            return f"{name} could not be done: {fault.evidence.get('why', 'no reason given')}."
        case _:
            return f"{name} began, and nothing more is known of it."
