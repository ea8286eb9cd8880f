"""What goes wrong when, computed from a seed alone: the same seed gives the same plan. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.crash import POINTS

SERVICES = ("customer", "identity", "notifications", "projections")
SERVERS = ("postgres", "kafka", "mongo")
LINKS = (*(f"postgres-{service}" for service in SERVICES), "kafka", "mongo")
LOGS = ("customer", "identity", "notifications")

FIRST_SECONDS = 3.0
"""The load runs alone for so long."""
LAST_SECONDS = 6.0
"""So long before the end the last fault begins at the latest."""


@dataclass(frozen=True)
class Kind:
    """A class of faults: what it can hit, for how long, and the time it needs before the next one of its kind."""

    targets: tuple[str, ...]
    seconds: tuple[float, float] = (0.0, 0.0)
    details: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    most: int | None = None
    """So many of it in one run; None for no limit."""


KINDS: Mapping[str, Kind] = {
    "kill": Kind((*SERVICES, *SERVERS)),
    "restart": Kind((*SERVICES, *SERVERS)),
    "stop": Kind((*SERVICES, *SERVERS), (1, 8)),
    # The load of a storm erases nobody, so nobody comes by the points of the eraser.
    "crash": Kind(tuple(sorted(point for point in POINTS if not point.startswith("erasing."))), (8, 8)),
    "latency": Kind(LINKS, (3, 8), {"ms": (20, 150, 400)}),
    "throttle": Kind(LINKS, (3, 6), {"bytes_per_second": (2_000, 20_000)}),
    "black_hole": Kind(LINKS, (2, 12)),
    "reset": Kind(LINKS, (0.5, 3)),
    "half_close": Kind(LINKS, (2, 6)),
    "disk_full": Kind(SERVERS, (3, 6)),
    "clock_jump": Kind(SERVICES, (5, 15), {"offset": (172_800.0, -172_800.0, 3_600.0, -90.0)}),
    "second_instance": Kind(SERVICES, (6, 12)),
    "zombie": Kind(("customer", "identity", "notifications"), (10, 14)),
    "rebalances": Kind(("identity", "notifications", "projections"), (8, 12)),
    "witness_away": Kind(("witness",), (2, 10)),
    "garbage": Kind(tuple(f"{log}.events" for log in LOGS), most=6),
    "unknown_version": Kind(LOGS, most=3),
    "mongo_wiped": Kind(("mongo",), most=2),
    "topic_deleted": Kind(tuple(f"{log}.events" for log in LOGS), most=2),
    "restore": Kind(("postgres",), most=1),
}
"""Every kind of fault there is."""

ALONE = frozenset({"restore"})
"""Kinds during which nothing else goes wrong, because the whole system is down."""
RESTORE_AT = 0.7
"""The share of a run after which an older backup is restored; the backup is made at two thirds of that."""


@dataclass(frozen=True)
class Fault:
    """One fault: `at` and `seconds` are seconds of the run."""

    n: int
    at: float
    kind: str
    target: str
    seconds: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)


def plan(seed: int, seconds: float, *, kinds: Sequence[str] = tuple(KINDS), every: float = 5.0) -> list[Fault]:
    """The faults of a run of so many seconds, one about every `every` seconds, several of them at once by chance.

    Each kind comes before any comes twice, and each of its targets before one comes twice. "kind:target" hits only that
    target. ValueError for a kind or a target that does not exist.
    """
    targets = dict(targets_of(kind) for kind in kinds)
    rng = random.Random(seed)
    chosen = _sequence(rng, {kind: of_kind for kind, of_kind in targets.items() if kind not in ALONE})
    faults: list[Fault] = []
    at = FIRST_SECONDS
    while at < seconds - LAST_SECONDS:
        drawn = next(chosen, None)
        if drawn is None:
            break
        faults.append(_fault(rng, len(faults), at, *drawn))
        at += max(1.0, rng.expovariate(1 / every))
    if "restore" in kinds:
        faults = _with_restore(faults, seconds)
    return faults


def targets_of(named: str) -> tuple[str, tuple[str, ...]]:
    """A kind, and what it hits, out of "kind" or "kind:target". ValueError if there is none such."""
    kind, _, target = named.partition(":")
    if kind not in KINDS:
        raise ValueError(f"there is no fault {kind}; there are {', '.join(KINDS)}")
    if target and target not in KINDS[kind].targets:
        raise ValueError(f"{kind} does not hit {target}; it hits {', '.join(KINDS[kind].targets)}")
    return kind, (target,) if target else KINDS[kind].targets


def _sequence(rng: random.Random, kinds: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """(kind, target) without end, or until every kind has come as often as it may."""
    waiting = {kind: _shuffled_forever(rng, targets) for kind, targets in kinds.items()}
    came = dict.fromkeys(kinds, 0)
    while True:
        turn = [kind for kind in kinds if (most := KINDS[kind].most) is None or came[kind] < most]
        if not turn:
            return
        for kind in rng.sample(turn, len(turn)):
            # What has many targets comes more often.
            for _ in range(1 if came[kind] == 0 else max(1, round(len(kinds[kind]) / 4))):
                came[kind] += 1
                yield kind, next(waiting[kind])


def _shuffled_forever(rng: random.Random, targets: Sequence[str]) -> Iterator[str]:
    while True:
        yield from rng.sample(targets, len(targets))


def _fault(rng: random.Random, n: int, at: float, kind: str, target: str) -> Fault:
    known = KINDS[kind]
    details = {name: rng.choice(values) for name, values in known.details.items()}
    return Fault(n, round(at, 2), kind, target, round(rng.uniform(*known.seconds), 2), details)


def _with_restore(faults: list[Fault], seconds: float) -> list[Fault]:
    """The backup and its restoration, with silence around them; what would fall into it is left out."""
    backup, restored = seconds * RESTORE_AT * 2 / 3, seconds * RESTORE_AT
    quiet = [
        fault
        for fault in faults
        if not restored - 4 <= fault.at <= restored + 4
        and not fault.at < restored <= fault.at + fault.seconds
        and not backup - 2 <= fault.at <= backup + 4
    ]
    pair = [
        Fault(-1, round(backup, 2), "backup", "postgres"),
        Fault(-1, round(restored, 2), "restore", "postgres"),
    ]
    ordered = sorted([*quiet, *pair], key=lambda fault: fault.at)
    return [Fault(n, f.at, f.kind, f.target, f.seconds, f.details) for n, f in enumerate(ordered)]
