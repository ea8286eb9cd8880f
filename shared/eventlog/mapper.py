"""Between contracts and stored bytes: canonical JSON, sealed personal fields, explicit types.

Canonical JSON here: keys sorted, no white space, UTF-8, no floats (money and measures are decimal strings), times
as RFC 3339 UTC with microseconds. Stored bytes are what Kafka carries and what proofs hash; nobody writes them twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal

import msgspec
import orjson

from shared.events.catalogue import decode as decode_data
from shared.events.envelope import ERASED, Actor, Cause, Contract, Recorded, SealedPart
from shared.privacy.sealing import DataKey, associated_data, seal, unseal

ERASED_JSON = ERASED.model_dump(mode="json")


class ActorRecord(msgspec.Struct, frozen=True, gc=False):
    id: str
    kind: Literal["user", "service", "import", "rule"]


class Record(msgspec.Struct, frozen=True):
    """A stored event, parsed but still sealed."""

    id: str
    type: str
    v: int
    log: str
    stream: str
    seq: int
    recorded_at: str
    occurred_at: str
    actor: ActorRecord
    channel: str
    purpose: str
    command: str
    correlation: str
    causation: str
    depth: int
    customer: str
    data: dict[str, Any]
    sealed: dict[str, SealedPart]


_decoder = msgspec.json.Decoder(Record)

DecodeError = msgspec.DecodeError
"""The bytes are no record of ours. Fate: park."""


def parse(stored: bytes) -> Record:
    """The record inside stored bytes, still sealed. Raises DecodeError (park)."""
    return _decoder.decode(stored)


def encode(
    event: Contract,
    cause: Cause,
    *,
    event_id: str,
    log: str,
    stream: str,
    seq: int,
    customer: str,
    recorded_at: str,
    occurred_at: str,
    keys: Mapping[str, DataKey],
) -> bytes:
    """The canonical bytes of one event, personal fields sealed with the customer's key.

    Raises KeyError when an event has personal fields and its subject no key (the caller checked before).
    """
    data = event.model_dump(mode="json", exclude_none=True)
    personal = {name: data.pop(name) for name in event.SEALED if name in data}
    personal = {name: value for name, value in personal.items() if value not in ([], {})}
    sealed: dict[str, Any] = {}
    if personal:
        part = seal(keys[customer], personal, associated_data(log, stream, seq, event.TYPE, customer))
        sealed[customer] = {"key": part.key, "nonce": part.nonce, "ct": part.ct, "fields": part.fields}
    return orjson.dumps(
        {
            "id": event_id,
            "type": event.TYPE,
            "v": event.VERSION,
            "log": log,
            "stream": stream,
            "seq": seq,
            "recorded_at": recorded_at,
            "occurred_at": occurred_at,
            "actor": {"id": cause.actor.id, "kind": cause.actor.kind},
            "channel": cause.channel,
            "purpose": cause.purpose,
            "command": cause.command,
            "correlation": cause.correlation,
            "causation": cause.causation,
            "depth": cause.depth,
            "customer": customer,
            "data": data,
            "sealed": sealed,
        },
        option=orjson.OPT_SORT_KEYS,
    )


@lru_cache(maxsize=4096)
def _actor(account: str, kind: Literal["user", "service", "import", "rule"]) -> Actor:
    return Actor.model_construct(id=account, kind=kind)


def subjects(records: Iterable[Record]) -> set[str]:
    """Whose keys are needed to open these records."""
    return {subject for record in records for subject in record.sealed}


def open_record(record: Record, keys: Mapping[str, DataKey], position: int | None = None) -> Recorded:
    """The event with its personal fields, or `Erased` where the subject has no key any more or the record was blanked.

    Raises UnknownEvent, ValidationError or BadSeal: park.
    """
    data = record.data
    if record.sealed:
        data = dict(data)
        for subject, part in record.sealed.items():
            key = keys.get(subject)
            if key is None or not part.ct:
                data.update(dict.fromkeys(part.fields, ERASED_JSON))
            else:
                place = associated_data(record.log, record.stream, record.seq, record.type, subject)
                data.update(unseal(key, part, place))
    return Recorded(
        id=record.id,
        type=record.type,
        version=record.v,
        log=record.log,
        stream=record.stream,
        seq=record.seq,
        recorded_at=record.recorded_at,
        occurred_at=record.occurred_at,
        actor=_actor(record.actor.id, record.actor.kind),
        channel=record.channel,
        purpose=record.purpose,
        command=record.command,
        correlation=record.correlation,
        causation=record.causation,
        depth=record.depth,
        customer=record.customer,
        data=decode_data(record.type, record.v, data),
        sealed=record.sealed,
        position=position,
    )
