"""`custlog demo`: the main job from end to end, in a folder of its own."""

import asyncio
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.commands.options import JsonOption
from deploy.commands.output import print_json, steps
from deploy.demo import run
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import PROJECT, Home
from deploy.embedded.running import running


def demo(
    rows: Annotated[
        int | None, typer.Option("--rows", min=10, max=5000, help="Import fewer rows than all 5,000.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the data folder and say where it is.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Import real dirty records, number and merge them, fire reminders, build the views, check them against the log."""
    started = time.perf_counter()
    console = Console(quiet=as_json)
    base = PROJECT / ".custlog-demo"
    base.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=base))
    home = Home.at(folder / "home")
    try:
        with steps(quiet=as_json) as tell, running(home, settings={"CUSTLOG_CLOCK": "test"}, tell=tell):
            result = asyncio.run(run.run(home, console, time.perf_counter() - started, rows))
    finally:
        if keep:
            console.print(f"Kept: {home.data} (custlog --home {home.data} ...)", highlight=False)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print_json(result.as_json())
    if not result.views_equal_fold or result.lag or result.parked:
        raise EmbeddedError("The demo did not end as it must: see the line above.")
