"""`make matchers`: every matcher on every set, one by one, into docs/data/matching.json and docs/matching.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import psutil

from deploy.embedded.home import PROJECT
from tests.bench.matchers import page
from tests.bench.matchers.contest import MATCHERS, Outcome, run, to_json
from tests.bench.matchers.sets import sets
from tests.bench.peers import install
from tests.bench.peers.peer import Missing

DATA = PROJECT / "docs" / "data" / "matching.json"


def main() -> None:
    """Run the chosen matchers. One that cannot be had or fails is a row with its reason; exit code 1 if it is ours."""
    chosen = _arguments()
    matchers = [it for it in MATCHERS if chosen.only is None or it.name.lower().startswith(chosen.only)]
    if any(matcher.name != "custlog" for matcher in matchers):
        try:
            install.matchers()
        except Missing as missing:
            print(f"the other matchers cannot be had: {missing}", file=sys.stderr)
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        for labelled in sets(Path(folder), chosen.size, chosen.also):
            for matcher in matchers:
                outcomes.append(run(matcher, labelled, Path(folder)))
                print(outcomes[-1], file=sys.stderr)
    about = {
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "python": sys.version.split()[0],
        "rapidfuzz": metadata.version("rapidfuzz"),
    }
    chosen.output.write_text(to_json(outcomes, about))
    if chosen.output == DATA:
        page.write()
    sys.exit(1 if any(outcome.failed for outcome in outcomes if outcome.matcher == "custlog") else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.matchers", description=__doc__)
    parser.add_argument("--only", type=str.lower, help="the beginning of a matcher's name")
    parser.add_argument("--size", type=int, default=20_000, help="records of the made-up population")
    parser.add_argument("--also", nargs=3, action="append", default=[], metavar=("NAME", "RECORDS", "TRUTH"))
    parser.add_argument("--output", type=Path, default=DATA, help="file for the JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
