"""The folder of one run: what the storm, its load and the checker tell each other, as JSON lines."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson


class Lines:
    """A file of JSON lines, each one written through at once: it survives the end of this process."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("ab", buffering=0)

    def write(self, line: Mapping[str, Any]) -> None:
        self._file.write(orjson.dumps(line) + b"\n")

    def close(self) -> None:
        self._file.close()


@dataclass
class RunFolder:
    """One run and its clock, which starts now: `now()` is in seconds and never jumps."""

    path: Path
    _began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)

    def now(self) -> float:
        return round(time.monotonic() - self._began, 3)

    def lines(self, name: str) -> Lines:
        return Lines(self.path / f"{name}.jsonl")

    def write(self, name: str, content: Any) -> None:
        (self.path / f"{name}.json").write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")

    def read(self, name: str) -> Any:
        return orjson.loads((self.path / f"{name}.json").read_bytes())

    def read_lines(self, name: str) -> list[Any]:
        return read_lines(self.path / f"{name}.jsonl")


def read_lines(path: Path) -> list[Any]:
    """All whole lines of a file, none if it is missing; a run that was killed may have left a torn last one."""
    if not path.exists():
        return []
    return [orjson.loads(line) for line in path.read_bytes().split(b"\n")[:-1] if line]
