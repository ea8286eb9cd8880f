"""Sealing of personal fields: AES-256-GCM with one data key per subject.

The associated data binds a sealed part to its place (log, stream, seq, type, subject), so that it cannot be
moved into another event. Who has no key gets nothing; there is no plaintext fallback.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.events.envelope import SealedPart

NONCE_BYTES = 12


class BadSeal(Exception):
    """A sealed part does not open with its subject's key: it was altered or moved. Fate: park and alarm."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """A subject's open data key. Held for one batch of work, never longer; its value is in no repr."""

    subject: str
    version: str
    cipher: AESGCM = field(repr=False)


def associated_data(log: str, stream: str, seq: int, event_type: str, subject: str) -> bytes:
    return f"{log}|{stream}|{seq}|{event_type}|{subject}".encode()


def seal(key: DataKey, fields: dict[str, Any], place: bytes) -> SealedPart:
    """The fields (JSON values) as one sealed part."""
    nonce = os.urandom(NONCE_BYTES)
    text = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
    return SealedPart(
        key=key.version,
        nonce=b64encode(nonce).decode(),
        ct=b64encode(key.cipher.encrypt(nonce, text, place)).decode(),
        fields=tuple(sorted(fields)),
    )


def unseal(key: DataKey, part: SealedPart, place: bytes) -> dict[str, Any]:
    """The fields of a sealed part. Raises BadSeal when it was altered, moved, or sealed with another key."""
    try:
        text = key.cipher.decrypt(b64decode(part.nonce), b64decode(part.ct), place)
    except (InvalidTag, ValueError) as error:
        raise BadSeal(f"the sealed part of subject {key.subject} does not open at {place.decode()}") from error
    fields: dict[str, Any] = orjson.loads(text)
    return fields
