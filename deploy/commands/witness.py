"""`custlog witness`: a witness of logs, on a machine that is best not that of the logs."""

from pathlib import Path
from typing import Annotated

import typer

from deploy.embedded.errors import EmbeddedError
from deploy.witness.identity import make_witness
from deploy.witness.main import WitnessRuns, serve
from shared.audit.note import BadKey
from shared.log import configure


def witness(
    folder: Annotated[Path, typer.Option("--folder", help="Its key and what it remembers; made if it is not there.")],
    logs: Annotated[Path, typer.Option("--logs", exists=True, file_okay=False, help="The logs' .pub files.")],
    name: Annotated[str, typer.Option("--name", help="Its name, for ever, such as witness.example.")],
    port: Annotated[int, typer.Option("--port", min=1, max=65535)],
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Print the witness's verifier key, then cosign checkpoints of logs until Ctrl-C."""
    try:
        key = make_witness(folder, name)
        print(key, flush=True)
        configure("witness", "INFO")
        serve(folder, logs, host, port)
    except (BadKey, WitnessRuns) as wrong:
        raise EmbeddedError(f"The witness cannot begin: {wrong}.") from None
    except OSError as wrong:
        raise EmbeddedError(f"The witness cannot begin: {wrong.strerror} ({wrong.filename or folder}).") from None
