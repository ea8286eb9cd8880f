"""A peer as a program of its own: told what to do by one JSON object a line, answering in the same way.

So a store of another language runs in that language's own client, and none shares a process with the bench.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from abc import ABC, abstractmethod
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.embedded import launch
from deploy.embedded.home import PROJECT
from tests.bench.peers.peer import Appended, Missing, Raced
from tests.bench.stand import Stand

FOLDER = PROJECT / ".peers"
PROGRAMS = Path(__file__).with_name("programs")
_ANSWER_BYTES = 1_048_576
_PATIENCE_SECONDS = 120
_STOP_SECONDS = 20
_SIGKILL = "9"


class Program(ABC):
    """A Peer that is a program. It ends when its standard input does, and with the bench."""

    name: str
    what: str
    bundled = True

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}
        self._process: Process | None = None
        self._words: Path | None = None

    @abstractmethod
    def command(self) -> Sequence[str]:
        """The program and its arguments; the first is a path."""

    def install(self) -> None:  # noqa: B027 - nothing is missing of a bundled peer
        """Fetch what is not here yet. Raises Missing."""

    def options(self, stand: Stand) -> Mapping[str, Any]:
        """What it is told at its start besides the sample."""
        return {"url": stand.database("peer")}

    async def start(self, stand: Stand, sample: dict[str, Any]) -> None:
        self._words = stand.folder / f"{self.name.replace(' ', '-')}.log"
        command = [sys.executable, "-IS", launch.__file__, str(os.getpid()), _SIGKILL, "-1", "-1", *self.command()]
        with self._words.open("ab") as words:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, stderr=words, cwd=PROJECT, limit=_ANSWER_BYTES
            )
        self.versions = (await self._ask("open", 0, sample=sample, **self.options(stand)))["versions"]

    async def append(self, callers: int, per_commit: int, seconds: float) -> Appended:
        done = await self._ask("append", seconds, callers=callers, per_commit=per_commit)
        return Appended(done["events"] / done["seconds"], done["p50_ms"], done["p99_ms"])

    async def fill(self, lengths: Sequence[int]) -> None:
        await self._ask("fill", 0, lengths=lengths)

    async def load(self, length: int, times: int) -> float:
        return float((await self._ask("load", 0, length=length, times=times))["p50_ms"])

    async def read_all(self) -> float:
        done = await self._ask("read_all", 0)
        return float(done["events"] / done["seconds"])

    async def live(self, events: int, seconds: float) -> Appended:
        done = await self._ask("live", seconds, events=events)
        return Appended(0.0, done["p50_ms"], done["p99_ms"])

    async def race(self, writers: int, seconds: float) -> Raced:
        return Raced(**await self._ask("race", seconds, writers=writers))

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _ask(self, operation: str, seconds: float, **more: Any) -> dict[str, Any]:
        if self._process is None or self._process.stdin is None or self._process.stdout is None:
            raise Missing(f"{self.name} does not run")
        request = {"op": operation, **({"seconds": seconds} if seconds else {}), **more}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS + 4 * seconds):
                line = await self._process.stdout.readline()
        except TimeoutError:
            self._process.kill()
            raise Missing(f"{operation} did not end; {self._last_words()}") from None
        if not line:
            raise Missing(f"its program ended at {operation}; {self._last_words()}")
        answer = json.loads(line)
        if "missing" in answer:
            raise Missing(answer["missing"])
        return dict(answer)

    def _last_words(self) -> str:
        said = self._words.read_text(errors="replace").strip().replace(str(PROJECT), ".") if self._words else ""
        return f"its last words: {said[-300:]}" if said else "it said nothing"
