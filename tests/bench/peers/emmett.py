"""Emmett's PostgreSQL event store (TypeScript), run by the machine's Node.js."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.bench.peers import install
from tests.bench.peers.program import Program


class Emmett(Program):
    name = "Emmett"
    what = "appendToStream with its default pool; live by its consumer, which polls by position and loses events"
    bundled = False

    def command(self) -> Sequence[str]:
        return [str(self._node), str(self._folder / "emmett.mjs")]

    def install(self) -> None:
        self._node: Path
        self._folder: Path
        self._node, self._folder = install.node()
