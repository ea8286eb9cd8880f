"""`make bench`: every path of the system beside its limit, as a table on standard error and JSON on standard output."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

import structlog
import uvloop
from rich.console import Console
from rich.table import Table

from tests.bench import (
    append,
    append_bulk,
    append_peers,
    arriving,
    audit,
    bundle,
    consume_peers,
    crud,
    erasure,
    fold,
    identifying,
    imports,
    machine,
    numbers,
    past,
    possible,
    read_peers,
    rebuild,
    relay,
    trail,
    visible,
)
from tests.bench.measure import Plan, Result, Spread
from tests.bench.stand import Stand, stand

PATHS: dict[str, Callable[[Stand, Plan], Awaitable[list[Result]]]] = {
    "append": append.measure,
    "append_bulk": append_bulk.measure,
    "audit": audit.measure,
    "bundle": bundle.measure,
    "trail": trail.measure,
    "numbers": numbers.measure,
    "arriving": arriving.measure,
    "identifying": identifying.measure,
    "append_peers": append_peers.measure,
    "read_peers": read_peers.measure,
    "consume_peers": consume_peers.measure,
    "crud": crud.measure,
    "relay": relay.measure,
    "fold": fold.measure,
    "import": imports.measure,
    "visible": visible.measure,
    "rebuild": rebuild.measure,
    "possible": possible.measure,
    "past": past.measure,
    "erasure": erasure.measure,
}
FULL = Plan(rounds=5, seconds=3, size=20_000)
SMOKE = Plan(rounds=1, seconds=0.5, size=1_000, fetch=False)

_VERDICTS = {True: "[green]met[/]", False: "[red]missed[/]"}
_WIDTH = 190
_console = Console(stderr=True) if sys.stderr.isatty() else Console(stderr=True, width=_WIDTH)


def main() -> None:
    """Measure the chosen paths. A missed goal is said, not punished; a path that does not run is exit code 1."""
    chosen = _arguments()
    _only_warnings()
    about = machine.describe()
    _console.print(f"[dim]{about['cores']} cores, load {about['load_at_start']}; takes some minutes[/dim]")
    results: dict[str, list[Result]] = {}
    failed: dict[str, str] = {}
    began = time.monotonic()
    with stand() as built, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for name in chosen.only:
            _console.print(f"[dim]{name} ...[/dim]")
            try:
                results[name] = runner.run(_measured(name, built, chosen.plan))
            except Exception as error:  # noqa: BLE001 - what the other paths measured is not lost
                failed[name] = f"{type(error).__name__}: {error}"
                _console.print_exception()
    _console.print(_table([result for found in results.values() for result in found]))
    answer = {
        "machine": about,
        "plan": asdict(chosen.plan),
        "seconds": round(time.monotonic() - began),
        "failed": failed,
        "paths": {name: [asdict(result) for result in found] for name, found in results.items()},
    }
    chosen.output.write_text(json.dumps(answer, indent=1) + "\n")
    print(json.dumps(answer))
    sys.exit(1 if failed else 0)


async def _measured(name: str, built: Stand, plan: Plan) -> list[Result]:
    return await PATHS[name](built, plan)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", type=_names, default=list(PATHS), help=f"of {','.join(PATHS)}")
    parser.add_argument("--rounds", type=int, help="rounds of each side")
    parser.add_argument("--seconds", type=float, help="of each timed round")
    parser.add_argument("--size", type=int, help="records of each counted round")
    parser.add_argument("--output", type=Path, default=Path("bench.json"), help="file for the JSON")
    parser.add_argument("--smoke", action="store_true", help="tiny: shows that it runs, not how fast")
    given = parser.parse_args()
    base = SMOKE if given.smoke else FULL
    given.plan = Plan(
        given.rounds or base.rounds, given.seconds or base.seconds, given.size or base.size, fetch=base.fetch
    )
    return given


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in PATHS]:
        raise argparse.ArgumentTypeError(f"there is no path {', '.join(unknown)}; there are {', '.join(PATHS)}")
    return names


def _table(results: list[Result]) -> Table:
    table = Table("path", "unit", "ours", "limit", "ours / limit", "p50 / p99 ms", "goal", "limit is")
    for result in results:
        times = [f"{result.more[name]:g}" for name in ("p50_ms", "p99_ms") if name in result.more]
        goals = "\n".join(f"{_VERDICTS[met]} {text}" for text, met in result.goals.items())
        spreads = (_cell(spread) for spread in (result.ours, result.limit, result.ratio))
        table.add_row(result.path, result.unit, *spreads, " / ".join(times), goals, result.limit_is)
    return table


def _cell(spread: Spread | None) -> str:
    if spread is None:
        return ""
    if spread.least == spread.greatest:
        return f"{spread.median:,g}"
    return f"{spread.median:,g} ({spread.least:,g} to {spread.greatest:,g})"


def _only_warnings() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


if __name__ == "__main__":
    main()
