"""The key-encryption keys, in a file outside the data: what wraps data keys, and what digests are keyed with.

The file: `{"current": 2, "keys": {"1": "<32 bytes base64>", "2": ...}, "secrets": {"blind_index": "...", ...}}`.
A file without secrets has them derived from its oldest key; the first rotation writes them down, so that every key can
go some day and what was made with the secrets stays.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.atomic_file import replace
from shared.privacy.sealing import NONCE_BYTES

if TYPE_CHECKING:
    from pathlib import Path

_SECRETS = {"blind_index": b"custlog blind index v1", "command": b"custlog command digest v1"}
_STYLE = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


class UnknownKek(Exception):
    """A data key is wrapped by a key-encryption key that is not in the file. Fate: retry, once somebody put it back."""


@dataclass(frozen=True, slots=True)
class KeyEncryptionKeys:
    """The key-encryption keys by version; `current` wraps new data keys, all of them unwrap.

    `blind_index_key` and `command_key` key what is stored as digests; they outlive every rotation.
    """

    current: int
    ciphers: Mapping[int, AESGCM]
    blind_index_key: bytes = field(default=b"", repr=False)
    command_key: bytes = field(default=b"", repr=False)
    file: Path | None = None
    stamp: tuple[int, int] = (0, 0)

    @classmethod
    def read(cls, file: Path) -> KeyEncryptionKeys:
        """Reads a file as described above. Raises OSError or ValueError (stop)."""
        stamp = _stamp(file)
        content: dict[str, Any] = orjson.loads(file.read_bytes())
        keys = {int(version): b64decode(key) for version, key in content["keys"].items()}
        ciphers = {version: AESGCM(key) for version, key in keys.items()}
        if content["current"] not in ciphers:
            raise ValueError(f"{file}: the current key-encryption key {content['current']} is not among its keys")
        secrets = _secrets(content)
        return cls(content["current"], ciphers, secrets["blind_index"], secrets["command"], file, stamp)

    def newest(self) -> KeyEncryptionKeys:
        """These keys, or those of the file if it was replaced since. Raises OSError or ValueError (retry)."""
        if self.file is None or _stamp(self.file) == self.stamp:
            return self
        return KeyEncryptionKeys.read(self.file)

    def wrap(self, subject: str, data_key: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self.ciphers[self.current].encrypt(nonce, data_key, subject.encode())

    def unwrap(self, subject: str, kek: int, wrapped: bytes) -> bytes:
        """The data key. Raises UnknownKek (retry) without the key that wrapped it."""
        cipher = self.ciphers.get(kek)
        if cipher is None:
            raise UnknownKek(f"the key-encryption key {kek} is not in the key file; put it back")
        return cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], subject.encode())


def new_content() -> dict[str, Any]:
    """A first key and new secrets, as the file holds them."""
    return {"current": 1, "keys": {"1": _random()}, "secrets": {name: _random() for name in _SECRETS}}


def add_key(file: Path) -> int:
    """Makes a new key the current one, the others stay to unwrap; its version. Raises OSError or ValueError."""
    content: dict[str, Any] = orjson.loads(file.read_bytes())
    content["secrets"] = {name: b64encode(secret).decode() for name, secret in _secrets(content).items()}
    version = max(map(int, content["keys"])) + 1
    content["keys"][str(version)] = _random()
    content["current"] = version
    replace(file, orjson.dumps(content, option=_STYLE))
    return version


def drop_key(file: Path, version: int) -> None:
    """Takes a key out of the file for good. Raises ValueError for the current one, and for one that is not in it."""
    content: dict[str, Any] = orjson.loads(file.read_bytes())
    if version == content["current"] or str(version) not in content["keys"] or "secrets" not in content:
        raise ValueError(f"the key-encryption key {version} is the current one or is not in {file}")
    del content["keys"][str(version)]
    replace(file, orjson.dumps(content, option=_STYLE))


def _secrets(content: Mapping[str, Any]) -> dict[str, bytes]:
    written = content.get("secrets")
    if written is not None:
        return {name: b64decode(written[name]) for name in _SECRETS}
    oldest = b64decode(content["keys"][str(min(map(int, content["keys"])))])
    return {name: HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(oldest) for name, info in _SECRETS.items()}


def _random() -> str:
    return b64encode(os.urandom(32)).decode()


def _stamp(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_ino, found.st_mtime_ns
