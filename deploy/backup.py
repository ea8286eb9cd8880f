"""Backups of the logs and the keyring: taken of the running system, checked, and put back while it is down.

FOLDER/postgres     a base backup of PostgreSQL, with the manifest that it is checked against
FOLDER/password     what PostgreSQL asks its clients for
FOLDER/backup.json  {"format": 1, "at": RFC 3339, "heads": {log: its last position or a later one}}

Topics and views are not in it: both are computed from the logs. The key-encryption keys are not in it either: whoever
has a backup alone can open no personal field.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from deploy.client import running_state
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.home import Home
from deploy.embedded.postgres import PostgresServer, binary
from deploy.history import open_history
from deploy.manifest import verify
from shared.atomic_file import replace_json
from shared.audit.keys import next_generation
from shared.audit.note import BadKey
from shared.clock import SystemClock
from shared.events.catalogue import LOGS
from shared.events.envelope import instant

FORMAT = 1
COMPUTED = ("kafka", "mongo")
"""Servers whose data the logs bring forth again."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup says of itself. The logs in it reach at least to `heads`."""

    format: int
    at: str
    heads: dict[str, int]


def take(home: Home, folder: Path, tell: Tell) -> Backup:
    """Make a backup of a running system in a new folder. EmbeddedError if that fails; nothing is left then."""
    if folder.exists() and any(folder.iterdir()):
        raise EmbeddedError(f"{folder} is not empty; name a new folder for the backup.")
    with open_history(home) as history:
        backup = Backup(FORMAT, instant(SystemClock().now()), history.heads())
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        _copy_postgres(home, folder / "postgres", tell)
        tell("Checking the backup")
        verify(folder / "postgres")
        shutil.copy(home.data / "postgres" / "password", folder / "password")
        replace_json(folder / "backup.json", asdict(backup))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return backup


def restore(home: Home, folder: Path, tell: Tell) -> Backup:
    """Put a backup in the place of the data of a system that is down; the next start computes topics and views.

    What PostgreSQL held is kept in `postgres/data.former`. Checkpoints are then signed under new origins.
    EmbeddedError if the backup is damaged or the system is up; nothing is changed then.
    """
    backup = _read(folder)
    tell("Checking the backup")
    verify(folder / "postgres")
    if not home.kek_file.exists():
        raise EmbeddedError(f"No backup holds the keys: put those of the system into {home.keys} first.")
    home.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with home.locked():
        postgres = PostgresServer(home.data / "postgres", log=home.logs / "postgres.log")
        tell("Copying the backup")
        postgres.bring_in(folder / "postgres")
        _sign_under_new_origins(home)
        tell("Putting it in the place of the present data")
        # First what can be computed again: a crash in between leaves a system that does so with the logs it has.
        for server in COMPUTED:
            shutil.rmtree(home.data / server / "data", ignore_errors=True)
        postgres.exchange((folder / "password").read_text())
        os.sync()
    return backup


def _sign_under_new_origins(home: Home) -> None:
    """The logs will grow otherwise than they did after the backup: no witness may take that for a second history."""
    if not (home.audit_keys / "origin").exists():
        return  # keys of an earlier version, or none yet: the next start makes them, with a new origin
    try:
        for log in LOGS:
            next_generation(home.audit_keys, log)
    except (BadKey, OSError) as error:
        raise EmbeddedError(f"The audit keys in {home.audit_keys} cannot be used: {error}.") from None


def _copy_postgres(home: Home, target: Path, tell: Tell) -> None:
    url = urlsplit(running_state(home).servers["postgres"].url)
    command = [binary("pg_basebackup"), "--pgdata", str(target), "--checkpoint=fast", "--wal-method=stream"]
    command += ["--manifest-checksums=SHA256", "--progress", "--no-password"]
    command += ["--host", str(url.hostname), "--port", str(url.port), "--username", str(url.username)]
    environment = {**os.environ, "PGPASSWORD": url.password or ""}
    last = ""
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        for line in process.stderr or ():
            # What went wrong stands before what was cleared away because of it.
            last = last if "error:" in last else line.strip() or last
            if "kB" in line:
                tell(f"Copying PostgreSQL: {line.strip().partition(',')[0]}")
    if process.returncode != 0:
        raise EmbeddedError(f"The backup was not made; PostgreSQL says: {last}")


def _read(folder: Path) -> Backup:
    try:
        content = json.loads((folder / "backup.json").read_text())
        backup = Backup(**content)
    except (OSError, ValueError, TypeError):
        raise EmbeddedError(f"{folder} holds no backup made by custlog backup.") from None
    if backup.format != FORMAT:
        raise EmbeddedError(f"{folder} holds a backup of format {backup.format}, this is custlog for {FORMAT}.")
    return backup
