"""Sends what was queued and records how it went; failures are tried again with a capped exponential back-off.

A message is sent outside any transaction. A crash before its result is recorded sends it again under the same id,
which its channel shows to the receiver once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.notifications import causes, reporting, store
from services.notifications.channels.channel import Channel, Failure, Message, Receipt
from services.notifications.domain import Command, NoteFailed, NoteSent
from services.notifications.rules.permission import NEEDING_CONSENT, refusal
from services.notifications.rules.timer import Book, Change
from services.notifications.store import Delivery
from shared import metrics
from shared.clock import Clock
from shared.crash import crash_here
from shared.errors import CustlogError
from shared.eventlog.log import Log, Transaction
from shared.log import get_logger

CLAIM = 200
LEASE = timedelta(minutes=2)
"""For how long a claimed message belongs to one process; longer than any channel may take."""
MAX_ATTEMPTS = 12
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(hours=1)

_TOGETHER = 16
_SEND_SECONDS = 60.0
_TICK_SECONDS = 1.0
_MAX_BACKOFF_SECONDS = 10.0
_logger = get_logger(__name__)


def pause_after(attempt: int) -> timedelta:
    """How long to wait after the n-th attempt (from 1)."""
    return min(FIRST_PAUSE * (1 << min(attempt - 1, 20)), LONGEST_PAUSE)


@dataclass(frozen=True, slots=True)
class Result:
    delivery: Delivery
    outcome: Receipt | Failure

    @property
    def attempt(self) -> int:
        return self.delivery.attempt + 1

    @property
    def final(self) -> bool:
        """Whether nobody tries again."""
        return isinstance(self.outcome, Receipt) or not self.outcome.retry or self.attempt >= MAX_ATTEMPTS

    def command(self) -> Command:
        sent = self.delivery
        if isinstance(self.outcome, Receipt):
            return NoteSent(sent.reminder_id, sent.message_id, sent.channel)
        return NoteFailed(sent.reminder_id, sent.message_id, sent.channel, self.outcome.error, self.attempt, self.final)


class Deliveries:
    """The loop over queued messages. `clock` tells decisions the present instant, and nothing else.

    When a message is tried goes by the database's clock: neither a moved test clock nor a jump of this machine's
    changes a lease or a back-off.
    """

    def __init__(
        self,
        log: Log,
        clock: Clock,
        channels: Mapping[str, Channel],
        *,
        needing_consent: Collection[str] = NEEDING_CONSENT,
    ) -> None:
        self._needing_consent = needing_consent
        self._log = log
        self._clock = clock
        self._channels = channels
        self._queued = asyncio.Event()

    def wake(self) -> None:
        """Says, on the event loop, that something was queued."""
        self._queued.set()

    async def run(self) -> None:
        """Sends until it is cancelled."""
        delay = _TICK_SECONDS
        while True:
            self._queued.clear()
            try:
                await self.send_due()
                delay = _TICK_SECONDS
            except Exception as error:  # noqa: BLE001 - claimed messages come back when their lease ends
                delay = min(delay * 2, _MAX_BACKOFF_SECONDS)
                _logger.warning("delivering failed, trying again", error=type(error).__name__, retry_in=delay)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._queued.wait()

    async def send_due(self) -> dict[str, int]:
        """Tries everything that is due now, once; how many were sent and how many failed. Raises Unavailable."""
        counts = {"sent": 0, "failed": 0}
        while claimed := await self._log.in_thread(self._claim):
            crash_here("delivery.after_claim")
            gate = asyncio.Semaphore(_TOGETHER)
            refused = await self._log.in_thread(lambda claimed=claimed: self._refused(claimed))  # type: ignore[misc]
            sent = [self._send(delivery, gate) for delivery in claimed if delivery.message_id not in refused]
            results = [*refused.values(), *await asyncio.gather(*sent)]
            crash_here("delivery.after_send")
            await self._log.in_thread(lambda results=results: self._record(results))  # type: ignore[misc]
            for result in results:
                counts["sent" if isinstance(result.outcome, Receipt) else "failed"] += 1
                _count(result)
            reporting.written(len(results))
        return counts

    def _claim(self) -> list[Delivery]:
        with self._log.transaction() as tx:
            return store.claim_deliveries(tx.cursor, LEASE, CLAIM)

    def _refused(self, claimed: Sequence[Delivery]) -> dict[str, Result]:
        """The messages that may not be sent any more: since they were queued the person said no."""
        with self._log.transaction() as tx:
            timers = store.timers_by_id(tx.cursor, [delivery.reminder_id for delivery in claimed])
            said = store.words_of(tx.cursor, {delivery.customer for delivery in claimed})
        found = {}
        for delivery in claimed:
            if timer := timers.get(delivery.reminder_id):
                words = said.get(delivery.customer, ())
                reason = refusal(words, timer.purpose, delivery.channel, self._needing_consent)
                if reason is not None:
                    found[delivery.message_id] = Result(delivery, Failure(reason, retry=False))
        return found

    async def _send(self, delivery: Delivery, gate: asyncio.Semaphore) -> Result:
        channel = self._channels.get(delivery.channel)
        if channel is None:
            return Result(delivery, Failure("no_such_channel"))
        message = Message(delivery.message_id, delivery.reminder_id, delivery.customer, delivery.kind)
        async with gate:
            try:
                async with asyncio.timeout(_SEND_SECONDS):
                    return Result(delivery, await channel.send(message))
            except Exception as error:  # one channel's defect may not hold up the others
                _logger.warning("channel failed", channel=delivery.channel, message=delivery.message_id, exc_info=error)
                return Result(delivery, Failure("channel_failed"))

    def _record(self, results: Sequence[Result]) -> None:
        now = self._clock.now()
        with self._log.transaction() as tx:
            tx.lock()
            still_open = store.lock_deliveries(tx.cursor, [result.delivery.message_id for result in results])
            results = _append(tx, [result for result in results if result.delivery.message_id in still_open], now)
            closed = [result.delivery.message_id for result in results if result.final]
            store.close_deliveries(tx.cursor, closed)
            store.retry_deliveries(
                tx.cursor,
                [(r.delivery.message_id, r.attempt, pause_after(r.attempt)) for r in results if not r.final],
            )


def _append(tx: Transaction, results: Sequence[Result], now: datetime) -> list[Result]:
    """Writes what became of the messages. Those that the log refuses are left out: they come back after their lease."""
    timers = store.timers_by_id(tx.cursor, [result.delivery.reminder_id for result in results])
    book = Book(timers.values(), now)
    changes: list[tuple[Result, Change]] = []
    for result in results:
        timer = timers.get(result.delivery.reminder_id)
        change = None if timer is None else book.decide(timer, result.command())
        if change is not None:
            changes.append((result, change))
    sources = store.records_at(tx.cursor, [(change.stream, change.expected) for _, change in changes])
    commits = [
        causes.commit(causes.following(change.timer.kind, sources[change.stream], purpose=change.timer.purpose), change)
        for _, change in changes
    ]
    taken = []
    for (result, change), answer in zip(changes, tx.append(commits), strict=True):
        if isinstance(answer, CustlogError):
            book.forget(change.timer)
            _logger.error("delivery refused", reminder=change.timer.reminder_id, error=type(answer).__name__)
        else:
            taken.append(result)
    store.save_timers(tx.cursor, book.changed.values())
    return taken


def _count(result: Result) -> None:
    if isinstance(result.outcome, Receipt):
        metrics.MESSAGES_SENT.labels(result.delivery.channel).inc()
    elif result.final:
        metrics.MESSAGES_FAILED.labels(result.delivery.channel).inc()
