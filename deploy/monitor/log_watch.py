"""One log watched: its rows against what was signed, and what is signed now against what was shown before."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from deploy.monitor.alarm import Alarm, Kind
from deploy.monitor.memory import Kept, Memory
from deploy.monitor.stillness import STILL_SECONDS, Stillness
from deploy.monitor.witnesses import Silent, WitnessAt
from shared.audit import tiles
from shared.audit.checkpoint import BadCheckpoint, Checkpoint
from shared.audit.inspection import Inspection, Verdict
from shared.audit.merkle import verify_consistency
from shared.audit.note import BadNote, Verifier, VerifierKey
from shared.audit.snapshot import NotSigned, Snapshot, snapshot
from shared.audit.tiles import BadTile
from shared.clock import Clock
from shared.eventlog.mapper import DecodeError, parse
from shared.events.envelope import moment

OWN = "checkpoints that this monitor kept"


@dataclass(slots=True)
class Looked:
    """What one look at a log gave. `troubles` are sentences on what could not be looked at."""

    alarms: list[Alarm] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    verdict: Verdict | None = None


class LogWatch:
    """Each look reads on where the last one ended; after an alarm, and after `begin_anew`, from the first record."""

    def __init__(
        self,
        log: str,
        url: str,
        keys: Sequence[VerifierKey],
        *,
        witnesses: Sequence[WitnessAt],
        witness_keys: Sequence[VerifierKey],
        memory: Memory,
        clock: Clock,
    ) -> None:
        """`url` is that of the log's database, `keys` are the auditor's for this log."""
        self.log = log
        self._url = url
        self._keys = keys
        self._witnesses = witnesses
        self._witness_keys = witness_keys
        self._memory = memory
        self._clock = clock
        self._stillness = Stillness()
        self._inspection: Inspection | None = None
        self._size = 0

    def begin_anew(self) -> None:
        """Forgets what was read, so that the next look reads every record again."""
        self._inspection = None
        self._size = 0

    def look(self) -> Looked:
        """Blocks. Raises Unavailable (retry), Forgotten (stop), OSError."""
        looked = Looked()
        kept = self._memory.kept(self.log, self._keys)
        # Before the log: what a witness holds then is in the log when it is read, unless the log went back.
        held = self._held(looked)
        try:
            with snapshot(self._url, self.log, witnesses=self._witness_keys) as seen:
                self._inspect(seen, looked)
                if looked.verdict and looked.verdict.ok:
                    self._compare(seen, kept, held, looked)
                looked.alarms += self._still(seen)
        except NotSigned as error:
            if kept:
                looked.alarms.append(_gone_back(self.log, 0, kept[-1], OWN))
            else:
                looked.troubles.append(str(error))
        # What is only not signed yet was read; all else is read again, to see what else was touched.
        if any(alarm.kind != "still" for alarm in looked.alarms):
            self.begin_anew()
        return looked

    def _still(self, seen: Snapshot) -> Iterator[Alarm]:
        waiting = seen.unsigned()
        if waiting is None:
            self._stillness.signed()
            return
        position, stored = waiting
        try:
            recorded_at = moment(parse(stored).recorded_at)
        except (DecodeError, ValueError):
            return  # nobody signs what is no record: the service is held, and its row is found once it is signed
        waits = self._stillness.waits(position, recorded_at, self._clock.now(), time.monotonic())
        if waits > STILL_SECONDS:
            sentence = (
                f"nothing was signed for {waits:.0f} s: the log goes on at position {position}, and its newest "
                f"checkpoint ends at {seen.checkpoint.size}"
            )
            yield Alarm("still", self.log, sentence, position, position, "its records")

    def _held(self, looked: Looked) -> list[tuple[WitnessAt, str, bytes]]:
        """What the witnesses hold of every origin for which keys are known."""
        found: list[tuple[WitnessAt, str, bytes]] = []
        for witness in self._witnesses:
            try:
                shown = [(origin, witness.held(origin)) for origin in sorted({key.name for key in self._keys})]
            except Silent as silent:
                looked.troubles.append(str(silent))
                continue
            found += [(witness, origin, note) for origin, note in shown if note]
        return found

    def _inspect(self, seen: Snapshot, looked: Looked) -> None:
        if seen.checkpoint.size < self._size:
            self.begin_anew()
        self._inspection = self._inspection or Inspection(self._keys, self._witness_keys)
        verdict = looked.verdict = self._inspection.advance(seen)
        self._size = verdict.size
        if not verdict.ok:
            by = "its records"
            looked.alarms.append(Alarm("altered", self.log, verdict.reason, verdict.first, verdict.last, by))

    def _compare(
        self, seen: Snapshot, kept: list[Kept], held: Sequence[tuple[WitnessAt, str, bytes]], looked: Looked
    ) -> None:
        newest = seen.checkpoint
        true = [each for each in kept if contains(seen, each.checkpoint)]
        looked.alarms += _unlike_past(self.log, seen, kept, true)
        common = max((each.checkpoint.size for each in true), default=0)
        for witness, origin, note in held:
            # Former origins end where an older backup was put back; what was kept here tells whether that was so.
            if origin == newest.origin:
                looked.alarms += self._unlike_witness(seen, witness, note, common)
        if all(alarm.kind == "restored" for alarm in looked.alarms) and (not kept or kept[-1].checkpoint != newest):
            self._memory.keep(self.log, [*true, Kept(newest, seen.note)])

    def _unlike_witness(self, seen: Snapshot, witness: WitnessAt, note: bytes, common: int) -> Iterator[Alarm]:
        by = f"witness {witness.title}"
        try:
            checkpoint = Checkpoint.parse(Verifier(self._keys).open(note).text)
            if self._witness_keys:
                Verifier(self._witness_keys).open(note)
        except (BadNote, BadCheckpoint) as bad:
            yield Alarm("witness", self.log, f"the witness {witness.title} holds no true checkpoint: {bad}", by=by)
            return
        held = Kept(checkpoint, note)
        if checkpoint.size > seen.checkpoint.size:
            yield _gone_back(self.log, seen.checkpoint.size, held, by)
        elif not contains(seen, checkpoint):
            yield _split(self.log, seen, held, by, common=common)


def contains(seen: Snapshot, older: Checkpoint) -> bool:
    """Whether a log that was inspected began with the history that another checkpoint promises."""
    newest = seen.checkpoint
    if older.size >= newest.size:
        return (older.size, older.root, older.heads) == (newest.size, newest.root, newest.heads)
    try:
        # The tiles need not be believed: the proof is checked against the root that was inspected.
        proof = tiles.consistency_proof(older.size, newest.size, seen.tiles)
    except BadTile:
        return False
    return verify_consistency(older.size, newest.size, older.root, newest.root, proof)


def _unlike_past(log: str, seen: Snapshot, kept: Sequence[Kept], true: Sequence[Kept]) -> Iterator[Alarm]:
    if not kept or kept[-1] in true:
        return
    last, newest = kept[-1], seen.checkpoint
    restored: Kind | None = "restored" if last.checkpoint.origin != newest.origin else None
    if last.checkpoint.size > newest.size:
        yield _gone_back(log, newest.size, last, OWN, restored)
        return
    common = max((each.checkpoint.size for each in true), default=0)
    first_bad = next(each for each in kept if each not in true)
    yield _split(log, seen, first_bad, OWN, common=common, kind=restored)


def _gone_back(log: str, size: int, longer: Kept, by: str, kind: Kind | None = None) -> Alarm:
    seen = longer.checkpoint.size
    sentence = f"the log was rolled back: it was signed up to {seen}, as {by} shows, and ends at {size}"
    return Alarm(kind or "rolled_back", log, sentence, size + 1, seen, by, evidence=(longer.note.decode(),))


def _split(log: str, seen: Snapshot, other: Kept, by: str, *, common: int, kind: Kind | None = None) -> Alarm:
    size = other.checkpoint.size
    first = common + 1 if common < size else 1
    sentence = (
        f"two histories of the log were signed: positions {first} to {size} are not those of the checkpoint of size "
        f"{size}, as {by} shows"
    )
    evidence = (other.note.decode(), seen.note.decode())
    return Alarm(kind or "split", log, sentence, first, size, by, evidence=evidence)
