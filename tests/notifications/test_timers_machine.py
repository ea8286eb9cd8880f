"""Reminders over any history: birth dates that change, archivings, merges, outages, odd clocks and leap days."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from services.notifications.application import Application, Context
from services.notifications.domain import CancelReminder, PlanFollowUp
from services.notifications.effects import Effects
from services.notifications.rules.birthday import MonthDay, occurrence
from services.notifications.timers import Timers
from shared.clock import TestClock
from shared.errors import Conflict
from shared.eventlog.mapper import parse
from shared.events.customer import BirthDateSet, CustomerArchived, CustomerRestored
from shared.events.envelope import Actor, Contract, Recorded
from shared.events.identity import Linked, Move, Separated
from shared.events.notifications import ReminderFired, ReminderPlanned
from shared.ids import uuid7
from tests.support.events import History, an_id, customer_registered
from tests.support.memory import at_once, in_memory
from tests.support.memory_log import MemoryLog

ZONES = ("Europe/Berlin", "America/Sao_Paulo", "Asia/Shanghai", "Australia/Lord_Howe")
CUSTOMERS = sorted(an_id(name) for name in ("ann", "ben", "carl"))
GREETING = time(9)

someone = st.sampled_from(CUSTOMERS)
days_of_birth = st.one_of(
    st.sampled_from([date(1980, 2, 29), date(1981, 2, 28), date(1990, 3, 1), date(1991, 12, 31), date(1992, 1, 1)]),
    st.dates(date(1930, 1, 1), date(2020, 12, 31)),
)
starts = st.datetimes(datetime(2015, 1, 1), datetime(2030, 1, 1))  # noqa: DTZ001 - made aware below
spans = st.one_of(
    st.timedeltas(timedelta(0), timedelta(hours=30)),
    st.timedeltas(timedelta(0), timedelta(days=400)),
    st.just(timedelta(days=365)),
)


class TimersMachine(RuleBasedStateMachine):
    """The real effects, timers and commands over a log in memory; the model is what a person would note on paper."""

    follow_ups = Bundle("follow_ups")

    def __init__(self) -> None:
        super().__init__()
        self.patches = ExitStack()
        self.patches.enter_context(in_memory())
        self.history = History()
        self.born: dict[str, date | None] = {}
        self.archived: set[str] = set()
        self.identity = {customer: customer for customer in CUSTOMERS}
        self.cancelled: set[str] = set()
        self.read = 0
        self.plans: dict[str, ReminderPlanned] = {}
        self.greetings: dict[tuple[str, int], str] = {}
        self.greeted_as: dict[tuple[str, int], list[str]] = defaultdict(list)

    def teardown(self) -> None:
        self.patches.close()

    @initialize(zone=st.sampled_from(ZONES), start=starts)
    def opens(self, zone: str, start: datetime) -> None:
        self.zone = zone
        self.clock = TestClock(start.replace(tzinfo=UTC))
        self.log = MemoryLog("notifications", clock=self.clock)
        self.log.keyring.ensure(CUSTOMERS)
        self.effects = Effects(self.clock, zone)
        self.timers = Timers(self.log, self.clock, channel="spool")
        self.application = Application(self.log, self.clock, zone)

    @rule(customer=someone, born=st.none() | days_of_birth)
    def a_birth_date_is_said(self, customer: str, born: date | None) -> None:
        if customer not in self.born:
            self._told(customer, customer_registered(birth_date=born))
        elif customer not in self.archived:
            self._told(customer, BirthDateSet(birth_date=born))
        else:
            return
        self.born[customer] = born

    @rule(customer=someone)
    def somebody_is_archived_or_restored(self, customer: str) -> None:
        if customer in self.archived:
            self.archived.remove(customer)
            self._told(customer, CustomerRestored(reason="x"))
        elif customer in self.born:
            self.archived.add(customer)
            self._told(customer, CustomerArchived(reason="x"))

    @rule(a=someone, b=someone)
    def two_are_linked(self, a: str, b: str) -> None:
        ours, theirs = self.identity[a], self.identity[b]
        if ours == theirs:
            return
        joining = [c for c in CUSTOMERS if self.identity[c] == max(ours, theirs)]
        moves = tuple(Move(customer=customer, identity=min(ours, theirs)) for customer in joining)
        self._moved(Linked(a=a, b=b, evidence=("x",), decided_by="test", moves=moves))

    @rule()
    def everybody_is_separated(self) -> None:
        moves = tuple(Move(customer=c, identity=c) for c in CUSTOMERS if self.identity[c] != c)
        if moves:
            self._moved(Separated(a=CUSTOMERS[0], b=moves[0].customer, reason="x", moves=moves))

    def _moved(self, event: Linked | Separated) -> None:
        self.identity |= {move.customer: move.identity for move in event.moves}
        self._told(event.a, event)

    def _told(self, customer: str, event: Contract) -> None:
        told = self.history.tell(customer, event).events[-1]
        with self.log.transaction() as tx:
            tx.lock()
            self.effects.take(tx, [told], self.log.keyring.fetch([customer]))

    @rule(target=follow_ups, customer=someone, span=spans)
    def a_follow_up_is_planned(self, customer: str, span: timedelta) -> object:
        if customer in self.archived:
            # Nobody forbids it, and it fires: what is archived later takes back only what is planned by then.
            return multiple()
        command = PlanFollowUp(customer=customer, due_at=self.clock.now() + span)
        return str(at_once(self.application.plan_follow_up(command, _asked()))["id"])

    @rule(reminder=follow_ups)
    def a_follow_up_is_cancelled(self, reminder: str) -> None:
        try:
            at_once(self.application.cancel(reminder, CancelReminder(), _asked()))
        except Conflict:
            return
        self.cancelled.add(reminder)

    @rule(span=spans)
    def time_passes(self, span: timedelta) -> None:
        self.clock.advance(span)

    @rule(seconds=st.integers(-1, 1), customer=someone)
    @precondition(lambda self: self.plans)
    def it_is_just_before_or_after_a_reminder(self, customer: str, seconds: int) -> None:
        coming = [plan.due_at for plan in self.plans.values() if isinstance(plan.due_at, datetime)]
        ahead = [due for due in coming if due > self.clock.now()]
        if ahead:
            self.clock.set(min(ahead) + timedelta(seconds=seconds))

    # A late greeting plans the next one, which may be due already: the second round takes it.
    @rule(rounds=st.integers(2, 3))
    def what_is_due_is_fired(self, rounds: int) -> None:
        for _ in range(rounds):
            at_once(self.timers.fire_due())
            self._look()
        for customer, born in self.born.items():
            planned = [t for t in self.log.tables["timers"].values() if t.customer == customer and t.birthday]
            waiting = [timer for timer in planned if timer.status == "planned"]
            assert all(timer.due_at > self.clock.now() for timer in waiting)
            assert len(waiting) == (born is not None and customer not in self.archived)

    @invariant()
    def the_log_keeps_what_a_person_would_have_noted(self) -> None:
        if hasattr(self, "log"):
            self._look()

    def _look(self) -> None:
        stored = self.log.read(self.read, 10_000)
        self.read += len(stored)
        for event in self.log.open_all([parse(item.state) for item in stored]):
            if isinstance(event.data, ReminderPlanned):
                self.plans[event.data.reminder_id] = event.data
            elif isinstance(event.data, ReminderFired):
                self._check(event, self.plans[event.data.reminder_id])

    def _check(self, fired: Recorded, plan: ReminderPlanned) -> None:
        assert isinstance(plan.due_at, datetime)
        assert self.clock.now() >= plan.due_at, "early"
        assert plan.reminder_id not in self.cancelled, "after it was cancelled"
        assert fired.customer not in self.archived, "after its customer was archived"
        if plan.kind != "birthday":
            return
        born = self.born[fired.customer]
        assert isinstance(born, date), "after its birth date was taken away"
        assert isinstance(plan.local_date, date)
        day = occurrence(MonthDay(born.month, born.day), plan.local_date.year)
        assert plan.local_date == day, "for another birth date"
        local = self.clock.now().astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        assert local >= datetime.combine(day, GREETING), "before nine in the morning"
        assert self.greetings.setdefault((fired.customer, day.year), plan.reminder_id) == plan.reminder_id, "twice"
        members = [c for c in CUSTOMERS if self.identity[c] == self.identity[fired.customer]]
        others = [c for c in members if c != fired.customer and (c, day.year) in self.greetings]
        assert not others, "to one person through two customers"


def _asked() -> Context:
    return Context(Actor(id="u1", kind="user"), "api", "service", uuid7(), uuid7())


def test_a_reminder_is_never_early_never_twice_and_never_after_it_was_cancelled() -> None:
    run_state_machine_as_test(TimersMachine, settings=settings(max_examples=40, stateful_step_count=40, deadline=None))
