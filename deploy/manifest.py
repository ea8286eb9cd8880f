"""Checks a base backup against the manifest that PostgreSQL wrote with it.

In the place of pg_verifybackup, which ends with a segmentation fault in the package that the servers come from.
"""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

from deploy.embedded.errors import EmbeddedError
from deploy.embedded.postgres import binary

_CHUNK = 1024 * 1024
_LAST = b'"Manifest-Checksum"'


def verify(backup: Path) -> None:
    """Reads every file once. EmbeddedError names the first that is missing or differs, or says what the WAL lacks."""
    manifest = _manifest(backup)
    for entry in manifest["Files"]:
        if "Path" not in entry:
            raise EmbeddedError(f"{backup} is no whole backup: it has a file whose name is no text.")
        _check_file(backup, entry)
    for part in manifest["WAL-Ranges"]:
        _check_wal(backup, part)


def _manifest(backup: Path) -> dict[str, Any]:
    try:
        content = (backup / "backup_manifest").read_bytes()
        manifest: dict[str, Any] = json.loads(content)
    except (OSError, ValueError):
        raise EmbeddedError(f"{backup} is no whole backup: its manifest is missing or cannot be read.") from None
    # The checksum is of all lines before its own.
    lines = content[: content.rindex(_LAST)]
    if hashlib.sha256(lines).hexdigest() != manifest["Manifest-Checksum"]:
        raise EmbeddedError(f"{backup} is no whole backup: its manifest was changed.")
    return manifest


def _check_file(backup: Path, entry: dict[str, Any]) -> None:
    digest = hashlib.sha256()
    try:
        with (backup / entry["Path"]).open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
            size = file.tell()
    except OSError as error:
        raise EmbeddedError(f"{backup} is no whole backup: {entry['Path']}: {error.strerror}.") from None
    if size != entry["Size"] or digest.hexdigest() != entry["Checksum"]:
        raise EmbeddedError(f"{backup} is no whole backup: {entry['Path']} is not what was written.")


def _check_wal(backup: Path, part: dict[str, Any]) -> None:
    command = [binary("pg_waldump"), "--quiet", f"--path={backup / 'pg_wal'}", f"--timeline={part['Timeline']}"]
    command += [f"--start={part['Start-LSN']}", f"--end={part['End-LSN']}"]
    read = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if read.returncode:
        raise EmbeddedError(f"{backup} is no whole backup: its write-ahead log cannot be read: {read.stderr.strip()}")
