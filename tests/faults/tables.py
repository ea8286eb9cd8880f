"""What runs of the fault harness found, as tables for the documentation."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any


def recovery_table(records: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: how many seconds each kind of kill of each process was felt.

    A record is {"kind", "target", "first_ok_seconds": [...], "lag0_seconds": [...]}; records of one kind and target
    are put together.
    """
    felt: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    for record in records:
        first, lag = felt.setdefault((record["kind"], record["target"]), ([], []))
        first += record["first_ok_seconds"]
        lag += record["lag0_seconds"]
    lines = ["| what | to whom | times | s to the first good answer | s until all have caught up |"]
    lines.append("|---|---|---:|---:|---:|")
    lines += [
        f"| {kind} | {target} | {len(first)} | {_seconds(first)} | {_seconds(lag)} |"
        for (kind, target), (first, lag) in felt.items()
    ]
    return "\n".join(lines)


def plants_table(records: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: which invariant caught each planted bug, and after how long.

    A record is {"plant", "what", "caught_by": [...], "seconds", "faults": [...]}.
    """
    lines = ["| planted | what it does | faults | caught by | after s |", "|---|---|---|---|---:|"]
    for record in records:
        by = ", ".join(record["caught_by"]) or "**not caught**"
        faults = ", ".join(record["faults"]) or "none"
        lines.append(f"| {record['plant']} | {_text(record['what'])} | {faults} | {by} | {record['seconds']:.0f} |")
    return "\n".join(lines)


def _seconds(values: Sequence[float]) -> str:
    """Median, least and greatest."""
    if not values:
        return ""
    if len(values) == 1:
        return f"{values[0]:.2g}"
    return f"{statistics.median(values):.2g} ({min(values):.2g} to {max(values):.2g})"


def _text(words: str) -> str:
    return " ".join(words.replace("|", "\\|").split())
