"""Carries out approved erasures: into the ledger, the key destroyed, the erasure said. Each step can be repeated.

What the ledger has and the log does not, because an older backup of the log was restored, is said again at the start.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

from services.customer.application import Application, Context
from services.customer.domain.erasure_commands import RecordErasure, RecordFormerErasure
from shared.crash import crash_here
from shared.eventlog.mapper import Record
from shared.events.envelope import Actor
from shared.ids import derive, uuid7
from shared.log import get_logger
from shared.privacy.ledger import Ledger, LedgerDamaged

Approved: TypeAlias = Callable[[int, int], Sequence[tuple[int, Record]]]
"""(index of the log, limit) -> the approvals behind it that are not carried out yet, in order. Blocks."""
Unsaid: TypeAlias = Callable[[Sequence[str]], Sequence[str]]
"""Customers -> those of them that the log knows and of whose erasure it says nothing. Blocks."""

ACTOR = Actor(id="eraser", kind="service")
AT_ONCE = 100
TICK_SECONDS = 1.0
_MANY = 10_000
_MAX_BACKOFF_SECONDS = 10.0
_logger = get_logger(__name__)


class Eraser:
    """The loop over approved erasures. Several processes may run it: what one has done, the others find done."""

    def __init__(self, application: Application, ledger: Ledger, approved: Approved, unsaid: Unsaid) -> None:
        self._application = application
        self._ledger = ledger
        self._approved = approved
        self._unsaid = unsaid
        self._done = 0
        self._is_said = False
        self._trouble = ""

    async def state(self) -> str:
        """ "ok", or why approved erasures are not carried out just now."""
        return f"retrying: {self._trouble}" if self._trouble else "ok"

    async def run(self) -> None:
        """Erases until it is cancelled. Failures are tried again for ever, but for LedgerDamaged (stop)."""
        delay = TICK_SECONDS
        while True:
            try:
                if not self._is_said:
                    await self.say_former()
                    self._is_said = True
                await self.erase_approved()
                delay, self._trouble = TICK_SECONDS, ""
            except LedgerDamaged:
                raise
            except Exception as error:  # noqa: BLE001 - whatever fails, who was promised to be erased must be
                delay, self._trouble = min(delay * 2, _MAX_BACKOFF_SECONDS), type(error).__name__
                _logger.warning("erasing failed, trying again", error=self._trouble, retry_in=delay)
            await asyncio.sleep(delay)

    async def say_former(self) -> int:
        """Records the erasures that are in the ledger and not in the log. Answers how many.

        The keys are gone already (see `keep_erased`); consumers take away what they derived once the log says it.
        Raises as `erase_approved`.
        """
        subjects = await asyncio.to_thread(self._ledger.subjects)
        count = 0
        for start in range(0, len(subjects), _MANY):
            some = subjects[start : start + _MANY]
            for subject in await self._application.log.in_thread(lambda: self._unsaid(some)):  # noqa: B023 - at once
                command = derive("command", ACTOR.id, "ledger", subject)
                said = Context(ACTOR, "system", "erasure", uuid7(), command, command)
                await self._application.execute("customer", subject, RecordFormerErasure(), said)
                _logger.warning("an erasure that the restored log did not know is recorded", customer=subject)
                count += 1
        return count

    async def erase_approved(self) -> int:
        """Carries out what is approved now, the earliest first. Answers how many.

        Raises Unavailable and OSError (retry) and LedgerDamaged (stop); what is done then stays done.
        """
        count = 0
        while found := await self._application.log.in_thread(lambda: self._approved(self._done, AT_ONCE)):
            for position, approval in found:
                await self._erase(approval)
                self._done = position
                count += 1
        return count

    async def _erase(self, approval: Record) -> None:
        subject = approval.customer
        # First where no restored backup can take it back: an entry without a destroyed key is applied at any start.
        await asyncio.to_thread(self._ledger.add, subject, self._application.clock.now())
        crash_here("erasing.after_ledger")
        await asyncio.to_thread(self._application.log.keyring.bury, [subject])
        crash_here("erasing.after_destroy")
        command = derive("command", ACTOR.id, subject)
        said = Context(ACTOR, "system", "erasure", approval.correlation, command, approval.id)
        await self._application.execute("customer", subject, RecordErasure(), said)
        crash_here("erasing.after_record")
        _logger.info("customer erased", customer=subject)
