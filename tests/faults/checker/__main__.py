"""`python -m tests.faults.checker RUN_FOLDER`: judges a run and prints one JSON object as the last line.

Exit code 0 if all holds, 1 if not, 2 if there is nothing to judge.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

import orjson

from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from tests.faults.checker.invariants import judge
from tests.faults.checker.reading import read


def main() -> None:
    """Reads, judges, prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.checker", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder of the run")
    parser.add_argument("--home", type=Path, help="the data folder of its system, if it is elsewhere now")
    arguments = parser.parse_args()
    began = time.monotonic()
    try:
        evidence = asyncio.run(read(arguments.folder, arguments.home and Home(arguments.home)))
    except (EmbeddedError, OSError, KeyError) as error:
        print(f"{arguments.folder} cannot be judged: {error}", file=sys.stderr)
        sys.exit(2)
    was_read = time.monotonic()
    answer = judge(evidence)
    answer["figures"]["seconds"] = {
        "reading": round(was_read - began, 2),
        "judging": round(time.monotonic() - was_read, 2),
    }
    print(orjson.dumps(answer, option=orjson.OPT_NON_STR_KEYS).decode())
    sys.exit(0 if answer["verdict"] == "green" else 1)


if __name__ == "__main__":
    main()
