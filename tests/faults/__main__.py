"""`make faults`: storms on a real system. Progress on standard error, one JSON object on standard output.

Exit code 0 only for green: 1 is red, 3 is void (too little happened to mean anything).
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from tests.faults.plan import KINDS, targets_of
from tests.faults.storm import Options, storm
from tests.faults.verdict import EXIT_CODES, sentence


def main() -> None:
    given = _arguments()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(30), logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what the faults do to the harness's own clients
    folder = given.folder or Path(tempfile.mkdtemp(prefix="custlog-faults-"))
    options = Options(given.seed, given.minutes, given.rate, given.every, given.faults, given.plant)
    _tell(f"seed {options.seed}, {options.minutes:g} minutes, {options.rate:g} commands/s, in {folder}")
    answer = storm(options, folder, tell=_tell)
    if given.output:
        given.output.write_text(json.dumps(answer, indent=1) + "\n")
    _tell(sentence(answer))
    for name, found in answer["invariants"].items():
        for violation in found.get("violations", ()):
            _tell(f"  {name}: {violation}")
    print(json.dumps(answer))
    if answer["verdict"] == "green" and given.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        _tell(f"everything is kept in {folder}")
    sys.exit(EXIT_CODES[answer["verdict"]])


_FAULTS = f"none, or some of {','.join(KINDS)}; kind:target hits nothing else"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000, help="of everything that is chosen")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=15.0, help="commands per second")
    parser.add_argument("--every", type=float, default=5.0, help="seconds from one fault to the next, on average")
    parser.add_argument(
        "--faults", type=_kinds, default=tuple(KINDS), help=f"of {','.join(KINDS)}, or none; kind:target"
    )
    parser.add_argument("--plant", help="a known bug to plant: the run has to be red")
    parser.add_argument("--folder", type=Path, help="where the run is kept; else a temporary folder, kept if not green")
    parser.add_argument("--output", type=Path, help="file for the JSON")
    return parser.parse_args()


def _kinds(text: str) -> Sequence[str]:
    kinds = () if text == "none" else tuple(text.split(","))
    try:
        for kind in kinds:
            targets_of(kind)
    except ValueError as unknown:
        raise argparse.ArgumentTypeError(str(unknown)) from None
    return kinds


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
