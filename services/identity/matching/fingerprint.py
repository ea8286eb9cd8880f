"""The blind index: compound keys as keyed digests, so that what is stored tells nothing without the key."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import TypeAlias

from services.identity.matching.features import Features
from services.identity.matching.rules import compound_keys

BYTES = 16

Evidence: TypeAlias = dict[bytes, int]
"""Digest of a compound key -> number of the rule that made it."""


def fingerprints(key: bytes) -> Callable[[Features], Evidence]:
    """From features to their digests: HMAC-SHA256 under `key` over rule and compound key, cut to 16 bytes.

    Raises ValueError (stop) for a key that protects nothing.
    """
    if len(key) < BYTES:
        raise ValueError("the blind index needs the key that the key-encryption key file gives")

    def of(features: Features) -> Evidence:
        return {
            hmac.digest(key, f"{rule}\x1f{text}".encode(errors="surrogatepass"), "sha256")[:BYTES]: rule
            for rule, text in compound_keys(features)
        }

    return of
