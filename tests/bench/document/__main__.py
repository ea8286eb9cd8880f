"""Writes docs/performance.md and its curves anew.

    python -m tests.bench.document [--bench bench.json] [--growth growth.json] [--recovery recovery.json] [PAGE]

A given file becomes the committed one in docs/data; without it, the committed one stands.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.bench.document.files import DATA, KINDS, PAGE, made, put


def main() -> None:
    """Exit code 2 with a sentence if a file is missing or has no figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.document", description=__doc__)
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=Path, metavar="FILE", help=f"new content of {DATA.name}/{kind}.json")
    parser.add_argument("page", nargs="?", type=Path, default=PAGE)
    given = parser.parse_args()
    try:
        for kind in KINDS:
            if (file := getattr(given, kind)) is not None:
                put(kind, json.loads(file.read_text(encoding="utf-8")), given.page)
        written = made(given.page)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    for file, content in written.items():
        file.write_text(content, encoding="utf-8")
        sys.stderr.write(f"{file}\n")


if __name__ == "__main__":
    main()
