"""A pickup directory: one JSON file per message, for whatever sends mail or letters on site.

The receiver reads `<message id>.json` and moves it into `taken/` beside it; a message found in either place is not
written again. Names that begin with a dot are unfinished and none of the receiver's business.
"""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import asdict
from pathlib import Path

import orjson

from services.notifications.channels.channel import Failure, Message, Receipt
from shared.atomic_file import sync_folder

TAKEN = "taken"

_CODES = {
    errno.ENOSPC: "no_space",
    errno.EDQUOT: "no_space",
    errno.EFBIG: "no_space",
    errno.EROFS: "not_writable",
    errno.EACCES: "not_writable",
    errno.EPERM: "not_writable",
    errno.ENOENT: "no_folder",
    errno.ENOTDIR: "no_folder",
}


class Spool:
    """Channel into a folder. A full disk, a missing folder or missing rights are failures to try again."""

    name = "spool"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self) -> None:
        """Creates the folder. Raises OSError (stop: the setting is wrong)."""
        (self._folder / TAKEN).mkdir(parents=True, exist_ok=True)

    async def send(self, message: Message) -> Receipt | Failure:
        """As Channel.send; the file is on the disk when it returns a Receipt."""
        try:
            await asyncio.to_thread(self._write, message)
        except OSError as error:
            return Failure(_CODES.get(error.errno or 0, "write_failed"))
        return Receipt(message.id)

    def _write(self, message: Message) -> None:
        name = f"{message.id}.json"
        if (self._folder / TAKEN / name).exists() or (self._folder / name).exists():
            return
        draft = self._folder / f".{name}.{os.urandom(4).hex()}"
        try:
            with draft.open("xb") as file:
                file.write(orjson.dumps(asdict(message), option=orjson.OPT_SORT_KEYS) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                # A link, unlike a rename, never replaces what another sender of the same message has put there.
                os.link(draft, self._folder / name)
            except FileExistsError:
                return
            sync_folder(self._folder)
        finally:
            draft.unlink(missing_ok=True)
