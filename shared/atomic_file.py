"""Writing a small file so that nobody ever sees, and no crash ever leaves, a part of it."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import orjson

_DRAFT = ".draft"


def replace(path: Path, content: bytes, mode: int = 0o600) -> None:
    """The file holds the content, on disk, when this returns; whoever reads meanwhile gets the old or the new one.

    Raises OSError; the file is then the old one, or, if only its folder could not be written, either.
    """
    with replacing(path, mode) as file:
        file.write(content)


def replace_json(path: Path, content: object) -> None:
    """`replace` by JSON, a value to a line, for the owner only; the folder is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


@contextmanager
def replacing(path: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """`replace` for content that is made piece by piece: the file is there when the block has ended well.

    Raises OSError; the file is then the old one, or, if only its folder could not be written, either.
    """
    draft = _draft(path)
    try:
        with _open(draft, mode) as file:
            yield file
            _sync(file)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def create_once(path: Path, content: bytes, mode: int = 0o600) -> None:
    """The file holds the content, on disk, unless there was one: of several processes the first one's stays.

    Raises OSError.
    """
    draft = _draft(path)
    try:
        _write(draft, content, mode)
        # A link, unlike a rename, never replaces what another process has put there.
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """The names in the folder are on disk when this returns. Raises OSError."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def remove_drafts(folder: Path) -> None:
    """Removes what processes that were killed have left. Call it only while nobody else writes there."""
    for draft in folder.glob(f".*{_DRAFT}"):
        draft.unlink(missing_ok=True)


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}{_DRAFT}")


def _write(draft: Path, content: bytes, mode: int) -> None:
    with _open(draft, mode) as file:
        file.write(content)
        _sync(file)


def _open(draft: Path, mode: int) -> BinaryIO:
    file = os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    # The mode that was asked for, whatever the umask of the process is.
    os.fchmod(file.fileno(), mode)
    return file


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
