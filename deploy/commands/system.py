"""`custlog up` and `custlog down`."""

from typing import Annotated

import typer

from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDOUT, print_json, steps
from deploy.embedded import running
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.embedded.supervisor import Supervisor
from shared.log import configure


def up(
    home: HomeOption = None,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay, and stop everything on Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start the servers and services; return when they are ready."""
    chosen = Home.at(home)
    if foreground:
        configure("supervisor", "INFO")
        Supervisor(chosen).run()
        return
    with steps(quiet=as_json) as tell:
        state = running.up(chosen, tell=tell)
    if as_json:
        print_json({"home": str(chosen.data), "services": {name: it.url for name, it in state.services.items()}})
        return
    STDOUT.print("custlog is up:", highlight=False)
    for name, service in state.services.items():
        STDOUT.print(f"  {name:14} {service.url}", highlight=False)


def down(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Stop everything that `up` started. The data stays."""
    chosen = Home.at(home)
    with steps(quiet=as_json) as tell:
        tell("Stopping")
        stopped = running.down(chosen)
    if as_json:
        print_json({"home": str(chosen.data), "stopped": stopped})
    elif not stopped:
        raise EmbeddedError(f"No system is running in {chosen.data}.")
