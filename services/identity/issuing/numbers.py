"""Giving numbers, taking over those of an earlier system, and asking what a number means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.identity.issuing.commands import Assign, Assignment, KnownNumber, RowAnswer, TakeOver
from services.identity.issuing.desk import Decide, Decision, Desk
from shared.clock import Clock
from shared.eventlog.log import Log
from shared.events.envelope import Cause


class Numbers:
    """Every call raises Unavailable (retry); what was sent may be sent again and does nothing twice."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    async def assign(self, command: Assign, cause: Cause) -> list[RowAnswer]:
        """Gives numbers. Who has one of the same rule and scope keeps it; a number of another rule becomes an alias."""

        def decide(desk: Desk, row: Assignment) -> Decision:
            if row.number is not None:
                return desk.chosen(row.customer, row.number)
            return desk.next(row.customer, row.facts.facts(), command.rule)

        return await self._rows(command.rows, cause, decide)

    async def take_over(self, command: TakeOver, cause: Cause) -> list[RowAnswer]:
        """Takes over numbers of an earlier system; serials of ours go on above those that have a rule's form."""

        def decide(desk: Desk, row: KnownNumber) -> Decision:
            return desk.known(row)

        return await self._rows(command.rows, cause, decide)

    async def _rows(self, rows: Sequence[Any], cause: Cause, decide: Decide) -> list[RowAnswer]:
        def work() -> list[RowAnswer]:
            with self._log.transaction() as tx:
                tx.lock()
                desk = Desk(tx, self._clock.now(), rows)
                answers = [desk.take(row, decide) for row in rows]
                desk.write(cause)
                return answers

        return await self._log.in_thread(work)
