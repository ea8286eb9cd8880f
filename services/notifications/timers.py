"""Fires what is due: once, never early, late after an outage. A round is one transaction: a kill undoes it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from psycopg import Cursor

from services.notifications import causes, reporting, store
from services.notifications.effects import Tally
from services.notifications.rules.firing import Ending, already_greeted, end_due, held, occasion, postponed
from services.notifications.rules.permission import NEEDING_CONSENT, refusal
from services.notifications.rules.timer import Book, Change, Timer
from shared.clock import Clock
from shared.crash import crash_here
from shared.errors import AlreadyReserved, CustlogError
from shared.eventlog.commit import Commit
from shared.eventlog.log import Log, Transaction
from shared.eventlog.mapper import Record
from shared.events.envelope import Cause
from shared.events.notifications import ReminderCancelled, ReminderFired, ReminderPlanned
from shared.log import get_logger

CLAIM = 500
"""Timers per transaction."""
LATE_SECONDS = 60.0
"""Timers that wait longer than this are late."""

_WORDS = {"fired": ReminderFired.TYPE, "cancelled": ReminderCancelled.TYPE, "planned": ReminderPlanned.TYPE}
_TICK_SECONDS = 1.0
_MAX_BACKOFF_SECONDS = 10.0
_logger = get_logger(__name__)


class Timers:
    """The loop over due timers. `clock` says what is due; a fired one's message may leave at once."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        *,
        channel: str,
        when_queued: Callable[[], None] = lambda: None,
        needing_consent: Collection[str] = NEEDING_CONSENT,
    ) -> None:
        self._needing_consent = needing_consent
        self._log = log
        self._clock = clock
        self._channel = channel
        self._when_queued = when_queued
        self._moved = asyncio.Event()

    def wake(self) -> None:
        """Says that the clock was moved or something was planned."""
        self._moved.set()

    async def run(self) -> None:
        """Fires until it is cancelled. Failures of a server are tried again for ever with a backoff of up to 10 s."""
        delay = _TICK_SECONDS
        while True:
            self._moved.clear()
            try:
                await self.fire_due()
                delay = _TICK_SECONDS
            except Exception as error:  # noqa: BLE001 - whatever fails, the next round is a whole one
                delay = min(delay * 2, _MAX_BACKOFF_SECONDS)
                _logger.warning("firing failed, trying again", error=type(error).__name__, retry_in=delay)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._moved.wait()

    async def fire_due(self) -> dict[str, int]:
        """Ends everything that is due now; how many were fired, cancelled and planned anew. Raises Unavailable."""
        total: Tally = Counter()
        while True:
            done, tally = await self._log.in_thread(self._round)
            total += tally
            if tally:
                self._when_queued()
            if done < CLAIM:
                break
        return {word: sum(n for (name, _), n in total.items() if name == event) for word, event in _WORDS.items()}

    async def punctual(self) -> str:
        """ "ok", or for how long the longest due timer has been waiting if that is more than LATE_SECONDS."""

        def read() -> float:
            now = self._clock.now()
            with self._log.transaction() as tx:
                oldest = store.oldest_due(tx.cursor, now)
            return 0.0 if oldest is None else (now - oldest).total_seconds()

        late = await self._log.in_thread(read)
        return "ok" if late <= LATE_SECONDS else f"{late:.0f} s late"

    def _round(self) -> tuple[int, Tally]:
        now = self._clock.now()
        with self._log.transaction() as tx:
            if store.oldest_due(tx.cursor, now) is None:
                return 0, Counter()
            tx.lock()
            due = store.claim_due(tx.cursor, now, CLAIM)
            tally = self._end(tx, due, now) if due else Counter()
            crash_here("timers.before_commit")
        crash_here("timers.after_commit")
        reporting.count(tally)
        return len(due), tally

    def _end(self, tx: Transaction, due: Sequence[Timer], now: datetime) -> Tally:
        customers = {timer.customer for timer in due}
        erased = customers - self._log.keyring.fetch(customers).keys()
        book = Book(store.timers_of(tx.cursor, customers), now)
        refusals = self._refusals(tx, due)
        for timer in due:
            later = postponed(timer, now) or held(timer, refusals.get(timer.reminder_id), now)
            if later is not None:
                book.amend(later)
        due = [timer for timer in due if timer.reminder_id not in book.changed]
        identities = store.identities(tx.cursor, customers)
        greeted = _greeted(tx.cursor, due, identities)
        endings = list(end_due(book, due, identities=identities, greeted=greeted, erased=erased, refusals=refusals))
        sources = store.records_at(tx.cursor, [(timer.stream, timer.seq) for timer in due])
        endings = _append(tx, book, {timer.reminder_id: timer for timer in due}, endings, sources)
        store.save_timers(tx.cursor, book.changed.values())
        store.queue(tx.cursor, [self._delivery(e.change.timer) for e in endings if e.fired])
        for customer in sorted(erased):
            store.purge(tx.cursor, customer)
        return _tally(endings)

    def _refusals(self, tx: Transaction, due: Sequence[Timer]) -> dict[str, str]:
        said = store.words_of(tx.cursor, {timer.customer for timer in due})
        found = {
            timer.reminder_id: refusal(
                said.get(timer.customer, ()), timer.purpose, self._channel, self._needing_consent
            )
            for timer in due
        }
        return {reminder: reason for reminder, reason in found.items() if reason is not None}

    def _delivery(self, timer: Timer) -> store.Delivery:
        return store.Delivery(
            causes.message_id(timer, self._channel), timer.reminder_id, timer.customer, timer.kind, self._channel
        )


