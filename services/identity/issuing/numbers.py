"""Giving numbers, taking over those of an earlier system, and asking what a number means."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from services.identity import number_store
from services.identity.allocation import issuing
from services.identity.issuing.commands import MAX_ROWS, Assign, Assignment, KnownNumber, RowAnswer, TakeOver
from services.identity.issuing.desk import Decide, Decision, Desk
from services.identity.issuing.given import refused
from shared.clock import Clock
from shared.errors import Unavailable
from shared.eventlog.log import Log
from shared.events.envelope import Cause


@dataclass(frozen=True, slots=True)
class _Asked:
    rows: Sequence[Any]
    cause: Cause
    decide: Decide
    future: asyncio.Future[list[RowAnswer]]


class Numbers:
    """Commands that arrive while others are written are written together, in one transaction, each answered for itself.

    Every call raises Unavailable (retry); what was sent may be sent again and does nothing twice.
    """

    def __init__(self, log: Log, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._waiting: deque[_Asked] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def assign(self, command: Assign, cause: Cause) -> list[RowAnswer]:
        """Gives numbers. Who has one of the same rule and scope keeps it; a number of another rule becomes an alias.

        Raises NotFound for a rule that there is not, before any row is looked at.
        """
        if command.rule is not None:
            await self._log.in_thread(partial(self._check, command.rule))

        def decide(desk: Desk, row: Assignment) -> Decision:
            if row.number is not None:
                return desk.chosen(row.customer, row.number)
            return desk.next(row.customer, row.facts.facts, command.rule)

        return await self._rows(command.rows, cause, decide)

    async def take_over(self, command: TakeOver, cause: Cause) -> list[RowAnswer]:
        """Takes over numbers of an earlier system; serials of ours go on above those that have a rule's form."""

        def decide(desk: Desk, row: KnownNumber) -> Decision:
            return desk.known(row)

        known = [refused(row) for row in command.rows]
        sound = [row for row, answer in zip(command.rows, known, strict=True) if answer is None]
        decided = iter(await self._rows(sound, cause, decide) if sound else ())
        return [next(decided) if answer is None else answer for answer in known]

    def _check(self, rule_id: str) -> None:
        with self._log.transaction() as tx:
            issuing(number_store.rule_book(tx.cursor), rule_id)

    async def _rows(self, rows: Sequence[Any], cause: Cause, decide: Decide) -> list[RowAnswer]:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(rows, cause, decide, future))
        if self._writing is None:
            self._writing = asyncio.create_task(self._drain())
        answers: list[RowAnswer] = await future
        return answers

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._write_waiting()
        finally:
            # In the same step as the last look at what waits, or a caller that comes now would wait for nobody.
            self._writing = None

    async def _write_waiting(self) -> None:
        group: list[_Asked] = []
        room = MAX_ROWS
        while self._waiting and (not group or len(self._waiting[0].rows) <= room):
            group.append(self._waiting.popleft())
            room -= len(group[-1].rows)
        try:
            answers = await self._log.in_thread(lambda: self._write(group))
        except BaseException as error:
            # Every waiting caller gets the reason, also when this process is ending.
            ending = not isinstance(error, Exception)
            for asked in group:
                if not asked.future.done():
                    asked.future.set_exception(Unavailable("the identity service is stopping") if ending else error)
            if ending:
                raise
            return
        for asked, rows in zip(group, answers, strict=True):
            if not asked.future.done():  # its caller may have gone away
                asked.future.set_result(rows)

    def _write(self, group: Sequence[_Asked]) -> list[list[RowAnswer]]:
        with self._log.transaction() as tx:
            tx.lock()
            desk = Desk(tx, self._clock.now(), [row for asked in group for row in asked.rows])
            answers = [[desk.take(row, asked.decide, asked.cause) for row in asked.rows] for asked in group]
            desk.write()
            return answers
