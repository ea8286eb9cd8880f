"""`custlog import`: a CSV or NDJSON file of one source through the customer service."""

import asyncio
from collections.abc import Iterator
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
from deploy.subject import intake_files, watermark_of

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
    summary: dict[str, Any] = {}
    for sent in _files(file, source):
        _add(summary, asyncio.run(_send(Home.at(home), sent)))
    if as_json:
        print_json(summary)
    else:
        STDOUT.print(", ".join(f"{name} {value}" for name, value in summary.items()), highlight=False)
    if stopped := summary.get("stopped"):
        raise EmbeddedError(f"The file could not be read to its end: {stopped} Correct it and import it again.")
    if summary.get("refused"):
        raise EmbeddedError(f"{summary['refused']} rows were refused; their reasons are above.")


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    source: str
    media_type: str
    key: str | None = None


def _files(file: Path, source: str | None) -> Iterator[_File]:
    """What is to be sent; an exported person may have come from several sources."""
    if file.suffix.lower() == ".zip":
        packed = file.read_bytes()
        try:
            files, watermark = intake_files(packed), watermark_of(packed)
        except (BadZipFile, KeyError, ValueError):
            raise EmbeddedError(f"{file.name} is no export of custlog subject export with rows to import.") from None
        for name, content in files.items():
            if source in (None, name):
                # Customers without an id in their source are recognised by the export they are in.
                yield _File(content, name, MEDIA_TYPES[".ndjson"], watermark)
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


async def _send(home: Home, sent: _File) -> dict[str, Any]:
    summary: dict[str, Any] = {}
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
                elif row["status"] >= 400:
                    reasons = "; ".join(f"{error['field']}: {error['message']}" for error in row.get("errors", ()))
                    STDERR.print(f"row {row['row']}: {row['status']} {reasons}", highlight=False)
    return summary
