"""`custlog import`: a CSV or NDJSON file of one source through the customer service."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from zipfile import BadZipFile

import orjson
import typer

from deploy.client import connect
from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDERR, STDOUT, print_json
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.following import At
from deploy.subject import FOLLOWING, following, intake_files, watermark_of
from deploy.taking_over import LeftOut, Row, sender

MEDIA_TYPES = {".csv": "text/csv", ".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson"}


def importing(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A .csv, .ndjson or .jsonl file, or an exported .zip.")
    ],
    source: Annotated[str | None, typer.Option("--source", help="Where the records come from, such as crm.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a file. The same file again creates nothing twice. Exit code 0 only if no row was refused."""
    chosen, packed = Home.at(home), _packed(file)
    summary, rows = dict[str, Any](), dict[At, Row]()
    for sent in _files(file, source, packed):
        told, taken = asyncio.run(_send(chosen, sent))
        _add(summary, told)
        rows.update(taken)
    left = asyncio.run(_follow(chosen, packed, source, rows, summary)) if packed is not None else ()
    if as_json:
        print_json(summary)
    else:
        STDOUT.print(", ".join(f"{name} {value}" for name, value in summary.items()), highlight=False)
    for each in left:
        STDERR.print(f"line {each.line} of {FOLLOWING}: {each.command}: {each.reason}", highlight=False)
    if stopped := summary.get("stopped"):
        raise EmbeddedError(f"The file could not be read to its end: {stopped} Correct it and import it again.")
    if summary.get("refused") or left:
        told_of = f"{summary.get('refused', 0)} rows were refused"
        raise EmbeddedError(f"{told_of}{f', {len(left)} lines after them left out' if left else ''}; see above.")


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    source: str
    media_type: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class _Packed:
    rows: dict[str, bytes]
    following: list[dict[str, Any]]
    watermark: str


def _packed(file: Path) -> _Packed | None:
    """The export in a ZIP; None for another file."""
    if file.suffix.lower() != ".zip":
        return None
    packed = file.read_bytes()
    try:
        return _Packed(intake_files(packed), following(packed), watermark_of(packed))
    except (BadZipFile, KeyError, ValueError):
        raise EmbeddedError(f"{file.name} is no export of custlog subject export with rows to import.") from None


def _files(file: Path, source: str | None, packed: _Packed | None) -> Iterator[_File]:
    """What is to be sent; an exported person may have come from several sources."""
    if packed is not None:
        for name, content in packed.rows.items():
            if source in (None, name):
                # Customers without an id in their source are recognised by the export they are in.
                yield _File(content, name, MEDIA_TYPES[".ndjson"], packed.watermark)
        return
    media_type = MEDIA_TYPES.get(file.suffix.lower())
    if media_type is None:
        raise EmbeddedError(f"{file.name} is neither .csv nor .ndjson; rename or convert it.")
    if source is None:
        raise EmbeddedError(f"Give --source: {file.name} does not say where its records come from.")
    yield _File(file.read_bytes(), source, media_type)


def _add(summary: dict[str, Any], more: dict[str, Any]) -> None:
    for name, value in more.items():
        counted = type(value) is int and name in summary
        summary[name] = summary[name] + value if counted else value


async def _follow(
    home: Home, packed: _Packed, source: str | None, rows: Mapping[At, Row], summary: dict[str, Any]
) -> Sequence[LeftOut]:
    """Sends what follows the rows of this source, or of all; what of it was not taken."""
    lines = [
        (number, line)
        for number, line in enumerate(packed.following, 1)
        if source is None or line["customer"][0] == source
    ]
    async with sender(home, packed.watermark, rows) as sending:
        left = await sending.send(lines)
    summary.update(followed=len(lines) - len(left), left_out=len(left))
    return left


async def _send(home: Home, sent: _File) -> tuple[dict[str, Any], dict[At, Row]]:
    """The summary, and the customers that rows became or had become before."""
    summary, rows = dict[str, Any](), dict[At, Row]()
    async with connect(home, "importer", "import") as client:
        headers = client.headers(
            {"Content-Type": sent.media_type, **({"Idempotency-Key": sent.key} if sent.key else {})}
        )
        url = client.url("customer", "/intake")
        async with client.http.stream(
            "POST", url, params={"source": sent.source}, content=sent.content, headers=headers
        ) as answer:
            if answer.is_error:
                problem = orjson.loads(await answer.aread())
                raise EmbeddedError(f"{answer.status_code} {problem.get('detail') or problem.get('title')}")
            async for line in answer.aiter_lines():
                row = orjson.loads(line)
                if "row" not in row:
                    summary = row
                elif row["status"] < 400:
                    rows[sent.source, row["row"]] = Row(row["id"], row["version"])
                else:
                    reasons = "; ".join(f"{error['field']}: {error['message']}" for error in row.get("errors", ()))
                    STDERR.print(f"row {row['row']}: {row['status']} {reasons}", highlight=False)
    return summary, rows
