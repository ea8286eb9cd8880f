"""`custlog replay`: what the logs say, of one customer, of views or of everything, now or at an earlier instant."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from deploy import replay as replaying
from deploy import seen as seeing
from deploy.client import running_state
from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDOUT, print_json, steps
from deploy.demo import story
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.exporting import shown
from deploy.history import open_history
from deploy.reconstruction import reconstruct
from deploy.trail.asker import PURPOSE, PurposeOption, TokenOption, asker
from services.projections.views import VIEWS
from shared.access.journal import Access
from shared.as_of import Asked, parse


def replay(
    customer: Annotated[
        str | None, typer.Option("--customer", help="A customer number, an id, or SOURCE:EXTERNAL-ID.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="An instant, as 2026-11-22T09:00:00Z, or positions, as customer:120,identity:80."),
    ] = None,
    views: Annotated[list[str] | None, typer.Option("--view", help="This whole view; may be repeated.")] = None,
    *,
    all_views: Annotated[bool, typer.Option("--all-views", help="Every view.")] = False,
    seen: Annotated[bool, typer.Option("--seen", help="Who could see the customer, and who did.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the documents of the views, one file for each.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the views in MongoDB; see custlog scratch.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Fold the whole log and compare every view with it.")] = False,
    whole: Annotated[
        bool, typer.Option("--whole", help="Read every link instead of the index of them, which nobody has signed.")
    ] = False,
    purpose: PurposeOption = PURPOSE,
    token: TokenOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a customer's state and the events that made it, make views as they were, or check all views."""
    chosen, wanted = Home.at(home), list(VIEWS) if all_views else views or []
    if [customer is not None, bool(wanted), check].count(True) != 1:
        raise EmbeddedError(
            "Give --customer NUMBER to replay one customer, --view NAME or --all-views to make views as of an instant, "
            "or --check to compare all views."
        )
    if (seen and customer is None) or ((keep or output is not None) and not wanted):
        raise EmbeddedError("--seen goes with --customer, --keep and --output go with --view or --all-views.")
    asked = None if as_of is None else parse(as_of)
    if check:
        _check(chosen, as_json=as_json)
    elif customer is None:
        _views(chosen, wanted, asked, output, keep=keep, as_json=as_json)
    elif seen:
        _seen(chosen, customer, asked, as_json=as_json)
    else:
        access = asker(chosen, token).access("REPLAY customer", purpose)
        _life(chosen, customer, asked, access, whole=whole, as_json=as_json)


def _life(home: Home, customer: str, asked: Asked | None, access: Access, *, whole: bool, as_json: bool) -> None:
    with open_history(home) as history:
        as_of = None if asked is None else history.as_of(asked)
        life = replaying.life(history, history.customer(customer), as_of, whole=whole)
    # Recorded first: what cannot be recorded is not shown.
    asyncio.run(shown(home, access, life.disclosed(events=as_json)))
    if as_json:
        print_json(life.as_json())
    else:
        story.show_life(life, STDOUT)


def _seen(home: Home, customer: str, asked: Asked | None, *, as_json: bool) -> None:
    with open_history(home) as history:
        found = seeing.seen(history, history.customer(customer), None if asked is None else history.as_of(asked))
    if as_json:
        print_json(found.as_json())
    else:
        story.show_seen(found, STDOUT)


def _views(
    home: Home, views: list[str], asked: Asked | None, output: Path | None, *, keep: bool, as_json: bool
) -> None:
    if asked is None:
        raise EmbeddedError("Say with --as-of as of when; the views of now are those that are served.")
    with open_history(home) as history, steps(quiet=as_json) as say:
        made = asyncio.run(
            reconstruct(history, running_state(home), views, history.as_of(asked), folder=output, keep=keep, say=say)
        )
    if as_json:
        print_json(asdict(made))
        return
    for view in made.views:
        STDOUT.print(
            f"view {view.view} as of {made.as_of}: {view.documents} documents, sha256 {view.digest}",
            highlight=False,
            soft_wrap=True,
        )
    if made.kept:
        STDOUT.print(f"Kept as {made.kept}; custlog scratch --drop {made.kept} removes it.", highlight=False)


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
