"""Commands and questions about single reminders; repeated commands get their first answer again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from services.notifications import reporting, store
from services.notifications.causes import append
from services.notifications.domain import REMINDER, Cancel, CancelReminder, Plan, PlanFollowUp, Reminder
from services.notifications.rules.timer import Book, Timer, stream_of
from shared.clock import Clock
from shared.errors import CommandReused, CustlogError, NotFound
from shared.eventlog.commit import Commit, Committed, fingerprint
from shared.eventlog.log import Log
from shared.events.envelope import Actor, Cause
from shared.ids import derive


@dataclass(frozen=True, slots=True)
class Context:
    """Who sends a command, through what, for which purpose, and under which id it is remembered."""

    actor: Actor
    channel: str
    purpose: str
    correlation: str
    command: str

    def cause(self) -> Cause:
        return Cause(self.actor, self.channel, self.purpose, self.command, self.correlation, self.command)


@dataclass(frozen=True, slots=True)
class Found:
    """A reminder as its stream tells it."""

    id: str
    customer: str
    version: int
    reminder: Reminder


class Application:
    """The commands of the notifications service.

    Every call raises the refusals of the decider, NotFound, CommandReused (reject) and Unavailable (retry under the
    same command id: nothing was half-done).
    """

    def __init__(self, log: Log, clock: Clock, zone: str) -> None:
        self._log = log
        self._clock = clock
        self._zone = zone

    async def plan_follow_up(self, command: PlanFollowUp, context: Context) -> Mapping[str, Any]:
        """Plans a reminder; its id and version. NotFound if the customer is unknown or erased."""
        reminder_id = derive("reminder", command.kind, context.command)
        remembered = fingerprint(command.customer, command)
        return await self._answered(
            context, remembered, lambda: self._plan_now(reminder_id, command, context, remembered)
        )

    async def cancel(self, reminder_id: str, command: CancelReminder, context: Context) -> Mapping[str, Any]:
        """Takes a planned reminder back; its id and version. Conflict if it has ended already."""
        remembered = fingerprint(reminder_id, command)
        order = Cancel(reminder_id, command.reason)
        return await self._answered(context, remembered, lambda: self._change(None, order, context, remembered))

    async def find(self, reminder_id: str) -> Found:
        """One reminder, personal fields `Erased` where the customer's key is gone."""
        history = await self._log.load(stream_of(reminder_id))
        if not history:
            raise NotFound(f"there is no reminder {reminder_id}; check the id")
        state = REMINDER.fold(recorded.data for recorded in history)
        return Found(reminder_id, history[0].customer, len(history), state)

    async def _answered(self, context: Context, remembered: bytes, work: Callable[[], Committed]) -> Mapping[str, Any]:
        try:
            committed = await self._log.in_thread(work)
        except CustlogError as refused:
            # A repeated command meets the state that its first run made; its answer is the first one all the same.
            (known,) = await self._log.recall([(context.command, remembered)])
            if isinstance(known, CommandReused):
                raise known from refused
            if known is None:
                raise
            return known.result
        return committed.result

    def _plan_now(self, reminder_id: str, command: PlanFollowUp, context: Context, remembered: bytes) -> Committed:
        # Every registered customer has personal fields and so a key; asking for one must not make one.
        if command.customer not in self._log.keyring.fetch({command.customer}):
            raise NotFound(f"customer {command.customer} is unknown here or was erased; check the id")
        local_date = command.due_at.astimezone(ZoneInfo(self._zone)).date()
        plan = Plan(reminder_id, "follow_up", command.due_at, local_date, self._zone, command.assignee, command.note)
        timer = Timer(reminder_id, command.customer, "follow_up", command.due_at, local_date, self._zone)
        timer = replace(timer, purpose=context.purpose)
        return self._change(timer, plan, context, remembered)

    def _change(self, fresh: Timer | None, command: Plan | Cancel, context: Context, remembered: bytes) -> Committed:
        with self._log.transaction() as tx:
            tx.lock()
            timer = fresh or store.timers_by_id(tx.cursor, [command.reminder_id]).get(command.reminder_id)
            if timer is None:
                raise NotFound(f"there is no reminder {command.reminder_id}; check the id")
            book = Book([timer], self._clock.now())
            change = book.decide(timer, command)
            if change is None:
                raise AssertionError("planning and cancelling always lead to an event")
            result = {"id": command.reminder_id, "version": change.timer.seq}
            commit = Commit(context.cause(), (append(change),), digest=remembered, result=result)
            (answer,) = tx.append([commit])
            if isinstance(answer, CustlogError):
                raise answer
            if not answer.replayed:
                store.save_timers(tx.cursor, book.changed.values())
        if not answer.replayed:
            reporting.count({(event.TYPE, timer.kind): 1 for event in change.events})
        return answer
