"""`custlog audit watermark`: who exported a file, when, and what was asked for."""

from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDOUT, print_json
from deploy.commands.query import WholeOption
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.history import open_history
from deploy.trail.search import Found, Search
from deploy.trail.watermark import by_file, by_watermark


def watermark(
    mark: Annotated[
        str | None, typer.Argument(metavar="[WATERMARK]", help="The id that every row of an export carries.")
    ] = None,
    *,
    file: Annotated[
        Path | None, typer.Option("--file", help="A bundle of custlog audit prove, which carries no watermark.")
    ] = None,
    whole: WholeOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell who exported a file, when, and what was asked for."""
    if (mark is None) == (file is None):
        raise EmbeddedError("Give either the watermark or --file BUNDLE.")
    with open_history(Home.at(home)) as history:
        search = Search(history.connections, whole=whole)
        found = by_file(search, file) if file is not None else by_watermark(search, mark or "")
    if not found:
        raise EmbeddedError("No such export was recorded: the file is not of this system, or was made past it.")
    exports = [_told(each) for each in found]
    if as_json:
        print_json({"exports": exports})
        return
    for told in exports:
        line = (
            "{actor} exported {what}, {rows} rows, at {exported_at}, purpose {purpose}: {reason} "
            "(watermark {watermark}, access:{position})"
        ).format_map(told)
        STDOUT.print(line, highlight=False, markup=False, soft_wrap=True)


def _told(found: Found) -> dict[str, Any]:
    record = found.record
    return {
        **{name: record.data[name] for name in ("watermark", "what", "rows", "reason")},
        "actor": f"{record.actor.kind}:{record.actor.id}",
        "exported_at": record.recorded_at,
        "channel": record.channel,
        "purpose": record.purpose,
        "customer": record.customer,
        "position": found.place.position,
    }
