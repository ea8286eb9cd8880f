"""A bundle of `custlog audit prove` that leaves: recorded with its SHA-256, for it carries no watermark."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections import defaultdict

import orjson

from deploy.embedded.home import Home
from deploy.exporting import record, shown
from deploy.trail.watermark import seal_of
from shared.access.exports import Export
from shared.access.journal import Access

PROVED = "audit.bundle"
DISCLOSED = "audit.bundle.disclosed"


def leave(home: Home, access: Access, customer: str, proof: bytes) -> str:
    """Records that the bundle leaves, and of whom it opens what; write it afterwards. Answers the export's watermark.

    Raises Unavailable (retry): then nothing may leave.
    """
    records, opened = contents(proof)
    what = PROVED if opened is None else DISCLOSED
    return asyncio.run(_record(home, access, Export(what, records, seal_of(proof), customer), opened or {}))


def contents(proof: bytes) -> tuple[int, dict[str, set[str]] | None]:
    """How many records a bundle has, and subject -> the fields that the keys in it open; None if it has no keys."""
    with zipfile.ZipFile(io.BytesIO(proof)) as bundle:
        names = bundle.namelist()
        leaves = [
            orjson.loads(line)
            for name in names
            if name.endswith("/events.jsonl")
            for line in bundle.read(name).splitlines()
        ]
        keys = orjson.loads(bundle.read("keys.json")) if "keys.json" in names else None
    if keys is None:
        return len(leaves), None
    opened: dict[str, set[str]] = defaultdict(set)
    for leaf in leaves:
        for subject, part in leaf["record"]["sealed"].items():
            if keys.get(subject) is not None:
                opened[subject].update(part["fields"])
    return len(leaves), dict(opened)


async def _record(home: Home, access: Access, leaving: Export, opened: dict[str, set[str]]) -> str:
    await shown(home, access, opened)
    return await record(home, access, leaving)
