"""`custlog audit query`: the records of all logs by account, customer, time, kind, command or correlation."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from deploy.commands.instants import instant
from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDOUT, print_json
from deploy.embedded.errors import EmbeddedError
from deploy.trail import export, telling
from deploy.trail.asker import PURPOSE, PurposeOption, TokenOption
from deploy.trail.inquiry import inquiry
from deploy.trail.leaving import leave
from deploy.trail.question import Order, Place, Question, types_of
from deploy.trail.search import Search
from services.projections.views.membership import members_at
from shared.access.exports import Export
from shared.events.catalogue import LOGS
from shared.ids import is_uuid

PAGE = 50
WholeOption = Annotated[
    bool, typer.Option("--whole", help="Read every record instead of the indexes, which nobody has signed.")
]
_COLUMNS = ("recorded_at", "position", "type", "actor", "channel", "customer")


def query(
    *,
    actor: Annotated[str | None, typer.Option("--actor", help="What this account did, or tried.")] = None,
    customer: Annotated[
        str | None, typer.Option("--customer", help="A customer number, an id, or SOURCE:EXTERNAL-ID; with all merged.")
    ] = None,
    kinds: Annotated[
        list[str] | None, typer.Option("--kind", help="Type of event, such as access.* or customer.erased; repeatable.")
    ] = None,
    since: Annotated[str | None, typer.Option("--from", help="Recorded at or after this instant.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Recorded before this instant.")] = None,
    command: Annotated[str | None, typer.Option("--command", help="Id of a command (its Idempotency-Key).")] = None,
    correlation: Annotated[str | None, typer.Option("--correlation", help="Correlation id of a request.")] = None,
    logs: Annotated[list[str] | None, typer.Option("--log", help="Only this log; repeatable.")] = None,
    oldest: Annotated[bool, typer.Option("--oldest", help="The oldest first; otherwise the newest.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Records of a page.")] = PAGE,
    after: Annotated[str | None, typer.Option("--after", help="Cursor that the page before showed.")] = None,
    to_file: Annotated[
        Path | None, typer.Option("--export", help="Write all that is found to a .jsonl or .csv file, and record that.")
    ] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Print one JSON object for each record.")] = False,
    whole: WholeOption = False,
    purpose: PurposeOption = PURPOSE,
    token: TokenOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find records of all logs: by account, customer, time, kind, command or correlation."""
    order: Order = "oldest" if oldest else "newest"
    question = Question(
        actor=actor,
        types=types_of(kinds) if kinds else None,
        since=instant(since, "--from"),
        until=instant(until, "--to"),
        command=_id("--command", command),
        correlation=_id("--correlation", correlation),
        logs=_logs(logs),
    )
    with inquiry(home, token, "AUDIT query", purpose) as asked:
        history, who = asked.history, asked.who
        search = Search(history.connections, whole=whole)
        if customer is not None:
            known = history.customer(customer)
            question = question.about(members_at(history.together(known, whole=whole), known))
        if to_file is not None:
            file, places = export.checked(to_file), search.places(question, order)
            found = (telling.row(each, who.roles) for each in search.records(places, question))
            leaving = Export("audit.query", len(places), question.described())
            mark = leave(asked.home, asked.access, leaving, found, into=file, columns=telling.COLUMNS)
            show_written(file, len(places), mark, as_json=as_json)
            return
        page = search.page(question, order, limit, None if after is None else Place.parse(after))
    rows = [telling.row(each, who.roles) for each in page]
    _show(rows, str(page[-1].place) if len(page) == limit else None, lines=lines, as_json=as_json)


def show_written(file: Path, rows: int, mark: str, *, as_json: bool) -> None:
    """Says which file was written under which watermark."""
    if as_json:
        print_json({"file": str(file), "rows": rows, "watermark": mark})
    else:
        STDOUT.print(f"Wrote {file}: {rows:,} rows, watermark {mark}.", highlight=False, soft_wrap=True)


def _show(rows: Sequence[dict[str, Any]], cursor: str | None, *, lines: bool, as_json: bool) -> None:
    if as_json:
        print_json({"items": rows, "after": cursor})
        return
    if lines:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
    else:
        table = Table(*_COLUMNS, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for row in rows:
            cells = {**row, "position": f"{row['log']}:{row['position']}"}
            table.add_row(*(escape(str(cells[name])) for name in _COLUMNS))
        STDOUT.print(table)
    if cursor is not None:
        sys.stderr.write(f"There may be more: --after '{cursor}'\n")


def _id(option: str, text: str | None) -> str | None:
    if text is not None and not is_uuid(text):
        raise EmbeddedError(f"{option} {text!r} is no id; give it as the log shows it.")
    return text


def _logs(names: Sequence[str] | None) -> tuple[str, ...]:
    if unknown := sorted(set(names or ()) - set(LOGS)):
        raise EmbeddedError(f"There is no log {', '.join(unknown)}; there are {', '.join(LOGS)}.")
    return tuple(log for log in LOGS if not names or log in names)
