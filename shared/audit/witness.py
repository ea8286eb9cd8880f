"""What a witness answers to a log that shows it a checkpoint (c2sp.org/tlog-witness). Pure.

A witness holds the newest checkpoint that it cosigned for each log, and cosigns another one only if that continues it:
so what two people were shown with its signature is one history. Beyond the specification it compares the root of the
map of heads, and it looks for a second history whatever size the log believes it to hold.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

from shared.audit import exact_base64
from shared.audit.checkpoint import BadCheckpoint, Checkpoint
from shared.audit.merkle import EMPTY_ROOT, HASH_BYTES, verify_consistency
from shared.audit.note import BadNote, Note, Signature, Verifier, VerifierKey

MAX_PROOF = 63
_OLD = re.compile("old (0|[1-9][0-9]{0,18})")


class Refused(Exception):
    """A witness does not cosign. Fate: nothing it holds changes; `status` is what HTTP answers."""

    status: ClassVar[int]
    suspicious: ClassVar[bool] = False
    """Whether the log has signed what no honest log signs: an alarm is due, with the notes that show it."""


class BadRequest(Refused):
    """What was sent is no request, or no checkpoint."""

    status = 400


class NotSigned(Refused):
    """No trusted key of the log vouches for the checkpoint."""

    status = 403


class UnknownLog(Refused):
    """The witness was told no key of this log."""

    status = 404


class Stale(Refused):
    """The log takes the witness to hold another size than it does: `size` tells which. Nothing is wrong with that."""

    status = 409

    def __init__(self, sentence: str, size: int) -> None:
        super().__init__(sentence)
        self.size = size


class Split(Stale):
    """The log has signed two histories: two checkpoints of one size that differ."""

    suspicious = True


class NotProven(Refused):
    """The proof does not show that the checkpoint continues what the witness holds."""

    status = 422
    suspicious = True


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request: the note of a checkpoint, and the proof that it continues the one of size `old`."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """The request in these bytes. Raises BadRequest unless they are what `encode` makes."""
        head, empty_line, note = body.partition(b"\n\n")
        try:
            first, *lines = head.decode("ascii").split("\n")
            proof = tuple(map(exact_base64.decode, lines))
        except ValueError:
            raise BadRequest("the lines before the checkpoint must be the old size and base64 hashes") from None
        old = _OLD.fullmatch(first)
        if not old or not empty_line:
            raise BadRequest(
                'a request must begin with a line "old <size>" and have an empty line before the checkpoint'
            )
        if len(proof) > MAX_PROOF or any(len(each) != HASH_BYTES for each in proof):
            raise BadRequest(f"a consistency proof must have at most {MAX_PROOF} hashes of {HASH_BYTES} bytes")
        return cls(int(old[1]), proof, note)

    def encode(self) -> bytes:
        """The body of the request."""
        lines = [f"old {self.old}", *map(exact_base64.encode, self.proof)]
        return "".join(f"{line}\n" for line in lines).encode() + b"\n" + self.note


@dataclass(frozen=True, slots=True)
class Offer:
    """A checkpoint for which its log vouches, and the signatures of trusted keys that say so."""

    checkpoint: Checkpoint
    signatures: tuple[Signature, ...]


def offered(request: AddCheckpoint, trusted: Iterable[VerifierKey]) -> Offer:
    """What the log offers. `trusted` are the keys of all logs, old and new.

    Raises BadRequest, UnknownLog, or NotSigned, the last if one signature by a trusted key is wrong, too.
    """
    try:
        note = Note.parse(request.note)
        checkpoint = Checkpoint.parse(note.text)
    except (BadNote, BadCheckpoint) as bad:
        raise BadRequest(str(bad)) from None
    keys = {(key.name, key.key_id): key for key in trusted if key.name == checkpoint.origin}
    if not keys:
        raise UnknownLog("no key of this log is known here")
    try:
        Verifier(keys.values()).open(request.note)
    except BadNote as bad:
        raise NotSigned(str(bad)) from None
    by = {(signature.name, signature.key_id): signature for signature in note.signatures}
    return Offer(checkpoint, tuple(signature for key, signature in by.items() if key in keys))


def decide(held: Checkpoint | None, request: AddCheckpoint, offer: Checkpoint) -> None:
    """Returns if the witness may cosign the offer and hold it from then on, instead of what it holds for this log.

    Raises BadRequest, Stale, Split or NotProven.
    """
    size, root = (held.size, held.root) if held else (0, EMPTY_ROOT)
    if held and held.size == offer.size and held != offer:
        raise Split(f"another checkpoint of size {size} was cosigned: the log has signed two histories", size)
    if request.old > offer.size:
        raise BadRequest("the old size must not exceed the size of the checkpoint")
    if request.old != size:
        raise Stale(f"the last checkpoint cosigned here has size {size}", size)
    if not verify_consistency(size, offer.size, root, offer.root, request.proof):
        raise NotProven(f"the proof does not show that size {offer.size} continues size {size}")
