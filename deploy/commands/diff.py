"""`custlog audit diff`: what is different of a customer between two instants."""

from typing import Annotated, Any

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from deploy.changes.answers import difference
from deploy.changes.reading import account_for, read
from deploy.commands.instants import instant
from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDOUT, print_json
from deploy.commands.why import place, told
from deploy.embedded.errors import EmbeddedError
from deploy.trail.asker import PURPOSE, PurposeOption, TokenOption
from deploy.trail.inquiry import inquiry


def diff(
    customer: Annotated[str, typer.Argument(help="A customer number, an id, or SOURCE:EXTERNAL-ID.")],
    since: Annotated[str, typer.Option("--from", help="The earlier instant.")],
    until: Annotated[str, typer.Option("--to", help="The later instant.")],
    *,
    purpose: PurposeOption = PURPOSE,
    token: TokenOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a customer at two instants, field by field, with the events in between."""
    earlier, later = instant(since, "--from"), instant(until, "--to")
    if later <= earlier:
        raise EmbeddedError("--to has to be later than --from.")
    with inquiry(home, token, "AUDIT diff", purpose) as asked:
        about = asked.history.customer(customer)
        steps, showing = read(asked.history, about, later, asked.who)
        answer = {"customer": about, **difference(steps, earlier, later, showing)}
        account_for(asked.home, asked.access, showing)
    if as_json:
        print_json(answer)
    else:
        _show(answer)


def _show(answer: dict[str, Any]) -> None:
    table = Table("field", "before", "after", "by", box=box.SIMPLE_HEAD, pad_edge=False)
    for field in answer["fields"]:
        cells = (field["field"], told(field["before"]), told(field["after"]), " ".join(field["events"]))
        table.add_row(*map(escape, cells))
    STDOUT.print(table)
    for event in answer["events"]:
        STDOUT.print(f"{place(event)} by {event['actor']}", highlight=False, markup=False, soft_wrap=True)
