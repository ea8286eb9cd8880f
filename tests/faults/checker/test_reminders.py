"""I7: reminders and what is in the spool."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from shared.events.envelope import Contract
from shared.events.notifications import MessageFailed, MessageSent, ReminderCancelled, ReminderFired
from shared.ids import derive
from tests.faults.checker.evidence import Evidence, Fault, Spooled
from tests.faults.checker.examples import ADA, MESSAGE, NOW, evidence_of, planned, whole
from tests.faults.checker.reminders import judge
from tests.support.events import History, an_id

ONE = an_id("one")
FIRED = ReminderFired(reminder_id=ONE, kind="follow_up")
CANCELLED = ReminderCancelled(reminder_id=ONE, reason="done")
ITS_MESSAGE = derive("message", ONE, "spool")
SENT = MessageSent(message_id=ITS_MESSAGE, reminder_id=ONE, channel="spool")
FILE = Spooled(ITS_MESSAGE, {"id": ITS_MESSAGE, "reminder": ONE})


def life(*events: Contract, spool: tuple[Spooled, ...] = (FILE,)) -> Evidence:
    return evidence_of(History().tell(ADA, *events, stream=f"reminder-{ONE}").events, spool=spool)


def said(evidence: Evidence) -> str:
    return " ".join(judge(evidence).violations)


def test_a_reminder_that_fired_once_and_was_seen_once_is_fine() -> None:
    assert said(whole()) == ""
    assert said(life(planned(ONE), FIRED, SENT)) == ""


def test_a_due_reminder_that_did_not_fire_is_a_violation() -> None:
    assert "is due and has not fired" in said(life(planned(ONE), spool=()))
    assert said(life(planned(ONE, timedelta(days=9)), spool=())) == ""
    assert said(life(planned(ONE), CANCELLED, spool=())) == ""


def test_a_reminder_that_fires_early_is_a_violation_unless_its_clock_jumped() -> None:
    early = life(planned(ONE, timedelta(days=1)), FIRED, SENT)
    jump = Fault(0, 1.0, "clock_jump", "notifications", "end", {"offset": 172800.0})

    assert "fired early, at notifications 2" in said(early)
    assert said(replace(early, faults=[jump])) == ""
    assert "fired early" in said(replace(early, faults=[replace(jump, target="identity")]))


def test_firing_twice_or_after_cancelling_is_a_violation() -> None:
    assert "fired 2 times" in said(life(planned(ONE), FIRED, FIRED, SENT))
    assert "fired when it was cancelled" in said(life(planned(ONE), CANCELLED, FIRED, SENT))
    assert "was cancelled when it was fired" in said(life(planned(ONE), FIRED, CANCELLED, SENT))


def test_a_message_that_was_sent_and_is_not_in_the_spool_is_a_violation() -> None:
    assert "is not in the spool" in said(life(planned(ONE), FIRED, SENT, spool=()))
    assert "noted as sent 2 times" in said(life(planned(ONE), FIRED, SENT, SENT))
    assert "is in the spool 2 times" in said(life(planned(ONE), FIRED, SENT, spool=(FILE, FILE)))
    assert "does not name reminder" in said(life(planned(ONE), FIRED, SENT, spool=(Spooled(ITS_MESSAGE, {}),)))


def test_a_message_on_its_way_is_no_violation_a_forgotten_one_is() -> None:
    fired = life(planned(ONE), FIRED, spool=())
    soon, long_ago = NOW + timedelta(seconds=60), NOW - timedelta(hours=1)

    assert said(replace(fired, deliveries={ITS_MESSAGE: soon})) == ""
    assert judge(replace(fired, deliveries={ITS_MESSAGE: soon})).figures["messages_queued"] == 1
    assert "neither sent nor queued" in said(fired)
    assert "neither sent nor queued" in said(replace(fired, deliveries={ITS_MESSAGE: long_ago}))


def test_a_message_that_waits_for_days_is_a_violation_even_if_a_clock_was_ahead() -> None:
    fired = life(planned(ONE), FIRED, spool=())
    in_two_days = replace(fired, deliveries={ITS_MESSAGE: NOW + timedelta(days=2)})
    jump = Fault(0, 1.0, "clock_jump", "notifications", "end", {"offset": 172800.0})

    for evidence in (in_two_days, replace(in_two_days, faults=[jump])):
        assert "neither sent nor queued" in said(evidence)


def test_a_message_that_was_given_up_is_a_violation() -> None:
    given_up = MessageFailed(
        message_id=ITS_MESSAGE, reminder_id=ONE, channel="spool", error="no_space", attempt=12, final=True
    )

    assert "was given up" in said(life(planned(ONE), FIRED, given_up, spool=()))


def test_a_message_without_a_fired_reminder_is_a_violation_unless_a_backup_was_restored() -> None:
    restored = Fault(0, 1.0, "restore", "postgres", "end", {"heads": {}, "backup_at": 1.0, "restored_at": 2.0})
    cancelled = life(planned(ONE), CANCELLED)

    assert "no reminder fired for it" in said(cancelled)
    assert said(replace(cancelled, faults=[restored])) == ""
    assert MESSAGE not in said(whole())
