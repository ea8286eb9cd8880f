"""What has to happen now and then, or a run proves nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from tests.faults.checker.evidence import Attempt, Evidence


def void_reasons(counters: Mapping[str, int], evidence: Evidence) -> list[str]:
    """What never happened in this run; a run with any of it is void, however green."""
    attempts: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in evidence.attempts:
        if attempt.service == "projections":
            continue  # questions are no commands
        attempts[attempt.command].append(attempt)
    happened = {
        "a duplicate delivered": counters.get("consumer_duplicates", 0) > 0,
        "a conflict": counters.get("conflicts", 0) > 0,
        "a rebalance": counters.get("rebalances", 0) > 0,
        "a crash recovery": counters.get("crash_recoveries", 0) > 0,
        "a parked record": any(evidence.parked.values()) or counters.get("parked", 0) > 0,
        "a forged record refused": counters.get("forged", 0) > 0 or not evidence.done("garbage"),
        "a retry of an unknown outcome": any(map(_retried, attempts.values())),
        "a repeated key answered again": any(map(_replayed, attempts.values())),
    }
    return [what for what, seen in happened.items() if not seen]


def _retried(attempts: list[Attempt]) -> bool:
    unknown = [one.at for one in attempts if one.outcome == "info"]
    return bool(unknown) and any(one.outcome == "ok" and one.at > min(unknown) for one in attempts)


def _replayed(attempts: list[Attempt]) -> bool:
    return sum(one.outcome == "ok" for one in attempts) > 1 or any(one.replayed for one in attempts)
