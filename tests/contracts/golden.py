"""Golden files: one stored record of every event version ever written, and what it opens to.

`python -m tests.contracts.golden` adds the files of new versions. It never touches an existing file: a stored record
cannot be changed afterwards, so neither can its golden file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.eventlog.mapper import encode, open_record, parse
from shared.events.catalogue import LOGS
from shared.events.documents import JSON_STYLE
from shared.events.envelope import Actor, Cause, Contract, Recorded
from shared.privacy.sealing import DataKey
from tests.contracts.examples import EXAMPLES, ID

FOLDER = Path(__file__).parent / "golden"
CUSTOMER = ID(1)
KEYS = {CUSTOMER: DataKey(CUSTOMER, "1", AESGCM(bytes(range(32))))}
CAUSE = Cause(Actor(id="u1", kind="user"), "web", "service", ID(4), ID(5), ID(6), 1)
LOG_OF = {contract: log for log, contracts in LOGS.items() for contract in contracts}


def stored(event: Contract) -> bytes:
    """The example as the log stores it."""
    log = LOG_OF[type(event)]
    return encode(
        event,
        CAUSE,
        event_id=ID(7),
        log=log,
        stream=f"{event.TYPE.split('.')[0]}-{CUSTOMER}",
        seq=1,
        customer=CUSTOMER,
        recorded_at="2026-01-02T03:04:05.000006Z",
        occurred_at="2026-01-01T00:00:00.000000Z",
        keys=KEYS,
    )


def opened(record: bytes) -> Recorded:
    """The record with its personal fields."""
    return open_record(parse(record), KEYS)


def erased(record: bytes) -> Recorded:
    """The record after its subject's key was destroyed."""
    return open_record(parse(record), {})


def content(event: Contract) -> dict[str, Any]:
    """What the golden file of this example holds."""
    record = stored(event)
    return {"record": record.decode(), "opens_to": opened(record).data.model_dump(mode="json")}


def add_missing() -> list[str]:
    """Writes the golden files that do not exist yet."""
    added = []
    for event in EXAMPLES:
        file = FOLDER / f"{event.stored_type()}.json"
        if not file.exists():
            file.write_bytes(orjson.dumps(content(event), option=JSON_STYLE))
            added.append(file.name)
    return added


if __name__ == "__main__":
    add_missing()
