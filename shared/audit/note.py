"""Signed notes (c2sp.org/signed-note) and the timestamped signatures of witnesses (c2sp.org/tlog-cosignature).

A note is a text, an empty line, and one line for each signature. The name of a key and its id, made of name, kind and
public key, say who signed. To replace a key, sign with the old and the new one for as long as some verifiers know only
one of them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.audit import exact_base64

MAX_SIGNATURES = 100
MAX_BYTES = 1024 * 1024
MAX_TIME = 2**63 - 1
TIME_BYTES = 8
_ID_BYTES = 4
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NAME = re.compile(r"[^\s+\x00-\x1f\ud800-\udfff]+")
_LINE = re.compile("\u2014 ([^ ]+) ([^ ]+)")


class BadNote(ValueError):
    """A note is malformed, or no known key vouches for it. Fate: refused; nothing in it may be believed."""


class BadKey(ValueError):
    """The text, name or file of a key is wrong. Fate: the process stops; the message says what to correct."""


class Kind(IntEnum):
    """What a key signs, as the type byte that the specification gave it."""

    NOTE = 0x01
    COSIGNATURE = 0x04


class Signature(NamedTuple):
    """One signature line, whether its key is known or not."""

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures, which are not verified."""

    text: str
    signatures: tuple[Signature, ...] = ()

    @classmethod
    def parse(cls, signed: bytes) -> Self:
        """The note in these bytes. Raises BadNote (refuse) unless they are what `encode` makes."""
        if len(signed) > MAX_BYTES:
            raise BadNote(f"a note has at most {MAX_BYTES} bytes")
        try:
            content = signed.decode()
        except UnicodeDecodeError:
            raise BadNote("a note must be UTF-8") from None
        text, empty_line, lines = content.rpartition("\n\n")
        if not empty_line or not lines.endswith("\n"):
            raise BadNote("a note must be a text, an empty line and signature lines, each with an end of line")
        check_text(text + "\n")
        _check_count(lines.count("\n"))
        return cls(text + "\n", tuple(map(_parsed, lines[:-1].split("\n"))))

    def encode(self) -> bytes:
        """The signed note. Raises BadNote if the text or a name cannot be one, or there is no signature."""
        check_text(self.text)
        _check_count(len(self.signatures))
        return f"{self.text}\n{''.join(map(_line, self.signatures))}".encode()

    def signed(self, *signatures: Signature) -> "Note":
        """The note with these signatures after those it has."""
        return Note(self.text, self.signatures + signatures)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """An Ed25519 public key under its name. `str` gives what others are told: name+id+key, as `parse` takes it."""

    name: str
    kind: Kind
    public: bytes

    def __post_init__(self) -> None:
        """Raises BadKey (stop)."""
        if not is_name(self.name):
            raise BadKey("the name of a key must not be empty, and hold no space, no control character and no +")
        if len(self.public) != 32:
            raise BadKey(f"the public key of {self.name} must have 32 bytes")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key in <name>+<8 hex digits>+<base64 of type byte and public key>. Raises BadKey (stop)."""
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            material = exact_base64.decode(encoded)
            kind = Kind(int.from_bytes(material[:1]))
        except ValueError:
            raise BadKey("a verifier key must be <name>+<8 hex digits>+<base64 of its type, 1 or 4, and key>") from None
        key = cls(name, kind, material[1:])
        if key.key_id.hex() != key_id:
            raise BadKey(f"the verifier key of {name} was altered: its id is not that of its name and key")
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{exact_base64.encode(self._material)}"

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of SHA-256(name, newline, type byte, public key)."""
        return sha256(self.name.encode() + b"\n" + self._material).digest()[:_ID_BYTES]

    @property
    def _material(self) -> bytes:
        return bytes([self.kind]) + self.public

    def verify(self, text: str, value: bytes) -> int | None:
        """The time that a cosignature states, in seconds since 1970; None for the signature of a note.

        Raises BadNote (refuse) unless `value` is this key's signature of the text.
        """
        time = None
        if self.kind is Kind.COSIGNATURE:
            time, value = int.from_bytes(value[:TIME_BYTES]), value[TIME_BYTES:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(value, message(text, time))
        except (InvalidSignature, ValueError):
            raise BadNote(f"the signature of {self.name} is not that of its key {self.key_id.hex()}") from None
        return time


class Opened(NamedTuple):
    """A text that known keys vouch for: `by` tells which, and the latest time that each cosignature states."""

    text: str
    by: Mapping[VerifierKey, int | None]


class Verifier:
    """Opens notes with the keys of one role: those of a log, old and new, or those of its witnesses."""

    def __init__(self, keys: Iterable[VerifierKey]) -> None:
        self._keys = {(key.name, key.key_id): key for key in keys}

    def open(self, signed: bytes) -> Opened:
        """The text of a signed note. Signatures of unknown keys are ignored.

        Raises BadNote (refuse) if the note is malformed, if no known key has signed, or if one signature under the name
        and id of a known key is not valid, whatever the others say.
        """
        note = Note.parse(signed)
        by: dict[VerifierKey, int | None] = {}
        for name, key_id, value in note.signatures:
            if key := self._keys.get((name, key_id)):
                time = key.verify(note.text, value)
                by[key] = time if time is None else max(time, by.get(key) or 0)
        if not by:
            raise BadNote("no known key has signed this note")
        return Opened(note.text, by)


def message(text: str, time: int | None) -> bytes:
    """What is signed: the text, in a cosignature after its header and time. Raises BadNote unless 0 <= time < 2^63."""
    if time is None:
        return text.encode()
    if not 0 <= time <= MAX_TIME:
        raise BadNote("the time of a cosignature must be 0 to 2^63 - 1 seconds")
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def check_text(text: str) -> None:
    """Raises BadNote unless this can be the text of a note."""
    if not text.endswith("\n") or _CONTROL.search(text):
        raise BadNote("the text of a note must end with an end of line and hold no other control character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadNote("the text of a note must be Unicode") from None


def is_name(name: str) -> bool:
    """Whether this can be the name of a key."""
    return bool(_NAME.fullmatch(name))


def _check_count(signatures: int) -> None:
    if not 1 <= signatures <= MAX_SIGNATURES:
        raise BadNote(f"a note has 1 to {MAX_SIGNATURES} signatures, not {signatures}")


def _line(signature: Signature) -> str:
    if not is_name(signature.name):
        raise BadNote("the name in a signature cannot be that of a key")
    return f"\u2014 {signature.name} {exact_base64.encode(signature.key_id + signature.value)}\n"


def _parsed(line: str) -> Signature:
    parts = _LINE.fullmatch(line)
    if not parts or not is_name(parts[1]):
        raise BadNote("a signature line must be an em dash, the name of a key and base64, with one space between them")
    try:
        value = exact_base64.decode(parts[2])
    except ValueError:
        raise BadNote(f"the signature of {parts[1]} is not base64") from None
    if len(value) <= _ID_BYTES:
        raise BadNote(f"the signature of {parts[1]} is cut")
    return Signature(parts[1], value[:_ID_BYTES], value[_ID_BYTES:])
