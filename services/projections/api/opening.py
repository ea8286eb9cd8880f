"""Sealed parts of documents, opened for one answer with one query of the keyring."""

import asyncio
from collections.abc import Iterable
from typing import Any

from services.projections.views.values import Opened
from services.projections.views.view import Document
from shared.events.envelope import SealedPart
from shared.privacy.keyring import Keyring
from shared.privacy.sealing import associated_data, unseal


async def open_parts(keyring: Keyring, parts: Iterable[Document]) -> Opened:
    """Raises Unavailable if the keyring does not answer, BadSeal if a part was altered; never tells less silently."""
    wanted = list(parts)
    if not wanted:
        return {}
    return await asyncio.to_thread(_open, keyring, wanted)


def _open(keyring: Keyring, parts: list[Document]) -> Opened:
    keys = keyring.fetch({part["subject"] for part in parts})
    opened: dict[str, dict[str, Any]] = {}
    for part in parts:
        key = keys.get(part["subject"])
        if key is not None and part["ct"]:
            place = associated_data(part["log"], part["stream"], part["seq"], part["type"], part["subject"])
            sealed = SealedPart(part["key"], part["nonce"], part["ct"], tuple(part["fields"]))
            opened.setdefault(part["event"], {}).update(unseal(key, sealed, place))
    return opened
