"""UmaDB: an event store with an engine of its own (Rust, group commit), server and client from one Python package."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.peers import install
from tests.bench.peers.program import Program
from tests.bench.stand import Stand


class Uma(Program):
    name = "UmaDB"
    what = "Client.append of tagged events, no condition; one server with its defaults, client threads in one process"
    bundled = False

    def command(self) -> Sequence[str]:
        return [str(self._python), "-m", "tests.bench.peers.programs.umadb"]

    def install(self) -> None:
        self._python: Path = install.python()

    def options(self, stand: Stand) -> Mapping[str, Any]:
        folder = stand.folder / f"umadb-{uuid.uuid4().hex[:8]}"
        folder.mkdir()
        return {"server": str(self._python.with_name("umadb")), "folder": str(folder)}
