"""What a run says at its end: green, red, or void because too little happened to mean anything. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from tests.faults.plan import Fault

Verdict = Literal["green", "red", "void"]
EXIT_CODES: Mapping[Verdict, int] = {"green": 0, "red": 1, "void": 3}


def judge(*, settled: bool, invariants: Mapping[str, Mapping[str, Any]], void: Sequence[str]) -> Verdict:
    """Red if one invariant does not hold or the system never came to rest; void if it all held and proves nothing."""
    if not settled or not invariants or any(found["ok"] is False for found in invariants.values()):
        return "red"
    return "void" if void else "green"


def timeline(faults: Iterable[Fault], told: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every planned fault with what became of it."""
    ends = {line["n"]: line for line in told if line["event"] != "begin"}
    begins = {line["n"]: line for line in told if line["event"] == "begin"}
    return [
        {
            "n": fault.n,
            "at": begins.get(fault.n, {}).get("at", fault.at),
            "kind": fault.kind,
            "target": fault.target,
            "seconds": fault.seconds,
            **({"details": dict(fault.details)} if fault.details else {}),
            "became": ends.get(fault.n, {}).get("event", "cut off"),
            "evidence": ends.get(fault.n, {}).get("evidence", {}),
        }
        for fault in faults
    ]


def done_by_kind(told: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many faults of each kind truly happened."""
    return dict(sorted(Counter(line["kind"] for line in told if line["event"] == "end").items()))


def sentence(answer: Mapping[str, Any]) -> str:
    """One line for people."""
    red = [name for name, found in answer["invariants"].items() if found["ok"] is False]
    match answer["verdict"]:
        case "red":
            why = f"broken: {', '.join(red)}" if red else "the system never came to rest"
        case "void":
            why = f"never happened: {', '.join(answer['void'])}"
        case _:
            why = f"{sum(answer['faults'].values())} faults, {answer['load'].get('commands', 0)} commands"
    return f"seed {answer['seed']}: {answer['verdict']} ({why})"
