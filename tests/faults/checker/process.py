"""I12 and I13: every service is ready with nothing behind at the end, and none took more than it may on the way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import mean

from tests.faults.checker.evidence import Evidence, Json
from tests.faults.checker.finding import Finding

SERVICES = ("customer", "identity", "notifications", "projections")
LIMITS = {"rss": 700 * 1024 * 1024, "fds": 600, "threads": 120}
"""What one service process may hold: resident bytes, file descriptors, threads. It works on 256 requests at a time, and
may be turning as many away at the same moment."""
GROWTH = 1.6
"""The last tenth of a run's file descriptors against its second tenth."""
ENOUGH_SAMPLES = 20
FEW_FDS = 60
"""What a service that has just begun, or idles, holds anyway."""


def judge_ready(evidence: Evidence) -> Finding:
    """What every service says of itself at the end."""
    violations = [] if evidence.rested else ["The system did not come to rest after the last fault."]
    for service in SERVICES:
        said = evidence.ready.get(service, {})
        if not said.get("ok"):
            wrong = [name for name, state in said.get("checks", {}).items() if state != "ok"] or ["no answer"]
            violations.append(f"The {service} service is not ready: {', '.join(wrong)}.")
        violations.extend(
            f"The {service} service is {'an unknown number of' if lag is None else lag} records behind: {name}."
            for name, lag in (said.get("lag") or {}).items()
            if lag != 0
        )
    figures = {} if evidence.settled_seconds is None else {"settled_seconds": evidence.settled_seconds}
    return Finding(len(SERVICES), violations, figures=figures)


def judge_growth(evidence: Evidence) -> Finding:
    """Every sample of every service, second instances included."""
    if not evidence.samples:
        return Finding(why="no samples were taken")
    of_process: dict[str, list[Json]] = defaultdict(list)
    for sample in evidence.samples:
        if sample["process"].partition("-")[0] in SERVICES:
            of_process[sample["process"]].append(sample)
    violations: list[str] = []
    greatest: dict[str, dict[str, int]] = {}
    for process, samples in of_process.items():
        most = greatest[process] = {what: max(sample[what] for sample in samples) for what in LIMITS}
        violations += [
            f"Process {process} held {most[what]} {what}, {limit} are allowed."
            for what, limit in LIMITS.items()
            if most[what] > limit
        ]
        violations += _growth(process, [sample["fds"] for sample in sorted(samples, key=lambda it: it["at"])])
    return Finding(sum(map(len, of_process.values())), violations, figures={"greatest": greatest})


def _growth(process: str, fds: Sequence[int]) -> list[str]:
    tenth = len(fds) // 10
    if len(fds) < ENOUGH_SAMPLES:
        return []
    early, late = mean(fds[tenth : 2 * tenth]), mean(fds[-tenth:])
    if late <= GROWTH * max(early, FEW_FDS):
        return []
    return [f"Process {process} went from {early:.0f} to {late:.0f} file descriptors."]
