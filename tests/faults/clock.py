"""A wall clock per service that jumps on command, by libfaketime. Durations (the monotonic clock) stay true."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import psutil

FOLDER = "CUSTLOG_FAULTS_CLOCKS"
"""The variable that names the folder of the services' clocks; without it they have the machine's."""
LIBRARY = "vendor/libfaketime/src/libfaketime.so.1"


def variables(service: str, folder: Path | None = None) -> dict[str, str]:
    """The environment of a service whose clock can be moved; nothing where the clocks are the machine's."""
    given = folder or os.environ.get(FOLDER)
    if not given:
        return {}
    return {
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(file_of(Path(given), service)),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_CACHE_DURATION": "1",
    }


def move(folder: Path, service: str, seconds: float) -> None:
    """Lets the clock of a service stand `seconds` before or behind the machine's; it takes up to two seconds."""
    new = file_of(folder, service).with_suffix(".new")
    new.write_text(f"{seconds:+.3f}\n")
    new.replace(file_of(folder, service))


def library() -> Path | None:
    """libfaketime's library, None if it is not installed."""
    spec = find_spec("libfaketime")
    if spec is None or spec.origin is None:
        return None
    found = Path(spec.origin).parent / LIBRARY
    return found if found.exists() else None


def remove_leftovers() -> None:
    """Removes what the library keeps in shared memory of processes that were killed."""
    for found in (*Path("/dev/shm").glob("faketime_shm_*"), *Path("/dev/shm").glob("sem.faketime_sem_*")):
        if not psutil.pid_exists(int(found.name.rpartition("_")[2])):
            found.unlink(missing_ok=True)


def file_of(folder: Path, service: str) -> Path:
    return folder / f"{service}.clock"
