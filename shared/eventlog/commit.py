"""What one command writes, and the writer that turns a group of them into one statement.

A conflict costs only the command that caused it: the statement names the refused commits, they are answered, and the
rest is written again without them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import orjson
from psycopg import Cursor
from pydantic import BaseModel

from shared import metrics
from shared.clock import Clock
from shared.crash import crash_here
from shared.errors import AlreadyReserved, CommandReused, Conflict, CustlogError, TooLarge, VersionConflict
from shared.eventlog.mapper import encode
from shared.eventlog.recorder import LogRecorder, Refusal, Rows, StoredAnswer, stored_answers
from shared.events.envelope import Cause, Contract, instant
from shared.ids import uuid7
from shared.privacy.keyring import Keyring
from shared.privacy.sealing import DataKey

MAX_EVENTS = 500
MAX_EVENT_BYTES = 512 * 1024
"""Of one stored event: below what Kafka accepts as one message, so the relay can always publish what the log took."""


class Append(msgspec.Struct, frozen=True):
    """Events for one stream that must stand at version `expected` (0 = new). `customer` is whom they are about.

    `occurred_at` is when they happened, if that was earlier; `each_at` the same for each of them, where they differ.
    """

    stream: str
    customer: str
    expected: int
    events: Sequence[Contract]
    occurred_at: datetime | None = None
    each_at: tuple[datetime | None, ...] = ()


class Commit(msgspec.Struct, frozen=True):
    """What one command writes: all of it or nothing.

    `digest` is the digest of the command's body; empty means no idempotency record (a consumer's effect, which its
    tracked position protects). `reserve` and `release` name unique keys, owned by the first append's stream.
    """

    cause: Cause
    appends: tuple[Append, ...]
    digest: bytes = b""
    result: Mapping[str, Any] = msgspec.field(default_factory=dict)
    reserve: tuple[str, ...] = ()
    release: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        return self.appends[0].stream if self.appends else ""


class Committed(msgspec.Struct, frozen=True):
    """The durable answer to a command; `position` is the index of its first event, `replayed` a repeated command."""

    position: int
    result: Mapping[str, Any]
    replayed: bool = False


def digest(body: bytes) -> bytes:
    """The digest under which a command's body is remembered."""
    return hashlib.sha256(body).digest()[:16]


def fingerprint(target: str, command: BaseModel) -> bytes:
    """The digest by which a repeated command is told from another one under the same id."""
    body = orjson.dumps(command.model_dump(mode="json", exclude_unset=True), option=orjson.OPT_SORT_KEYS)
    return digest(b"\0".join((target.encode(), type(command).__name__.encode(), body)))


def subjects(commits: Collection[Commit]) -> set[str]:
    """Whose data keys are needed to seal these commits."""
    return {
        append.customer for commit in commits for append in commit.appends for event in append.events if event.SEALED
    }


def strangers(commits: Collection[Commit]) -> set[str]:
    """Customers whose own stream begins here: most likely they have no data key yet."""
    return {
        append.customer
        for commit in commits
        for append in commit.appends
        if append.expected == 0 and append.stream.endswith(append.customer)
    }


def lay_out(
    commits: Sequence[Commit], log: str, keys: Mapping[str, DataKey], now: datetime, keyed: Callable[[bytes], bytes]
) -> Rows:
    """The rows of a group: every event encoded and sealed, every head, command and reservation in its column."""
    rows = Rows.empty()
    recorded_at = instant(now)
    for number, commit in enumerate(commits):
        if commit.digest:
            rows.command_ids.append(commit.cause.command)
            rows.command_digests.append(keyed(commit.digest))
            rows.command_results.append(orjson.dumps(commit.result))
            rows.command_commits.append(number)
            rows.command_firsts.append(len(rows.states) + 1)
        for append in commit.appends:
            _lay_out_append(rows, append, number, cause=commit.cause, log=log, keys=keys, recorded_at=recorded_at)
        for key in commit.reserve:
            rows.reserved_keys.append(key)
            rows.reserved_owners.append(commit.owner)
            rows.reserved_commits.append(number)
        for key in commit.release:
            rows.released_keys.append(key)
            rows.released_owners.append(commit.owner)
    return rows


