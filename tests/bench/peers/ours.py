"""Our own log, as a program like its peers."""

from __future__ import annotations

import base64
import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from shared.eventlog.mapper import encode
from tests.bench import commands
from tests.bench.peers.program import Program
from tests.bench.stand import Stand

_THEN = "2026-01-01T00:00:00.000000Z"


def sample() -> dict[str, Any]:
    """An order as our log stores it: what every peer writes as an event's content."""
    commit = commands.order(0)
    (append,) = commit.appends
    stored = encode(
        append.events[0],
        commit.cause,
        event_id=commit.cause.command,
        log="customer",
        stream=append.stream,
        seq=1,
        customer=append.customer,
        recorded_at=_THEN,
        occurred_at=_THEN,
        keys={},
    )
    made: dict[str, Any] = orjson.loads(stored)
    return made


class Ours(Program):
    name = "ours"
    what = "Log.commit, one command a commit"

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "tests.bench.peers.programs.ours"]

    def options(self, stand: Stand) -> Mapping[str, Any]:
        keys = stand.folder / f"kek-{uuid.uuid4().hex[:8]}.json"
        keys.write_bytes(orjson.dumps({"current": 1, "keys": {"1": base64.b64encode(os.urandom(32)).decode()}}))
        return {**super().options(stand), "keyring": stand.database("keyring"), "keys": str(keys)}


class Many(Ours):
    name = "ours, commit_many"
    what = "Log.commit_many: each event of a commit is a command of its own, with its own answer"

    def options(self, stand: Stand) -> Mapping[str, Any]:
        return {**super().options(stand), "many": True}
