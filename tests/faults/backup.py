"""The backup that a storm makes and later brings back, with the operator's own commands."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.history import open_history
from tests.faults.stand import Stand

SECONDS = 120
ATTEMPTS = 4
PAUSE_SECONDS = 3


@dataclass
class Backups:
    """One backup in a folder outside the system's own."""

    folder: Path
    home: Home
    _heads: dict[str, int] = field(default_factory=dict)
    _made_at: float = 0.0

    async def make(self, at: float) -> dict[str, int]:
        """A backup of the running system; answers at least how far each log reached when it began."""
        with open_history(self.home) as history:
            self._heads = history.heads()
        self._made_at = at
        await asyncio.to_thread(self._make)
        return self._heads

    def _make(self) -> None:
        """Made again, as an operator would, where another fault has just taken a server away."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _custlog("backup", "--home", str(self.home.data), "--to", str(self.folder))
            except RuntimeError:
                if attempt == ATTEMPTS:
                    raise
                time.sleep(PAUSE_SECONDS)
            else:
                return

    def restore(self, stand: Stand) -> dict[str, Any]:
        """Stops the system, brings the backup back, starts the system. Blocks; call it in the main thread."""
        stand.stop()
        try:
            _custlog("restore", str(self.folder), "--home", str(self.home.data))
        finally:
            refused = _start(stand)
        return {"heads": self._heads, "backup_at": self._made_at, "refused_to_start": refused}


def _start(stand: Stand) -> list[str]:
    """Starts the system, again where another storm on this machine was quicker to take a port; what refused before.

    A system that stayed down would look like one that never comes to rest.
    """
    refused: list[str] = []
    while True:
        try:
            stand.start()
        except EmbeddedError as error:
            refused.append(str(error)[:300])
            if len(refused) == ATTEMPTS:
                raise
        else:
            return refused


def _custlog(*arguments: str) -> None:
    command = [sys.executable, "-c", "from deploy.cli import main; main()", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    if done.returncode != 0:
        raise RuntimeError(f"custlog {arguments[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
