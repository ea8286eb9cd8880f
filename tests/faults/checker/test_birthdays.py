"""I7: birthday reminders that should be there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest

from shared.events.customer import BirthDateSet, CustomerArchived, CustomerRestored
from shared.events.envelope import ERASED, Contract
from shared.events.notifications import ReminderCancelled, ReminderFired, ReminderPlanned
from tests.faults.checker.birthdays import judge
from tests.faults.checker.evidence import Evidence, Parked
from tests.faults.checker.examples import ADA, BOB, evidence_of, linked
from tests.support.events import History, an_id, customer_registered

BORN = date(1990, 5, 17)
THIS, NEXT = date(2026, 5, 17), date(2027, 5, 17)
ARCHIVED = CustomerArchived(reason="moved-away")


def planned(day: date) -> ReminderPlanned:
    at = datetime.combine(day, time(9), UTC)
    return ReminderPlanned(reminder_id=_reminder(day), kind="birthday", due_at=at, local_date=day, zone="UTC")


def fired(day: date) -> ReminderFired:
    return ReminderFired(reminder_id=_reminder(day), kind="birthday")


def cancelled(day: date) -> ReminderCancelled:
    return ReminderCancelled(reminder_id=_reminder(day), reason="archived")


def run(*reminders: Contract, facts: tuple[Contract, ...] = (), born: date | None = BORN) -> Evidence:
    """Ada and what was planned for her."""
    history = History().tell(ADA, customer_registered(birth_date=born), *facts)
    for event in reminders:
        history.tell(ADA, event, stream=f"reminder-{event.reminder_id}")  # type: ignore[attr-defined]
    return evidence_of(history.events)


def said(evidence: Evidence) -> str:
    return " ".join(judge(evidence).violations)


def _reminder(day: date) -> str:
    return an_id(f"birthday {day.year}")


def test_everybody_with_a_birth_date_has_one_birthday_reminder_to_come() -> None:
    assert said(run(planned(THIS))) == ""
    assert said(run(planned(THIS), fired(THIS), planned(NEXT))) == ""
    assert judge(run(planned(THIS))).figures["birthdays"] == 1


def test_a_birthday_that_was_not_planned_or_not_planned_again_is_a_violation() -> None:
    assert f"Customer {ADA} is to be greeted and has 0 birthday reminders to come" in said(run())
    assert "has 0 birthday" in said(run(planned(THIS), fired(THIS)))
    assert "has 0 birthday" in said(run(planned(THIS), cancelled(THIS)))


def test_two_birthdays_to_come_are_a_violation() -> None:
    assert "has 2 birthday reminders to come" in said(run(planned(THIS), planned(NEXT)))


def test_nobody_greets_whom_it_should_not() -> None:
    assert said(run(born=None)) == ""
    assert said(run(planned(THIS), cancelled(THIS), facts=(ARCHIVED,))) == ""
    assert said(run(facts=(BirthDateSet(birth_date=None),))) == ""
    assert "is not to be greeted and has 1 birthday" in said(run(planned(THIS), facts=(ARCHIVED,)))


def test_a_restored_customer_is_greeted_again() -> None:
    facts = (ARCHIVED, CustomerRestored(reason="came-back"))

    assert said(run(planned(THIS), cancelled(THIS), planned(THIS), facts=facts)) == ""
    assert "has 0 birthday" in said(run(planned(THIS), cancelled(THIS), facts=facts))


@pytest.mark.parametrize(
    ("born", "day", "right"),
    [
        (BORN, date(2026, 5, 18), False),
        (date(1992, 2, 29), date(2027, 2, 28), True),
        (date(1992, 2, 29), date(2028, 2, 29), True),
        (date(1992, 2, 28), date(2028, 2, 29), False),
    ],
)
def test_a_reminder_for_another_day_is_a_violation(born: date, day: date, *, right: bool) -> None:
    assert ("is planned for another day" not in said(run(planned(day), born=born))) == right


def test_customers_who_are_one_person_are_planned_one_by_one() -> None:
    history = History().tell(ADA, customer_registered(birth_date=BORN)).tell(BOB, customer_registered(birth_date=BORN))
    history.tell(BOB, linked(ADA, BOB, (BOB, ADA)))
    history.tell(ADA, planned(THIS), stream=f"reminder-{_reminder(THIS)}")

    assert f"Customer {BOB} is to be greeted" in said(evidence_of(history.events))


def test_customers_whose_records_nobody_could_read_are_not_judged() -> None:
    missing = run()
    row = missing.logs["customer"][0]
    newer = replace(row, position=2, seq=2, event=None, trouble="UnknownEvent")

    assert said(replace(missing, parked={"notifications": [Parked("customer.events/0", 1, 0, ADA)]})) == ""
    assert said(replace(missing, logs={**missing.logs, "customer": [row, newer]})) == ""
    assert said(run(facts=(BirthDateSet(birth_date=ERASED),))) == ""
