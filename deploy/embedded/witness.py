"""The witness of an embedded system, as a child process."""

import signal
import sys
from pathlib import Path

from deploy.embedded.child import Child
from deploy.embedded.home import PROJECT
from deploy.embedded.ports import LOOPBACK, lives
from deploy.embedded.server import Server


class WitnessProcess(Server):
    """Its folder, with its key and memory, is made by Home.prepare. `keys` holds the logs' verifier keys."""

    name = "witness"
    title = "Witness"
    stop_signal = signal.SIGTERM
    stop_seconds = 10
    start_seconds = 60

    def __init__(self, folder: Path, keys: Path, *, log: Path | None = None) -> None:
        super().__init__(folder, log=log)
        self._keys = keys

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        """Nothing is to be done."""

    def _spawn(self) -> Child:
        command = [sys.executable, "-m", "deploy.witness.main", "--folder", str(self.folder), "--logs", str(self._keys)]
        command += ["--host", LOOPBACK, "--port", str(self.port)]
        return Child(command, output=self.log, folder=PROJECT)

    def _answers(self) -> bool:
        return lives(self.port)
