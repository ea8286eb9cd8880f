"""A witness as the sequencer meets it, in memory: it may fall silent, or refuse."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.audit.checkpoint import Checkpoint
from shared.audit.merkle import verify_consistency
from shared.audit.note import Note
from shared.audit.signer import Cosigner
from shared.audit.witness_client import Cosigned, Prove, Refusal


class MemoryWitness:
    """Cosigns what goes on from what it has seen. `refusal` and `silent` are what it answers instead."""

    def __init__(self) -> None:
        self.cosigner = Cosigner("witness.example", Ed25519PrivateKey.generate())
        self.seen: list[Checkpoint] = []
        self.refusal: Refusal | None = None
        self.silent = False
        self.closed = False

    async def submit(self, note: bytes, prove: Prove) -> Cosigned:
        """See sequencer.Cosigners."""
        if self.silent:
            return Cosigned(note, silent=("it gave no cosignature",))
        if self.refusal is not None:
            return Cosigned(note, refusals=(self.refusal,))
        parsed = Note.parse(note)
        new = Checkpoint.parse(parsed.text)
        if self.seen:
            old = self.seen[-1]
            assert verify_consistency(old.size, new.size, old.root, new.root, await prove(old.size))
        self.seen.append(new)
        return Cosigned(parsed.signed(self.cosigner.sign(parsed.text, 1_700_000_000)).encode())

    async def close(self) -> None:
        """See sequencer.Cosigners."""
        self.closed = True
