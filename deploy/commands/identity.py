"""Decisions about who is who: assertions from a file, the questions to people, and labels for calibration."""

import asyncio
import csv
import hashlib
import io
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from deploy.client import Client, connect
from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDERR, STDOUT, print_json
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.matching.records import read_pairs
from deploy.matching.writing import write_csv

ROWS = 500
"""In one request; more go in several."""
LONGEST = 200
"""Characters of a number, as somebody typed it, that the service looks at."""
Row: TypeAlias = dict[str | None, Any]
"""The cells of a line by their columns; under None those that no column is named for."""
LABELS = ("id_a", "id_b", "same", "author", "reason")

UserOption = Annotated[str, typer.Option("--user", help="Who decides; stands as the actor at every event.")]


def assertions(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="CSV: says,a,b,reason[,expires,overrule,…]")
    ],
    user: UserOption = "steward",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say of many pairs that they are the same or never one. The same file again changes nothing.

    `a` and `b` are customer ids, numbers or aliases. Exit code 0 only if no row was refused.
    """
    rows = asyncio.run(_assert(Home.at(home), file, user))
    refused = [row for row in rows if row["status"] >= 400]
    told = {
        "rows": len(rows),
        "recorded": sum(row["recorded"] for row in rows),
        "changed": sum(row["changed"] for row in rows),
        "requested": sum(row["request"] is not None for row in rows),
        "refused": len(refused),
    }
    for row in refused:
        STDERR.print(f"row {row['row']}: {row['status']} {row['detail']}", highlight=False)
    if as_json:
        print_json(told)
    else:
        STDOUT.print(", ".join(f"{name} {value}" for name, value in told.items()), highlight=False)
    if refused:
        raise EmbeddedError(f"{len(refused)} rows were refused; their reasons are above.")


def reviews(
    limit: Annotated[int, typer.Option("--limit", help="As many questions.")] = 20,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The questions to answer next, the most worthwhile first."""
    found = asyncio.run(_get(Home.at(home), "/reviews", limit=limit))
    if as_json:
        print_json(found)
        return
    for question in found["questions"]:
        STDOUT.print(
            f"{question['id']:>8}  {question['a']} {question['b']}  {question['weight'] / 1000:+.1f} bits, "
            f"{question['why']}, {question['alike']} alike",
            highlight=False,
        )


def labels(
    out: Annotated[Path, typer.Option("--out", help="The CSV to write: id_a,id_b,same,author,reason.")],
    base: Annotated[
        Path | None,
        typer.Option("--of", exists=True, dir_okay=False, help="Only of customers in this file of identity export."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write what people decided as labelled pairs, for custlog match calibrate."""
    written = asyncio.run(_labels(Home.at(home), out, base))
    if as_json:
        print_json({"labels": written, "file": str(out)})
    else:
        STDOUT.print(f"{written} labelled pairs in {out}", highlight=False)


async def _assert(home: Home, file: Path, user: str) -> list[dict[str, Any]]:
    async with connect(home, user, "manager") as client:
        return await send(client, file)


async def send(client: Client, file: Path) -> list[dict[str, Any]]:
    """Says what the rows of a file say; their answers. Raises EmbeddedError for no CSV, and for a refused request."""
    rows = _rows(file)
    told: list[dict[str, Any]] = []
    for start in range(0, len(rows), ROWS):
        content = _csv([await _with_ids(client, row) for row in rows[start : start + ROWS]])
        # Not the name of the file: another one of that name is another command.
        key = f"{hashlib.sha256(content).hexdigest()[:32]}-{start}"
        answer = await client.http.post(
            client.url("identity", "/assertions/bulk"),
            content=content,
            headers=client.headers({"Content-Type": "text/csv", "Idempotency-Key": key}),
        )
        said = answer.json()
        if answer.is_error:
            raise EmbeddedError(f"{answer.status_code} {said.get('detail') or said.get('title')}")
        told += [{**row, "row": row["row"] + start} for row in said["rows"]]
    return told


async def _with_ids(client: Client, row: Row) -> Row:
    """The row with customer ids for numbers; what leads nowhere stays, and is refused by the service."""
    found = dict(row)
    for name in ("a", "b"):
        given = found.get(name) or ""
        if 0 < len(given) <= LONGEST and len(given) != len("00000000-0000-0000-0000-000000000000"):
            # In the body, because what somebody typed may be no part of an address.
            known = await client.send("POST", "identity", "/numbers/validate", {"number": given})
            found[name] = known.json()["customer"] or given
    return found


def _rows(file: Path) -> list[Row]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            return list(csv.DictReader(opened, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise EmbeddedError(f"{file.name} is no CSV in UTF-8: {error}.") from None


def _csv(rows: list[Row]) -> bytes:
    """The rows as they were read, cells without a column too: the service answers each of them."""
    names = [name for name in rows[0] if name is not None]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([*(row[name] for name in names), *row.get(None, ())] for row in rows)
    return text.getvalue().encode()


async def _get(home: Home, path: str, **params: Any) -> Any:
    async with connect(home, "steward", "manager") as client:
        return await client.get("identity", path, **params)


async def _labels(home: Home, out: Path, base: Path | None) -> int:
    async with connect(home, "steward", "manager") as client:
        return await write_labels(client, out, base)


async def write_labels(client: Client, out: Path, base: Path | None = None) -> int:
    """Writes everything that people said of two customers, with a `base` of two who are in it; how much it was.

    Raises EmbeddedError if it cannot.
    """
    rows: list[tuple[Any, ...]] = []
    after: int | None = 0
    while after is not None:
        found = await client.get("identity", "/assertions", after=after, limit=1000)
        rows += [
            (said["a"], said["b"], int(said["says"] == "same"), said["author"], said["reason"])
            for said in found["assertions"]
        ]
        after = found["after"]
    if base is not None:
        known = {customer for (customer,) in read_pairs(base, ("id",))}
        rows = [row for row in rows if known.issuperset(row[:2])]
    write_csv(out, LABELS, rows)
    return len(rows)
