"""docs/performance.md, made of measured figures and of notes that somebody wrote by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from tests.bench.document import growth as growing
from tests.faults.tables import recovery_table

Measured: TypeAlias = Mapping[str, Any]
"""A result as `tests.bench` writes it."""

CURVES = "performance-growth.svg"
_INTRODUCTION = """\
# Performance

Made by `python -m tests.bench.document` from the files in [data](data/); nothing here is edited by hand but the notes.
Read ratios, not figures: each path and what it stands beside were measured in turns, in one run, on one machine, with
servers, services and bench on the same cores. A cell holds the median of the rounds, and the least and the greatest."""
_LIMITS = """\
Each path beside the fastest that the same work could be done at on the same servers."""
_PEERS = """\
The same work in other software, as its own documents tell to do it, in turns with ours."""
_GROWTH = """\
One running system, filled from files step by step: people with the names, dates, numbers and errors of a real base, one
row in ten about somebody who is there already. Commands are orders of customers who are known, over HTTP. Queries come
over {readers} connections. Two values are p50 and p99. The last column is the last size by the first.

![Curves of the figures below]({curves})
"""


def page(bench: Measured, growth: Measured | None, recovery: Sequence[Measured] | None, notes: str) -> str:
    """The whole page. A part of which there are no figures yet is left out."""
    paths = bench["paths"]
    peers = {name: found for name, found in paths.items() if _of_peers(name)}
    limits = {name: found for name, found in paths.items() if not _of_peers(name)}
    parts = [_INTRODUCTION, "\n".join(_machine(bench)), "## Beside the limits", _LIMITS, results(limits)]
    if peers:
        parts += ["## Beside peers", _PEERS, results(peers), *_remarks(peers)]
    if bench.get("failed"):
        parts += ["## What did not run", "\n".join(f"- {name}: {why}" for name, why in bench["failed"].items())]
    if growth is not None:
        introduction = _GROWTH.format(readers=growth["plan"]["readers"], curves=CURVES)
        parts += ["## How cost grows", introduction.rstrip()]
        told = [line for line in _machine(growth) if line not in _machine(bench)]
        parts += ["\n".join(told), "\n".join(growing.table(growth["sizes"]))]
    if recovery:
        parts += ["## How long a kill is felt", recovery_table(recovery)]
    return "\n\n".join([*parts, "## Where the time goes now", notes.strip()]) + "\n"


def results(paths: Mapping[str, Sequence[Measured]]) -> str:
    """Markdown: a line for each result."""
    lines = ["| path | unit | ours | beside | ours / beside | p50 / p99 ms | goal | beside is |"]
    lines.append("|---|---|---:|---:|---:|---:|---|---|")
    for found in paths.values():
        lines += [_line(result) for result in found]
    return "\n".join(lines)


def _line(result: Measured) -> str:
    more = result["more"]
    times = " / ".join(f"{more[name]:g}" for name in ("p50_ms", "p99_ms") if more.get(name) is not None)
    goals = "<br>".join(f"{text}: {'met' if met else '**missed**'}" for text, met in result["goals"].items())
    spreads = [_cell(result[name]) for name in ("ours", "limit", "ratio")]
    cells = [result["path"], result["unit"], *spreads, times, goals.replace("|", "\\|"), result["limit_is"]]
    return "| " + " | ".join(cells) + " |"


def _cell(spread: Mapping[str, float] | None) -> str:
    if spread is None:
        return ""
    median, least, greatest = (f"{spread[name]:,g}" for name in ("median", "least", "greatest"))
    return median if least == greatest else f"{median} ({least} to {greatest})"


def _remarks(paths: Mapping[str, Sequence[Measured]]) -> list[str]:
    """What a result says of itself in words, each once."""
    said = [
        f"- {result['path']}, {name.replace('_', ' ')}: {text}"
        for found in paths.values()
        for result in found
        for name, text in result["more"].items()
        if isinstance(text, str)
    ]
    known = [result["more"].get("about", {}) for found in paths.values() for result in found]
    said += [f"- {about['peer']}: {_way(about)}" for about in known if "way" in about]
    return ["\n".join(dict.fromkeys(said))] if said else []


def _way(about: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return f"{about['way']} ({versions})"


def _machine(measured: Measured) -> list[str]:
    about, plan = measured["machine"], measured["plan"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    told = ", ".join(f"{name} {value}" for name, value in plan.items() if not isinstance(value, list))
    return [
        f"- machine: {about['cores']} cores, {about['memory_gb']} GB, load {about['load_at_start']} before the start",
        f"- versions: Python {about['python']}, {versions}",
        f"- plan: {told}",
    ]


def _of_peers(name: str) -> bool:
    return name.endswith("_peers") or name == "crud"
