"""`custlog logs`: the newest lines of the logs."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.options import HomeOption
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home

_POLL = 0.2


def logs(
    name: Annotated[
        str, typer.Argument(help="A service, a server or supervisor; all services' lines if left out.")
    ] = "",
    home: HomeOption = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines of each log.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")] = False,
) -> None:
    """Print the newest log lines (JSON lines of the services, the servers' own words)."""
    folder = Home.at(home).logs
    files = {path.stem: path for path in sorted(folder.glob("*.log"))}
    if name and name not in files:
        known = ", ".join(files) or "none yet"
        raise EmbeddedError(f"There is no log of {name} in {folder}; there are: {known}.")
    chosen = [files[name]] if name else list(files.values())
    ends = {path: _print_newest(path, lines) for path in chosen}
    while follow:
        ends = {path: _print_from(path, end) for path, end in ends.items()}
        time.sleep(_POLL)


def _print_newest(path: Path, lines: int) -> int:
    content = path.read_bytes()
    newest = content.splitlines(keepends=True)[-lines:] if lines else []
    sys.stdout.write(b"".join(newest).decode(errors="replace"))
    return len(content)


def _print_from(path: Path, end: int) -> int:
    size = path.stat().st_size
    with path.open("rb") as log:
        log.seek(end if end <= size else 0)
        content = log.read()
        sys.stdout.write(content.decode(errors="replace"))
        sys.stdout.flush()
        return log.tell()
