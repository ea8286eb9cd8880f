"""The witness at work: what it is asked, what it holds, what it signs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.witness.measures import Measures
from deploy.witness.memory import Damaged, Held, Memory
from shared.audit import exact_base64
from shared.audit.keys import log_keys
from shared.audit.note import BadKey, Note
from shared.audit.signer import Cosigner
from shared.audit.witness import AddCheckpoint, Offer, Refused, decide, offered
from shared.clock import Clock
from shared.events.envelope import instant
from shared.log import get_logger

_log = get_logger(__name__)


class Unable(Exception):
    """The witness cannot read or write its files. Fate: nothing was signed; the log tries again."""


class Witness:
    """Cosigns checkpoints of the logs whose verifier keys are in a folder's *.pub files. Thread-safe."""

    def __init__(self, cosigner: Cosigner, memory: Memory, logs: Path, clock: Clock) -> None:
        self.key = cosigner.key
        self.measures = Measures(lambda: memory.alarms)
        self._cosigner = cosigner
        self._memory = memory
        self._logs = logs
        self._clock = clock
        self._lock = threading.Lock()
        self._troubles: dict[str, str] = {}

    def add(self, body: bytes) -> str:
        """The signature lines for the checkpoint in a request, once it is held on disk. Raises Refused or Unable."""
        request = AddCheckpoint.parse(body)
        with self._watching("the keys of the logs"):
            keys = log_keys(self._logs)
        offer = offered(request, keys)
        # What is compared must be what is replaced: one at a time.
        with self._lock, self._watching(offer.checkpoint.origin):
            return self._add(request, offer)

    def held(self, origin: str) -> bytes | None:
        """The note of the last checkpoint of a log that was cosigned. Raises Unable."""
        try:
            held = self._memory.held(origin)
        except (OSError, Damaged) as error:
            raise Unable(_sentence(error)) from None
        return held.note if held else None

    def checks(self) -> dict[str, str]:
        """What is not as it must be, "ok" otherwise: the files, and alarms that wait for a person."""
        troubles = "; ".join(f"{what}: {sentence}" for what, sentence in list(self._troubles.items()))
        alarms = self._memory.alarms
        waiting = f"{alarms} in alarms.jsonl: move the file away when they are dealt with, and restart the witness"
        return {"files": troubles or "ok", "alarms": waiting if alarms else "ok"}

    def _add(self, request: AddCheckpoint, offer: Offer) -> str:
        checkpoint = offer.checkpoint
        held = self._memory.held(checkpoint.origin)
        try:
            decide(held.checkpoint if held else None, request, checkpoint)
        except Refused as refused:
            if refused.suspicious:
                self._raise_alarm(refused, request, offer, held)
            raise
        signature = self._cosigner.sign(checkpoint.text, int(self._clock.now().timestamp()))
        self._memory.keep(checkpoint.origin, Note(checkpoint.text, (*offer.signatures, signature)).encode())
        self.measures.size(checkpoint.origin, checkpoint.size)
        return Note(checkpoint.text, (signature,)).encode().decode().removeprefix(f"{checkpoint.text}\n")

    def _raise_alarm(self, refused: Refused, request: AddCheckpoint, offer: Offer, held: Held | None) -> None:
        entry = {
            "at": instant(self._clock.now()),
            "kind": type(refused).__name__.lower(),
            "log": offer.checkpoint.origin,
            "reason": str(refused),
            "offered": Note(offer.checkpoint.text, offer.signatures).encode().decode(),
            "held": held.note.decode() if held else None,
            "old": request.old,
            "proof": [exact_base64.encode(each) for each in request.proof],
        }
        try:
            new = self._memory.raise_alarm(entry)
        except OSError as full:
            new = True
            _log.error("alarm not written", reason=_sentence(full))
        if new:
            _log.error("alarm", log=entry["log"], kind=entry["kind"], reason=entry["reason"])

    @contextmanager
    def _watching(self, what: str) -> Iterator[None]:
        try:
            yield
        except (OSError, Damaged, BadKey) as error:
            self._troubles[what] = _sentence(error)
            _log.error("nothing was signed", what=what, reason=_sentence(error))
            raise Unable(_sentence(error)) from None
        else:
            self._troubles.pop(what, None)


def _sentence(error: Exception) -> str:
    return str(error.strerror if isinstance(error, OSError) else error)
