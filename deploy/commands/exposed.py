"""`custlog audit exposed`: the breach drill, whose fields an account has read."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from deploy.commands.instants import instant
from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDOUT, print_json, steps
from deploy.commands.query import WholeOption, show_written
from deploy.exporting import record
from deploy.trail import export, exposure
from deploy.trail.asker import PURPOSE, PurposeOption, TokenOption
from deploy.trail.exposure import Exposure
from deploy.trail.inquiry import inquiry
from deploy.trail.leaving import leave
from deploy.trail.search import Search
from shared.access.exports import Export

SHOWN = 40
"""Customers that a terminal is shown; a file and --json have all."""


def exposed(
    actor: Annotated[str, typer.Option("--actor", help="The account that was misused, or whose work is looked into.")],
    since: Annotated[str, typer.Option("--from", help="From this instant on.")],
    until: Annotated[str, typer.Option("--to", help="Before this instant.")],
    *,
    to_file: Annotated[Path | None, typer.Option("--export", help="Write every read to a .jsonl or .csv file.")] = None,
    whole: WholeOption = False,
    purpose: PurposeOption = PURPOSE,
    token: TokenOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List whose fields an account has read, which, when, by which request and what for. It is itself recorded."""
    file = None if to_file is None else export.checked(to_file)
    question = exposure.asked(actor, instant(since, "--from"), instant(until, "--to"))
    with inquiry(home, token, "AUDIT exposed", purpose) as asked, steps(quiet=as_json) as say:
        say("Reading the access log")
        search = Search(asked.history.connections, whole=whole)
        found = Exposure.of(search.records(search.places(question, "oldest"), question))
    leaving = Export("audit.exposed", found.reads, question.described())
    if file is not None:
        mark = leave(asked.home, asked.access, leaving, found.rows(), into=file, columns=exposure.COLUMNS)
        show_written(file, found.reads, mark, as_json=as_json)
        return
    mark = asyncio.run(record(asked.home, asked.access, leaving))
    if as_json:
        print_json({"watermark": mark, "actor": actor, **found.as_json()})
    else:
        _show(found, mark)


def _show(found: Exposure, mark: str) -> None:
    table = Table("customer", "reads", "first", "last", "fields", box=box.SIMPLE_HEAD, pad_edge=False)
    for customer, reads in sorted(found.customers.items())[:SHOWN]:
        first, last, fields = reads[0]["read_at"], reads[-1]["read_at"], exposure.fields_of(reads)
        table.add_row(customer, str(len(reads)), first, last, escape(", ".join(fields)))
    STDOUT.print(table)
    STDOUT.print(
        f"{len(found.customers):,} customers, {found.reads:,} reads, {len(found.exports):,} exports; watermark {mark}.",
        highlight=False,
        soft_wrap=True,
    )
    for left in found.exports:
        line = "exported {what}, {rows} rows, at {exported_at}: {reason} (watermark {watermark})".format_map(left)
        STDOUT.print(line, highlight=False, markup=False, soft_wrap=True)
