"""One reminder: given what happened, when a command comes, then these events."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from hypothesis import given as for_all
from hypothesis import strategies as st

from services.notifications.domain import REMINDER, Cancel, Command, Fire, NoteFailed, NoteSent, Plan
from shared.errors import Conflict, CustlogError, NotFound
from shared.events.envelope import Contract
from shared.events.notifications import (
    MessageFailed,
    MessageSent,
    ReminderCancelled,
    ReminderFired,
    ReminderPlanned,
)
from tests.support.given import NOW, given

ID = "0190b0a0-0000-7000-8000-000000000001"
MESSAGE = "0190b0a0-0000-7000-8000-000000000002"
PLAN = Plan(ID, "birthday", NOW, date(2026, 11, 22), "Europe/Berlin")
PLANNED = ReminderPlanned(
    reminder_id=ID, kind="birthday", due_at=NOW, local_date=date(2026, 11, 22), zone="Europe/Berlin"
)
CANCELLED = ReminderCancelled(reminder_id=ID, reason="archived")
FIRED = ReminderFired(reminder_id=ID, kind="birthday")
SENT = MessageSent(message_id=MESSAGE, reminder_id=ID, channel="spool")
FAILED = MessageFailed(message_id=MESSAGE, reminder_id=ID, channel="spool", error="no_space", attempt=1, final=False)
GIVEN_UP = FAILED.model_copy(update={"attempt": 2, "final": True})
NOTE_SENT = NoteSent(ID, MESSAGE, "spool")


def test_a_plan_opens_the_reminder() -> None:
    given(REMINDER).when(PLAN).then(PLANNED)


def test_a_cancelled_reminder_can_be_planned_again() -> None:
    given(REMINDER, PLANNED, CANCELLED).when(PLAN).then(PLANNED)


def test_a_planned_or_fired_reminder_is_not_planned_again() -> None:
    given(REMINDER, PLANNED).when(PLAN).refused(Conflict)
    given(REMINDER, PLANNED, FIRED).when(PLAN).refused(Conflict)


def test_a_planned_reminder_is_cancelled_with_its_reason() -> None:
    given(REMINDER, PLANNED).when(Cancel(ID, "archived")).then(CANCELLED)


def test_an_ended_reminder_cannot_be_cancelled() -> None:
    given(REMINDER, PLANNED, CANCELLED).when(Cancel(ID, "archived")).refused(Conflict)
    given(REMINDER, PLANNED, FIRED).when(Cancel(ID, "archived")).refused(Conflict)


def test_what_was_never_planned_is_not_found() -> None:
    given(REMINDER).when(Cancel(ID, "archived")).refused(NotFound)
    given(REMINDER).when(Fire(ID)).refused(NotFound)


def test_a_due_reminder_fires() -> None:
    given(REMINDER, PLANNED).when(Fire(ID), NOW).then(FIRED)


def test_a_reminder_never_fires_early() -> None:
    given(REMINDER, PLANNED).when(Fire(ID), NOW - timedelta(microseconds=1)).refused(Conflict)


def test_a_reminder_fires_once_and_not_after_it_was_cancelled() -> None:
    given(REMINDER, PLANNED, FIRED).when(Fire(ID)).refused(Conflict)
    given(REMINDER, PLANNED, CANCELLED).when(Fire(ID)).refused(Conflict)


def test_a_message_is_noted_as_sent_once() -> None:
    given(REMINDER, PLANNED, FIRED).when(NOTE_SENT).then(SENT)
    given(REMINDER, PLANNED, FIRED, FAILED).when(NOTE_SENT).then(SENT)
    given(REMINDER, PLANNED, FIRED, SENT).when(NOTE_SENT).then()


def test_a_failure_is_noted_with_its_attempt_until_the_message_is_given_up() -> None:
    given(REMINDER, PLANNED, FIRED).when(NoteFailed(ID, MESSAGE, "spool", "no_space", 1, final=False)).then(FAILED)
    given(REMINDER, PLANNED, FIRED, FAILED).when(NoteFailed(ID, MESSAGE, "spool", "no_space", 2, final=True)).then(
        GIVEN_UP
    )
    given(REMINDER, PLANNED, FIRED, GIVEN_UP).when(NOTE_SENT).then()


def test_no_message_leaves_before_the_reminder_fired() -> None:
    given(REMINDER, PLANNED).when(NOTE_SENT).refused(Conflict)


commands = st.sampled_from(
    (PLAN, Cancel(ID, "archived"), Fire(ID), NOTE_SENT, NoteFailed(ID, MESSAGE, "spool", "no_space", 1, final=False))
)
moments = st.sampled_from((NOW - timedelta(days=1), NOW, NOW + timedelta(days=1)))


@for_all(st.lists(st.tuples(commands, moments), max_size=20))
def test_every_plan_is_ended_by_exactly_one_of_fired_and_cancelled(steps: list[tuple[Command, datetime]]) -> None:
    events: list[Contract] = []
    for command, now in steps:
        try:
            events.extend(REMINDER.decide(REMINDER.fold(events), command, now))
        except CustlogError:
            continue

    steps_told = [event for event in events if not isinstance(event, MessageSent | MessageFailed)]
    for place, event in enumerate(steps_told):
        assert isinstance(event, ReminderPlanned) == (place % 2 == 0)
    assert sum(isinstance(event, ReminderFired) for event in events) <= 1
    assert sum(isinstance(event, MessageSent) for event in events) <= 1
