"""`custlog replay`: what the logs say, of one customer or of everything, now or at an earlier instant."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from deploy import replay as replaying
from deploy.client import running_state
from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDOUT, print_json
from deploy.demo import story
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.history import open_history


def replay(
    customer: Annotated[
        str | None, typer.Option("--customer", help="A customer number, an id, or SOURCE:EXTERNAL-ID.")
    ] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="An instant, such as 2026-11-22T09:00:00Z.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Fold the whole log and compare every view with it.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a customer's state and the events that made it, or check all views against the log."""
    if check == (customer is not None):
        raise EmbeddedError("Give --customer NUMBER to replay one customer, or --check to compare all views.")
    chosen = Home.at(home)
    if check:
        _check(chosen, as_json=as_json)
        return
    with open_history(chosen) as history:
        life = replaying.life(history, history.customer(customer or ""), _instant(as_of))
    if as_json:
        print_json(life.as_json())
    else:
        story.show_life(life, STDOUT)


def _check(home: Home, *, as_json: bool) -> None:
    with open_history(home) as history:
        checked = asyncio.run(replaying.check(history, running_state(home)))
    if as_json:
        print_json(
            {"equal": checked.equal, "heads": checked.heads, "differences": [asdict(it) for it in checked.differences]}
        )
    else:
        for line in checked.lines():
            STDOUT.print(line, highlight=False)
    if not checked.equal:
        raise EmbeddedError("The views differ from the log: wait until custlog status shows lag 0, or custlog rebuild.")


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise EmbeddedError(f"--as-of {text!r} is no instant; write it as 2026-11-22T09:00:00Z.") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
