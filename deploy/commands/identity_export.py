"""`custlog identity export`: the customers of a running system as a file for `custlog match`."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from deploy import exporting
from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDOUT, print_json, steps
from deploy.embedded.home import Home
from deploy.history import open_history
from deploy.matching.base import COLUMNS, Base, Row, disclosed, opened, row
from deploy.matching.writing import write_csv
from shared.access.exports import Export
from shared.access.journal import Access

PURPOSE = "matching"
OPERATION = "EXPORT identity"
_OWNER_ONLY = 0o600


def export(
    out: Annotated[Path, typer.Option("--out", help="The CSV to write; handle it as personal data.")],
    *,
    user: Annotated[str, typer.Option("--user", help="Id of the user who exports; it is recorded.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, as it is recorded.")] = "matching as a file",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write every customer who may be compared, by id, as a file for custlog match: none erased or restricted."""
    chosen = Home.at(home)
    access = exporting.asked_by(user, PURPOSE, OPERATION)
    with open_history(chosen) as history, opened(history) as base, steps(quiet=as_json) as say:
        say("Recording the export")
        # Recorded first: an export that cannot be recorded does not leave.
        watermark = asyncio.run(exporting.record(chosen, access, Export("identity.base", base.count(), reason)))
        say("Writing the customers")
        written = 0

        def rows() -> Iterator[Row]:
            nonlocal written
            for each in _recorded(chosen, access, base):
                written += 1
                yield (*each, watermark)

        write_csv(out, (*COLUMNS, "watermark"), rows(), _OWNER_ONLY)
    if as_json:
        print_json({"file": str(out), "customers": written, "watermark": watermark})
    else:
        STDOUT.print(f"Wrote {out}: {written:,} customers, watermark {watermark}.", highlight=False, soft_wrap=True)


def _recorded(home: Home, access: Access, base: Base) -> Iterator[Row]:
    """The rows, each after it is in the access log that it was shown."""
    for customers in base.pages():
        asyncio.run(exporting.shown(home, access, disclosed(customers)))
        for customer, features in customers:
            yield row(customer, features)