def _append(
    tx: Transaction, book: Book, due: Mapping[str, Timer], endings: Sequence[Ending], sources: Mapping[str, Record]
) -> list[Ending]:
    """Writes the endings that the log takes. One whose occasion another reminder holds is cancelled."""
    kept: list[Ending] = []
    instead: list[Ending] = []
    commits = [_commit(ending.change, sources[ending.change.stream], ending.reserve) for ending in endings]
    for ending, answer in zip(endings, tx.append(commits), strict=True):
        if isinstance(answer, AlreadyReserved):
            book.amend(due[ending.change.timer.reminder_id])
            instead.append(replace(already_greeted(book, due[ending.change.timer.reminder_id]), renewal=ending.renewal))
        elif isinstance(answer, CustlogError):
            # It stays due and is shown as late: what the log holds of it is not what the timer says.
            _drop(book, (ending.change, *ending.renewal), answer)
        else:
            kept.append(ending)
    kept += instead
    follow = [(e.change, sources[e.change.stream], 1) for e in instead]
    follow += [(change, sources[e.change.stream], 0) for e in kept for change in e.renewal]
    answers = tx.append([_commit(change, source, deeper=deeper) for change, source, deeper in follow])
    for (change, _, _), answer in zip(follow, answers, strict=True):
        if isinstance(answer, CustlogError):
            _drop(book, (change,), answer)
    return kept


def _commit(change: Change, source: Record, reserve: tuple[str, ...] = (), *, deeper: int = 1) -> Commit:
    return causes.commit(_cause(change, source, deeper), change, reserve=reserve)


def _cause(change: Change, source: Record, deeper: int) -> Cause:
    return causes.following(change.timer.kind, source, purpose=change.timer.purpose, deeper=deeper)


def _drop(book: Book, changes: Sequence[Change], error: CustlogError) -> None:
    for change in changes:
        book.forget(change.timer)
        _logger.error("timer refused by the log", reminder=change.timer.reminder_id, error=type(error).__name__)


def _greeted(cursor: Cursor[Any], due: Sequence[Timer], identities: Mapping[str, str]) -> set[str]:
    people = {
        (identities.get(timer.customer, timer.customer), timer.local_date.year)
        for timer in due
        if timer.birthday is not None
    }
    return {occasion(identity, year) for identity, year in store.greeted(cursor, people)}


def _tally(endings: Sequence[Ending]) -> Tally:
    changes = [change for ending in endings for change in (ending.change, *ending.renewal)]
    return Counter((event.TYPE, change.timer.kind) for change in changes for event in change.events)
