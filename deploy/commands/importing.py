"""`custlog import`: a CSV or NDJSON file of one source through the customer service."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from deploy.client import connect
from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDERR, STDOUT, print_json
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home

MEDIA_TYPES = {".csv": "text/csv", ".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson"}


def importing(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A .csv, .ndjson or .jsonl file.")],
    source: Annotated[str, typer.Option("--source", help="Where the records come from, such as crm.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a file. The same file again creates nothing twice. Exit code 0 only if no row was refused."""
    media_type = MEDIA_TYPES.get(file.suffix.lower())
    if media_type is None:
        raise EmbeddedError(f"{file.name} is neither .csv nor .ndjson; rename or convert it.")
    summary = asyncio.run(_send(Home.at(home), file.read_bytes(), source, media_type))
    if as_json:
        print_json(summary)
    else:
        STDOUT.print(", ".join(f"{name} {value}" for name, value in summary.items()), highlight=False)
    if stopped := summary.get("stopped"):
        raise EmbeddedError(f"The file could not be read to its end: {stopped} Correct it and import it again.")
    if summary.get("refused"):
        raise EmbeddedError(f"{summary['refused']} rows were refused; their reasons are above.")


async def _send(home: Home, content: bytes, source: str, media_type: str) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    async with connect(home, "importer", "import") as client:
        headers = client.headers({"Content-Type": media_type})
        url = client.url("customer", "/intake")
        async with client.http.stream(
            "POST", url, params={"source": source}, content=content, headers=headers
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
