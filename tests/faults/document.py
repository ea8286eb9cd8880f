"""Writes docs/reliability.md anew, from its template and from what runs have left.

    python -m tests.faults.document [--storm verdict.json ...] [--plants plants.json] [--recovery recovery.json]

Given files become the committed ones in docs/data; without them, the committed ones stand.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.crash import POINTS
from tests.faults.checker.invariants import INVARIANTS
from tests.faults.plan import KINDS
from tests.faults.plants import PLANTS
from tests.faults.tables import plants_table, recovery_table

DOCS = Path(__file__).parents[2] / "docs"
DATA = DOCS / "data"
TEMPLATE = DOCS / "reliability.template.md"
PAGE = DOCS / "reliability.md"
STORM_COLUMNS = (
    "seed",
    "minutes",
    "commands (unknown)",
    "events",
    "faults",
    "recoveries",
    "duplicates dropped",
    "conflicts",
    "rebalances",
    "parked",
    "at rest after",
    "verdict",
)
_PLACE = re.compile(r"\{\{(\w+)\}\}")
_SHORT = ("seed", "minutes", "rate", "verdict", "settled_seconds", "faults", "counters", "machine", "load_average")


def page() -> str:
    """The whole page. KeyError for a place in the template that nobody fills; OSError without data."""
    return _PLACE.sub(lambda place: PLACES[place[1]](), TEMPLATE.read_text(encoding="utf-8"))


def shortened(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a run: no timeline, no violations (there are none in a green one)."""
    load = verdict["load"]
    return {
        **{name: verdict[name] for name in _SHORT},
        "load": {name: load[name] for name in ("commands", "outcomes", "attempts", "repeats", "reuses")},
        "events": verdict["figures"]["events"],
        "duplicates_in_topics": verdict["figures"].get("I3", {}).get("duplicates_in_topics", {}),
        "checked": {name: found["checked"] for name, found in verdict["invariants"].items()},
    }


def _faults() -> str:
    lines = ["| fault | what it hits | seconds |", "|---|---|---:|"]
    for name, kind in KINDS.items():
        least, most = kind.seconds
        seconds = "" if not most else f"{least:g}" if least == most else f"{least:g} to {most:g}"
        targets = "each of the crash points below" if name == "crash" else ", ".join(kind.targets)
        lines.append(f"| {name} | {targets} | {seconds} |")
    return "\n".join(lines)


def _points() -> str:
    return "\n".join(
        ["| crash point | what is lost and what stays |", "|---|---|"]
        + [f"| `{name}` | {meaning} |" for name, meaning in POINTS.items()]
    )


def _invariants() -> str:
    lines = ["| | what must hold | checked in these runs |", "|---|---|---:|"]
    storms = _data("storms")
    for name, (sentence, _) in INVARIANTS.items():
        checked = sum(storm["checked"].get(name) or 0 for storm in storms)
        lines.append(f"| {name} | {sentence} | {f'{checked:,}' if checked else 'not built yet'} |")
    return "\n".join(lines)


def _storms() -> str:
    lines = [f"| {' | '.join(STORM_COLUMNS)} |", "|" + "---:|" * len(STORM_COLUMNS)]
    for storm in _data("storms"):
        counted, load = storm["counters"], storm["load"]
        cells = [
            storm["seed"],
            f"{storm['minutes']:g}",
            f"{load['commands']:,} ({load['outcomes'].get('unknown', 0):,})",
            f"{sum(storm['events'].values()):,}",
            sum(storm["faults"].values()),
            counted["crash_recoveries"],
            f"{counted['consumer_duplicates']:,}",
            f"{counted['conflicts']:,}",
            counted["rebalances"],
            counted["parked"],
            f"{storm['settled_seconds']:g} s",
            storm["verdict"],
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def _plants() -> str:
    tried = _data("plants")
    untried = [name for name in PLANTS if name not in {entry["plant"] for entry in tried}]
    table = plants_table(tried)
    return f"{table}\n\nNot tried yet: {', '.join(untried)}." if untried else table


def _data(name: str) -> list[Any]:
    found: list[Any] = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return found


PLACES: Mapping[str, Callable[[], str]] = {
    "faults": _faults,
    "points": _points,
    "invariants": _invariants,
    "storms": _storms,
    "plants": _plants,
    "recovery": lambda: recovery_table(_data("recovery")),
}
"""Place in the template -> what stands there."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.document", description=__doc__)
    parser.add_argument("--storm", type=Path, action="append", default=[], help="the JSON of a run; several times")
    parser.add_argument("--plants", type=Path)
    parser.add_argument("--recovery", type=Path)
    given = parser.parse_args()
    if given.storm:
        _keep("storms", [shortened(json.loads(file.read_text(encoding="utf-8"))) for file in given.storm])
    for name in ("plants", "recovery"):
        if (file := getattr(given, name)) is not None:
            _keep(name, json.loads(file.read_text(encoding="utf-8")))
    PAGE.write_text(page(), encoding="utf-8")
    sys.stderr.write(f"{PAGE}\n")


def _keep(name: str, content: Sequence[Any]) -> None:
    (DATA / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
