"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", envvar="CUSTLOG_HOME", help="Data folder of the system; its keys lie beside it in HOME-keys."
    ),
]
UserOption = Annotated[str | None, typer.Option("--user", help="Account that does it; yours by default.")]
UserTokenOption = Annotated[
    str, typer.Option("--token", envvar="CUSTLOG_TOKEN", help="Token of that account, instead of a local one.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
