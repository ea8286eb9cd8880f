"""`custlog subject`: what a person may ask for."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from deploy import exporting, replay
from deploy.commands.options import HomeOption, JsonOption
from deploy.commands.output import STDOUT, print_json
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.following import related
from deploy.history import open_history
from deploy.subject import Held, pack
from shared.access.exports import Export

PURPOSE = "subject_access"


def export(
    customer: Annotated[str, typer.Argument(help="A customer number, an id, or SOURCE:EXTERNAL-ID.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The ZIP to write; handle it as personal data.")],
    *,
    user: Annotated[str, typer.Option("--user", help="Id of the user who exports; it is recorded.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, as it is recorded.")] = "asked by the person",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write everything that is held about one person as JSON and CSV, and as rows that custlog import takes."""
    chosen = Home.at(home)
    with open_history(chosen) as history:
        life = replay.life(history, history.customer(customer), None)
        members = tuple(sorted(life.customers))
        others = history.sources(related(life.events) - set(members))
        held = Held(life, members, tuple(history.reads(members)), others)
    rows = len(held.values())
    asked = exporting.asked_by(user, PURPOSE, "EXPORT subject")
    # Recorded first: an export that cannot be recorded does not leave.
    watermark = asyncio.run(
        exporting.record(chosen, asked, Export("subject", rows, reason, members[0], others=members[1:]))
    )
    packed = pack(held.files(watermark, datetime.now(UTC)))
    try:
        output.write_bytes(packed)
    except OSError as error:
        raise EmbeddedError(f"The export cannot be written to {output}: {error.strerror}.") from None
    if as_json:
        print_json({"file": str(output), "values": rows, "customers": len(members), "watermark": watermark})
    else:
        STDOUT.print(
            f"Wrote {output}: {rows} values of {len(members)} customers, watermark {watermark}.", highlight=False
        )
