"""The table of docs/matching.md, made from docs/data/matching.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.embedded.home import PROJECT

PAGE = PROJECT / "docs" / "matching.md"
BEGIN, END = "<!-- figures: made by `make matchers` -->", "<!-- end of the figures -->"
_HEAD = (
    "| set | matcher | F1 | precision | recall | B-cubed | exact | largest | records/s | CPU s | MB |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
)


def table(measured: Mapping[str, Any]) -> str:
    """The figures as Markdown; what could not be run says why."""
    return "\n".join((*_HEAD, *(_row(outcome) for outcome in measured["outcomes"])))


def _row(told: Mapping[str, Any]) -> str:
    begin = f"| {told['set']} | {told['matcher']} | "
    if told["failed"]:
        return begin + f"not run: {told['failed']} |" + " |" * 8
    shares = " | ".join(f"{told[name]:.4f}" for name in ("f1", "precision", "recall", "bcubed", "exact"))
    rates = f"{told['largest']} | {told['records_per_second']:,} | {told['cpu_seconds']:,g} | {told['megabytes']:,}"
    return f"{begin}{shares} | {rates} |"


def made(page: str, measured: Mapping[str, Any]) -> str:
    """The page with its figures replaced by these."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(measured)}\n{END}{after}"


def write(data: Path = PROJECT / "docs" / "data" / "matching.json") -> None:
    """Makes the page anew."""
    PAGE.write_text(made(PAGE.read_text(encoding="utf-8"), json.loads(data.read_bytes())), encoding="utf-8")
