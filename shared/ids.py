"""Ids: time-ordered random ones (UUID version 7) and ones derived from what they name (UUID version 5)."""

import hashlib
import os
import re
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

_NAMESPACE = uuid.UUID("6f0b1f0e-5d0b-5b8e-9a53-0c0f6a7f3c21")
_BEGINNING = _NAMESPACE.bytes
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COUNTER_BITS = 42
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
"""The variant of RFC 9562 in place of two bits of a hexadecimal digit."""
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VERSION_AND_VARIANT = (7 << 76) | (2 << 62)


class _Source:
    """Milliseconds and a counter of 42 bits, seeded at random in each new millisecond (RFC 9562, 6.2 method 1).

    The 32 bits of noise behind them are drawn with the seed: ids of one millisecond differ by the counter.
    """

    def __init__(self) -> None:
        self._begin()
        # A child begins with noise of its own, or it would go on with its parent's ids.
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._ms = 0
        self._counter = 0
        self._noise = 0

    def next(self) -> int:
        ms = time.time_ns() // 1_000_000
        with self._lock:
            if ms > self._ms:
                noise = int.from_bytes(os.urandom(10))
                self._ms, self._noise = ms, noise & 0xFFFFFFFF
                # The top bit stays free, so that a burst within one millisecond cannot overflow.
                self._counter = (noise >> 32) & ((1 << (_COUNTER_BITS - 1)) - 1)
            else:
                # The machine's clock may stand or go back: ids go on from the last one.
                self._counter += 1
                if self._counter >> _COUNTER_BITS:
                    self._ms += 1
                    self._counter = 0
            ms, counter, noise = self._ms, self._counter, self._noise
        high, low = counter >> 30, counter & 0x3FFFFFFF
        return (ms << 80) | (high << 64) | (low << 32) | noise | _VERSION_AND_VARIANT


_SOURCE = _Source()


def uuid7() -> str:
    """A new UUID version 7 in lower-case text. Within one process each is greater than the one before."""
    text = f"{_SOURCE.next():032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def timestamp_of(uuid7_id: str) -> datetime:
    """The instant, to the millisecond, at which a UUID version 7 was made. ValueError if it is anything else."""
    value = uuid.UUID(uuid7_id)
    if value.version != 7:
        raise ValueError(f"{value} is not a UUID version 7, so it carries no time.")
    return _EPOCH + timedelta(milliseconds=value.int >> 80)


def derive(*parts: str) -> str:
    """The UUID version 5 of `parts`: same parts, same id, for ever. Never derive from personal data."""
    name = "".join([f"{len(part)}:{part}" for part in parts])
    # What uuid.uuid5 does, without an object of its class: this is called several times per imported row.
    text = hashlib.sha1(_BEGINNING + name.encode(), usedforsecurity=False).hexdigest()
    variant = _VARIANT[text[16]]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


def is_uuid(text: str) -> bool:
    """True if `text` is a UUID in canonical form: 36 characters, lower case, with hyphens."""
    return _UUID.fullmatch(text) is not None
