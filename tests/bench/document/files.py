"""Where the page, its notes and its figures lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deploy.embedded.home import PROJECT
from tests.bench.document.growth import curves
from tests.bench.document.page import CURVES, page

PAGE = PROJECT / "docs" / "performance.md"
DATA = PROJECT / "docs" / "data"
KINDS = ("bench", "growth", "recovery")


def put(kind: str, content: Any, beside: Path = PAGE) -> None:
    """Keeps figures for the page."""
    file = _file(kind, beside)
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def made(target: Path = PAGE) -> dict[Path, str]:
    """File -> what it has to hold: the page and, where growth was measured, the curves. OSError without a bench."""
    bench, growth, recovery = (_kept(kind, target) for kind in KINDS)
    if bench is None:
        raise FileNotFoundError(f"{_file('bench', target)} is missing: give it with --bench.")
    notes = target.with_suffix(".notes.md").read_text(encoding="utf-8")
    files = {target: page(bench, growth, recovery, notes)}
    if growth is not None:
        files[target.with_name(CURVES)] = curves(growth["sizes"])
    return files


def _kept(kind: str, beside: Path) -> Any:
    file = _file(kind, beside)
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def _file(kind: str, beside: Path) -> Path:
    return beside.parent / DATA.name / f"{kind}.json"