def _lay_out_append(
    rows: Rows, append: Append, number: int, *, cause: Cause, log: str, keys: Mapping[str, DataKey], recorded_at: str
) -> None:
    rows.head_streams.append(append.stream)
    rows.head_versions.append(append.expected)
    rows.head_commits.append(number)
    times = append.each_at or (append.occurred_at,) * len(append.events)
    for seq, (event, happened) in enumerate(zip(append.events, times, strict=True), start=append.expected + 1):
        rows.streams.append(append.stream)
        rows.versions.append(seq)
        rows.topics.append(event.stored_type())
        rows.customers.append(append.customer)
        rows.states.append(
            encode(
                event,
                cause,
                event_id=uuid7(),
                log=log,
                stream=append.stream,
                seq=seq,
                customer=append.customer,
                recorded_at=recorded_at,
                occurred_at=recorded_at if happened is None else instant(happened),
                keys=keys,
            )
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A group ready to be written: its events sealed and laid out. `answers` are those that are refused already."""

    commits: Sequence[Commit]
    answers: list[Committed | CustlogError | None]
    keys: Mapping[str, DataKey]
    rows: Rows


class Writer:
    """Writes groups of commits: seals, appends, and turns refusals into each commit's own answer."""

    def __init__(self, recorder: LogRecorder, keyring: Keyring, log: str, clock: Clock) -> None:
        self._recorder = recorder
        self._keyring = keyring
        self._log = log
        self._clock = clock

    def data_keys(self, subjects: Collection[str]) -> dict[str, DataKey]:
        """The data keys of these subjects, without those of the erased. Raises Unavailable (retry)."""
        return self._keyring.fetch(subjects) if subjects else {}

    def write(self, cursor: Cursor[Any], commits: Sequence[Commit]) -> list[Committed | CustlogError]:
        """One answer per commit, in order. Raises Unavailable or the driver's errors when the whole group failed."""
        return self.write_prepared(cursor, self.prepare(commits))

    def prepare(self, commits: Sequence[Commit]) -> Prepared:
        """All that needs no log, so that it can be done while another group is written. Raises Unavailable (retry)."""
        needed = subjects(commits)
        keys = self._keyring.ensure(needed, strangers(commits))
        crash_here("keyring.after_ensure")
        erased = needed - keys.keys()
        answers: list[Committed | CustlogError | None] = [
            _sealable(commit, erased) or _within_limits(commit) for commit in commits
        ]
        rows = self._lay_out([commit for commit, answer in zip(commits, answers, strict=True) if answer is None], keys)
        return Prepared(commits, answers, keys, rows)

    def write_prepared(self, cursor: Cursor[Any], prepared: Prepared) -> list[Committed | CustlogError]:
        """Writes what `prepare` has made ready; promises what `write` promises. May be called again if it raised."""
        answers, rows = list(prepared.answers), prepared.rows
        while numbers := [n for n, answer in enumerate(answers) if answer is None]:
            group = [prepared.commits[n] for n in numbers]
            refused: dict[int, Committed | CustlogError] = dict(_oversize(group, rows))
            if not refused:
                base, refusals = self._recorder.append(cursor, rows)
                if not refusals:
                    for n, answer in zip(numbers, _taken(group, base), strict=True):
                        answers[n] = answer
                    break
                refused = self._answer(cursor, group, refusals)
            for number, refusal in refused.items():
                answers[numbers[number]] = refusal
            left = [prepared.commits[n] for n, answer in enumerate(answers) if answer is None]
            rows = self._lay_out(left, prepared.keys)
        return [answer for answer in answers if answer is not None]

    def _lay_out(self, commits: Sequence[Commit], keys: Mapping[str, DataKey]) -> Rows:
        return lay_out(commits, self._log, keys, self._clock.now(), self._keyring.keyed)

    def recall(
        self, cursor: Cursor[Any], commands: Sequence[tuple[str, bytes]]
    ) -> list[Committed | CommandReused | None]:
        """What became of each (command id, digest): its stored answer, a conflict of bodies, None if it is unknown."""
        known = {answer.command: answer for answer in stored_answers(cursor, [command for command, _ in commands])}
        return [
            _recalled(known[command], self._keyring.keyed(digest)) if command in known else None
            for command, digest in commands
        ]

    def _answer(
        self, cursor: Cursor[Any], group: Sequence[Commit], refusals: Sequence[Refusal]
    ) -> dict[int, Committed | CustlogError]:
        answers: dict[int, Committed | CustlogError] = {}
        for refusal in refusals:
            metrics.CONFLICTS.labels(self._log, refusal.reason).inc()
            answers.setdefault(refusal.commit_no, _as_error(refusal))
        known = {refusal.subject: refusal.commit_no for refusal in refusals if refusal.reason == "command"}
        if known:
            asked = [(command, group[number].digest) for command, number in known.items()]
            recalled = zip(known.values(), self.recall(cursor, asked), strict=True)
            answers |= {number: answer for number, answer in recalled if answer is not None}
        return answers


def _taken(group: Sequence[Commit], base: int) -> Iterator[Committed]:
    position = base + 1
    for commit in group:
        yield Committed(position, commit.result)
        position += sum(len(append.events) for append in commit.appends)


def _recalled(stored: StoredAnswer, digest_now: bytes) -> Committed | CommandReused:
    """The answer to a command id that was seen before: the same answer for the same body, else a conflict."""
    if stored.digest != digest_now:
        return CommandReused(f"command {stored.command} was already used with another body; send a new Idempotency-Key")
    return Committed(stored.position, orjson.loads(stored.result), replayed=True)


def _as_error(refusal: Refusal) -> CustlogError:
    if refusal.reason == "version":
        return VersionConflict(
            f"{refusal.subject} is at version {refusal.current} now; read it again and repeat the change",
            current=refusal.current,
        )
    return AlreadyReserved(f"{refusal.subject} already belongs to another record; change that record instead")


def _sealable(commit: Commit, erased: Collection[str]) -> CustlogError | None:
    for subject in erased and subjects([commit]).intersection(erased):
        return Conflict(f"customer {subject} was erased; nothing personal can be recorded about it any more")
    return None


def _oversize(group: Sequence[Commit], rows: Rows) -> dict[int, CustlogError]:
    if max(map(len, rows.states), default=0) <= MAX_EVENT_BYTES:
        return {}
    answers: dict[int, CustlogError] = {}
    states = iter(rows.states)
    for number, commit in enumerate(group):
        sizes = [len(next(states)) for append in commit.appends for _ in append.events]
        if max(sizes, default=0) > MAX_EVENT_BYTES:
            answers[number] = TooLarge(
                f"one event of this command has {max(sizes)} bytes, the log takes {MAX_EVENT_BYTES}; send less text"
            )
    return answers


def _within_limits(commit: Commit) -> CustlogError | None:
    events = sum(len(append.events) for append in commit.appends)
    if events > MAX_EVENTS:
        return TooLarge(f"one command may write {MAX_EVENTS} events, this one has {events}; split it")
    return None
