"""How far long work is: a bar on a terminal, nothing otherwise."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from deploy.commands.output import STDERR

Tell = Callable[[str, float], None]
"""Shows the step under way and how much of it is done, from 0 to 1; below 0 where nobody knows."""


def silent(_step: str, _share: float) -> None:
    """Shows nothing."""


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Tell]:
    """A bar that follows what it is told."""
    if quiet or not STDERR.is_terminal:
        yield silent
        return
    shape = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*shape, console=STDERR, transient=True) as bar:
        task = bar.add_task("")
        yield lambda step, share: bar.update(
            task, description=step, total=1 if share >= 0 else None, completed=max(share, 0)
        )
