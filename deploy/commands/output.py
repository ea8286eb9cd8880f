"""What commands print: JSON on standard output, steps on standard error."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

STDOUT = Console()
STDERR = Console(stderr=True)


def print_json(content: object) -> None:
    """One JSON object on one line."""
    print(json.dumps(content, default=str))


@contextmanager
def steps(*, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """A function that shows the step under way: a spinner in a terminal, a line otherwise, nothing if quiet."""
    if quiet:
        yield lambda _: None
    elif STDERR.is_terminal:
        with STDERR.status("") as spinner:
            yield lambda step: spinner.update(f"{step} ...")
    else:
        yield lambda step: STDERR.print(f"{step} ...", highlight=False)
