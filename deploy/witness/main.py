"""The process of a witness: `python -m deploy.witness.main --folder FOLDER --logs FOLDER --port PORT`."""

import argparse
import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from deploy.witness.api import create_app
from deploy.witness.identity import open_witness
from deploy.witness.memory import Memory
from deploy.witness.witness import Witness
from shared.audit.keys import log_keys
from shared.audit.note import BadKey
from shared.clock import SystemClock
from shared.log import configure

STOP_SECONDS = 5


class WitnessRuns(Exception):
    """Another process is the witness of this folder. Fate: this one stops: two could sign two histories."""


def serve(folder: Path, logs: Path, host: str, port: int) -> None:
    """Runs until SIGTERM or SIGINT. Raises BadKey, OSError or WitnessRuns if it cannot begin."""
    with _locked(folder):
        cosigner = open_witness(folder)
        log_keys(logs)  # what is wrong there shall be said now
        witness = Witness(cosigner, Memory(folder, cosigner.key), logs, SystemClock())
        uvicorn.run(
            create_app(witness),
            host=host,
            port=port,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_SECONDS,
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WitnessRuns(f"a witness runs on {folder} already") from None
        yield


def main() -> None:
    """Exits with 2 and a sentence if it cannot begin."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="the witness's own folder, made before")
    parser.add_argument("--logs", type=Path, required=True, help="folder with the logs' verifier keys, *.pub")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    configure("witness", "INFO")
    try:
        serve(arguments.folder, arguments.logs, arguments.host, arguments.port)
    except (BadKey, OSError, WitnessRuns) as wrong:
        sys.stderr.write(f"ERROR: the witness cannot begin: {wrong}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
