"""Who signs notes: a log with its key, a witness with its own. The keys are in files.

A key file is Ed25519 in PKCS#8 PEM, not encrypted. Like the file of the key-encryption key it is made with mode 0600
and read whatever its mode: a secret that is mounted into a container has the mode that the container's operator chose.
"""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from shared.atomic_file import create_once
from shared.audit.note import TIME_BYTES, BadKey, Kind, Signature, VerifierKey, check_text, message


class Signer:
    """Signs notes for a log: `name` is the log's origin."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        """Raises BadKey (stop) for what cannot be a name."""
        self.key = VerifierKey(name, Kind.NOTE, _public(private))
        self._private = private

    def sign(self, text: str) -> Signature:
        """The signature of a note's text. Raises BadNote if the text cannot be one."""
        check_text(text)
        return Signature(self.key.name, self.key.key_id, self._private.sign(message(text, None)))


class Cosigner:
    """Signs notes as a witness. What it signs does not tell its name: never give one key two names."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        """Raises BadKey (stop) for what cannot be a name."""
        self.key = VerifierKey(name, Kind.COSIGNATURE, _public(private))
        self._private = private

    def sign(self, text: str, time: int) -> Signature:
        """The signature of a note's text at a time in seconds since 1970. Raises BadNote if either cannot be one."""
        check_text(text)
        value = self._private.sign(message(text, time))
        return Signature(self.key.name, self.key.key_id, time.to_bytes(TIME_BYTES) + value)


def read_key(file: Path) -> Ed25519PrivateKey:
    """The signing key in a file. Raises BadKey or OSError (stop)."""
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKey(f"{file} must hold an Ed25519 key in PKCS#8 PEM that is not encrypted")
    return key


def make_key(file: Path) -> None:
    """Makes a signing key in a file with mode 0600; a key that is there is kept. Safe to call from several processes.

    Raises OSError.
    """
    if file.exists():
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    create_once(file, Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _public(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
