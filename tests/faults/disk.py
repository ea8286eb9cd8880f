"""A file system of its own, in memory, for the data of each server, so that it alone can become full."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.embedded.child import birth

SIZES: Mapping[str, int] = {"postgres": 3 << 30, "kafka": 2 << 30, "mongo": 3 << 30}
"""Server -> the largest size of its data; memory is taken only as it is used."""
_MARK = "custlog-faults"
_TRIES = 20


class Disk:
    """The folder of one server. `available` is False where nothing may be mounted: then it is an ordinary folder."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self._size = size
        self.available = False

    def mount(self) -> None:
        """Makes the folder a file system, if that is allowed and its data is not there already."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if any(self.folder.iterdir()):
            return
        options = f"size={self._size},mode=0755,nosuid,nodev"
        self.available = _run("mount", "-t", "tmpfs", "-o", options, _source(), str(self.folder))

    def unmount(self) -> None:
        """The data is lost, also if somebody still uses it."""
        if self.available:
            self.available = not _run("umount", "-l", str(self.folder))

    def fill(self) -> int:
        """Leaves no free byte; answers how many there were. Raises OSError if the kernel refuses."""
        # A smaller file system and a fuller one look the same to those who write, and this one takes no memory.
        free = self.left()
        for _ in range(_TRIES):
            found = os.statvfs(self.folder)
            used = (found.f_blocks - found.f_bfree) * found.f_frsize
            if _run("mount", "-o", f"remount,size={max(used, found.f_frsize)}", str(self.folder)):
                return free
        raise OSError(f"{self.folder} could not be filled")

    def free(self) -> None:
        """As much room as at first."""
        if self.available:
            _run("mount", "-o", f"remount,size={self._size}", str(self.folder))

    def left(self) -> int:
        """Free bytes."""
        found = os.statvfs(self.folder)
        return found.f_bfree * found.f_frsize


def unmount_leftovers() -> None:
    """Lets go of the file systems of harnesses that were killed."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        source, folder = line.split()[:2]
        mark, _, owner = source.partition(":")
        if mark == _MARK and not _lives(*owner.split(":")):
            _run("umount", "-l", folder.encode().decode("unicode_escape"))


def _source() -> str:
    return f"{_MARK}:{os.getpid()}:{int(birth(os.getpid()) or 0)}"


def _lives(pid: str, born: str) -> bool:
    found = birth(int(pid))
    return found is not None and abs(found - int(born)) < 2


def _run(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0
    except FileNotFoundError:
        return False
