"""Replacing a small file so that nobody ever sees, and no crash ever leaves, a part of it."""

import os
import secrets
from pathlib import Path

_DRAFT = ".draft"


def replace(path: Path, content: bytes, mode: int = 0o600) -> None:
    """The file holds the content, on disk, when this returns; whoever reads meanwhile gets the old or the new one.

    Raises OSError; the file is then the old one, or, if only its folder could not be written, either.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}{_DRAFT}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove_drafts(folder: Path) -> None:
    """Removes what processes that were killed have left. Call it only while nobody else writes there."""
    for draft in folder.glob(f".*{_DRAFT}"):
        draft.unlink(missing_ok=True)
