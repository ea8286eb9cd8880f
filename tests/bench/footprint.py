"""What a system holds: memory of its processes, bytes on its disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import psycopg

from deploy.embedded.home import Home, State
from deploy.history import database_url
from shared.mongo import connect

_TABLES = """
SELECT coalesce(sum(pg_table_size(oid)), 0)::bigint, coalesce(sum(pg_indexes_size(oid)), 0)::bigint
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"""
_EVENTS = "SELECT coalesce(max(notification_id), 0) FROM events"
LOGS = ("customer", "identity", "notifications")


def memory(state: State) -> dict[str, float]:
    """Process -> MB with its children, memory that several share counted once."""
    running = {**state.servers, **state.services}
    return {name: round(_proportional(entry.pid) / 2**20, 1) for name, entry in running.items() if entry.pid}


def _proportional(pid: int) -> int:
    total = 0
    process = psutil.Process(pid)
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total


def events(state: State) -> dict[str, int]:
    """Log -> number of its events."""
    found = {}
    for log in LOGS:
        with psycopg.connect(database_url(state.servers["postgres"].url, log)) as connection:
            row = connection.execute(_EVENTS).fetchone()
        found[log] = int(row[0]) if row else 0
    return found


async def disk(home: Home, state: State, database: str = "custlog") -> dict[str, int]:
    """Bytes by what holds them: every database of PostgreSQL, the topics, every view that is read now."""
    held: dict[str, int] = {}
    for name in (*LOGS, "keyring"):
        with psycopg.connect(database_url(state.servers["postgres"].url, name)) as connection:
            row = connection.execute(_TABLES).fetchone()
        held[f"postgres {name} tables"], held[f"postgres {name} indexes"] = row or (0, 0)
    topics = (home.data / "kafka" / "data").glob("*.events-*")
    held["kafka topics"] = sum(_allocated(folder) for folder in topics)
    mongo = connect(state.servers["mongo"].url)
    try:
        # Files grow when MongoDB next writes its checkpoint.
        await mongo.database("admin").command("fsync")
        views = mongo.database(database)
        for alias in await views["aliases"].find({}).to_list(None):
            stats: dict[str, Any] = await views.command("collStats", alias["active"])
            held[f"mongo {alias['_id']} documents"] = int(stats["storageSize"])
            held[f"mongo {alias['_id']} indexes"] = int(stats["totalIndexSize"])
    finally:
        await mongo.close()
    return held


def _allocated(folder: Path) -> int:
    # Kafka allots its indexes in advance; what is not written takes no block.
    return sum(file.stat().st_blocks * 512 for file in folder.iterdir() if file.is_file())
