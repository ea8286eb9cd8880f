"""The access log as every service writes it: what was shown to whom, and what was refused to whom.

A read is recorded before the answer leaves: while the access log does not answer, nothing personal is shown. Refusals
are collected and written by `run`, alike ones added up, so that nobody can flood the log; a process that is killed
loses those of the last second.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from shared import metrics
from shared.errors import Unavailable, VersionConflict
from shared.eventlog.commit import MAX_EVENTS, Append, Commit
from shared.eventlog.log import Log
from shared.events.access import (
    AlarmRaised,
    CommandRefused,
    Exported,
    LoginFailed,
    PersonalDataRead,
    TokenIssued,
    about_actor,
)
from shared.events.envelope import Actor, Cause, Contract
from shared.ids import uuid7
from shared.log import get_logger

T = TypeVar("T")

Disclosed: TypeAlias = Mapping[str, Collection[str]]
"""Customer -> the names of the fields of level sensitive or core that an answer shows in the clear."""
Refusal: TypeAlias = LoginFailed | CommandRefused | AlarmRaised

WRITE_SECONDS = 1.0
MOST_WAITING = 10_000
"""Different refusals that are kept in memory; further ones are counted as lost."""
_AT_ONCE = 50

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks, through what and what for; `operation` is the method and the route template."""

    actor: Actor
    channel: str
    purpose: str
    correlation: str
    operation: str

    def cause(self) -> Cause:
        """The envelope of what is recorded about it."""
        command = uuid7()
        return Cause(self.actor, self.channel, self.purpose, command, self.correlation, command)


class Journal:
    """Writes to the access log of this installation. Without a log nothing is recorded."""

    def __init__(self, log: Log | None) -> None:
        self._log = log
        self._waiting: dict[tuple[str, Refusal], tuple[Access, int]] = {}
        self._lock = threading.Lock()

    async def read(self, access: Access, disclosed: Disclosed) -> None:
        """Makes durable what an answer shows; send it afterwards. Raises Unavailable (retry): then send nothing."""
        events = [
            (customer, PersonalDataRead(operation=access.operation, fields=tuple(sorted(fields))))
            for customer, fields in sorted(disclosed.items())
            if fields
        ]
        if self._log is None or not events:
            return
        log, cause = self._log, access.cause()
        await asyncio.gather(*(self._append(log, cause, part) for part in _parts(events, MAX_EVENTS)))

    async def exported(self, access: Access, event: Exported, *customers: str) -> None:
        """Makes durable that rows leave, about these customers or the account. Raises Unavailable (retry)."""
        if self._log is not None:
            about = customers or (about_actor(access.actor.id),)
            await self._append(self._log, access.cause(), [(customer, event) for customer in about])

    async def issued(self, access: Access, event: TokenIssued) -> None:
        """Makes durable that a token is given to an account. Raises Unavailable (retry): then give none."""
        if self._log is not None:
            await self._append(self._log, access.cause(), [(about_actor(event.account), event)])

    def refused(self, access: Access, refusal: Refusal) -> None:
        """Takes note of a refusal or an alarm, to be written within a second. From any thread; raises nothing."""
        if self._log is not None:
            self._keep((access.actor.id, refusal), access, 1)

    async def run(self) -> None:
        """Writes what was taken note of, every second until cancelled."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Writes what was taken note of. What cannot be written now waits for the next time."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        if self._log is None or not waiting:
            return
        for some in _parts(list(waiting.items()), _AT_ONCE):
            written = await asyncio.gather(
                *(self._write(self._log, access, refusal, count) for (_, refusal), (access, count) in some)
            )
            for (key, (access, count)), done in zip(some, written, strict=True):
                if not done:
                    self._keep(key, access, count)

    def _keep(self, key: tuple[str, Refusal], access: Access, count: int) -> None:
        with self._lock:
            first, known = self._waiting.get(key, (access, 0))
            if known or len(self._waiting) < MOST_WAITING:
                self._waiting[key] = (first, known + count)
            else:
                metrics.REFUSALS_LOST.inc(count)

    async def _write(self, log: Log, access: Access, refusal: Refusal, count: int) -> bool:
        event = refusal if isinstance(refusal, AlarmRaised) else refusal.model_copy(update={"count": count})
        try:
            await self._append(log, access.cause(), [(about_actor(access.actor.id), event)])
        except Unavailable as error:
            _log.warning("refusals wait for the access log", error=type(error).__name__)
            return False
        return True

    async def _append(self, log: Log, cause: Cause, events: Sequence[tuple[str, Contract]]) -> None:
        # Each record is a stream of its own, so that no two ever wait for each other.
        appends = tuple(Append(f"access-{uuid7()}", customer, 0, (event,)) for customer, event in events)
        # Nobody else knows these streams: at a conflict the log has sent the commit twice, and the first had arrived.
        with suppress(VersionConflict):
            await log.commit(Commit(cause, appends))


def _parts(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
