"""The crash points that the code names are the ones that are described, and one process dies of each."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from shared import crash

ROOT = Path(__file__).parents[2]
CRASH = "from shared.crash import crash_here; crash_here('relay.after_read'); print('alive')"


def _named(folder: str) -> Iterator[str]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("crash_here"):
                (name,) = node.args
                assert isinstance(name, ast.Constant), f"{path}:{node.lineno} must name its point by a literal"
                assert isinstance(name.value, str)
                yield name.value


def _run(folder: Path | None) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "CUSTLOG_CRASH_FOLDER"}
    if folder is not None:
        env["CUSTLOG_CRASH_FOLDER"] = str(folder)
    return subprocess.run([sys.executable, "-c", CRASH], env=env, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_crash_point_of_the_code_is_described_and_stands_at_one_place() -> None:
    named = [name for folder in ("services", "shared", "deploy") for name in _named(folder)]

    assert sorted(named) == sorted(crash.POINTS)


def test_one_process_dies_of_a_file_in_the_crash_folder(tmp_path: Path) -> None:
    (tmp_path / "relay.after_read").touch()

    first, second = _run(tmp_path), _run(tmp_path)

    assert (first.returncode, first.stdout) == (crash.EXIT_CODE, "")
    assert (second.returncode, second.stdout) == (0, "alive\n")
    assert not list(tmp_path.iterdir())


def test_without_a_crash_folder_nothing_happens(tmp_path: Path) -> None:
    (tmp_path / "relay.after_read").touch()

    assert _run(None).returncode == 0
