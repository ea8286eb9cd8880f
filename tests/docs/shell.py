"""One bash for all commands of a document, as a reader types them one after the other."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# A reader sees a command fail: so do we, whichever line of a block it is.
_RUN = """
FAILED=
set -o pipefail
trap 'FAILED="$BASH_COMMAND"' ERR
. {script} > {output} 2>&1
trap - ERR
printf '%s' "$FAILED" > {failed}
echo done
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a block printed, and the command of it that failed (empty if none did)."""

    output: str
    failed: str


class Shell:
    """Variables, functions and the folder stay from block to block."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._scratch = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, commands: str) -> Ran:
        """Runs a block to its end. AssertionError if it ends the shell."""
        scratch = Path(self._scratch.name)
        files = {name: scratch / name for name in ("script", "output", "failed")}
        files["script"].write_text(commands)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(_RUN.format(**files))
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n", f"the shell ended: {files['output'].read_text()}"
        return Ran(files["output"].read_text(), files["failed"].read_text())

    def close(self) -> None:
        """Ends the shell and all that it started."""
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.communicate()
        self._scratch.cleanup()
