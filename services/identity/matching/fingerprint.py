"""The blind index: blocking keys as keyed digests, so that what is stored tells nothing without the key."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from services.identity.matching.keys import index_keys
from services.identity.matching.record import Normal

BYTES = 16

KINDS: Mapping[str, int] = MappingProxyType(
    {
        "id": 1,
        "phone": 2,
        "email": 3,
        "name": 4,
        "word-day": 5,
        "word-postcode": 6,
        "word-road": 7,
        "birth": 8,
        "door": 9,
        "company": 10,
        "head-place": 11,
        "word-phone": 12,
    }
)
"""The kinds of keys that the service keeps, by the number that stands in its table: never give one to another kind.

Whoever adds a kind, or has a kind made in another way, gives FORM its next number.
"""

FORM = 2
"""The number of this way to make keys: customers that were stored with another are indexed anew (see indexing.py)."""

_NAMES: Mapping[int, str] = MappingProxyType({number: name for name, number in KINDS.items()})

Evidence: TypeAlias = dict[bytes, int]
"""Digest of a key -> number of its kind."""


def kind_of(number: int) -> str:
    """The kind with this number, for explanations; the number itself of one that this build does not know."""
    return _NAMES.get(number, str(number))


def fingerprints(key: bytes) -> Callable[[Normal], Evidence]:
    """From a record to the digests of its keys: HMAC-SHA256 under `key`, cut to 16 bytes.

    Raises ValueError (stop) for a key that protects nothing.
    """
    if len(key) < BYTES:
        raise ValueError("the blind index needs the key that the key-encryption key file gives")

    def of(normal: Normal) -> Evidence:
        return {
            hmac.digest(key, text.encode(errors="surrogatepass"), "sha256")[:BYTES]: KINDS[text.partition(":")[0]]
            for text in index_keys(normal)
        }

    return of
