"""From consumed events to messages, on a real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import orjson
import pytest

from services.notifications import store
from services.notifications.application import Context
from services.notifications.domain import PlanFollowUp
from shared.events.customer import (
    BirthDateSet,
    ConsentGiven,
    ConsentWithdrawn,
    CustomerArchived,
    CustomerErased,
    CustomerRestored,
    ObjectionRaised,
    ObjectionWithdrawn,
    ProcessingRestricted,
    RestrictionLifted,
    Tagged,
)
from shared.events.notifications import MessageFailed, ReminderCancelled, ReminderPlanned
from tests.notifications.bench import ZONE, Bench, asked

pytestmark = pytest.mark.server
PLANNED, CANCELLED, FIRED = "reminder.planned", "reminder.cancelled", "reminder.fired"
SENT, FAILED = "message.sent", "message.failed"


async def test_a_customer_with_a_birth_date_gets_a_reminder_at_nine_local_time(bench: Bench) -> None:
    customer = await bench.register(date(1980, 3, 1))

    await bench.follow()

    (event,) = await bench.events()
    assert isinstance(event.data, ReminderPlanned)
    assert event.data.due_at == bench.clock.now().replace(year=2027, month=3, day=1, hour=8)
    assert (event.data.local_date, event.data.zone, event.customer) == (date(2027, 3, 1), ZONE, customer)


async def test_a_planned_reminder_names_the_rule_and_the_event_it_follows_from(bench: Bench) -> None:
    customer = await bench.register(date(1980, 3, 1))
    (source,) = await bench.customers.log.load(f"customer-{customer}")

    await bench.follow()

    (event,) = await bench.events()
    assert (event.actor.kind, event.actor.id) == ("rule", "birthday.v1")
    assert (event.correlation, event.causation, event.depth) == (source.correlation, source.id, source.depth + 1)


async def test_customers_without_birth_date_and_other_events_lead_to_nothing(bench: Bench) -> None:
    customer = await bench.register()
    await bench.tell(customer, Tagged(added=("a",)))

    await bench.follow()

    assert await bench.events() == []


async def test_a_redelivered_batch_plans_once(bench: Bench) -> None:
    customer = await bench.register(date(1980, 3, 1))
    records = bench.customers.news()

    await bench.consumer.handle(list(records))
    again = await bench.consumer.handle(list(records))

    assert again.duplicates == 1
    assert await bench.told(customer) == [PLANNED]


async def test_an_erased_birth_date_leads_to_nothing(bench: Bench) -> None:
    customer = await bench.register(date(1980, 3, 1))
    bench.log.keyring.destroy(customer)

    await bench.follow()

    assert await bench.events() == []


async def test_a_corrected_birth_date_moves_the_reminder(bench: Bench) -> None:
    customer = await bench.register(date(1980, 3, 1))
    await bench.tell(customer, BirthDateSet(birth_date=date(1980, 5, 2)))

    await bench.follow()

    assert await bench.told(customer) == [PLANNED, CANCELLED, PLANNED]
    assert [(t.local_date, t.status) for t in await bench.timers_of(customer)] == [(date(2027, 5, 2), "planned")]


async def test_a_removed_birth_date_cancels_and_a_restoration_brings_nothing_back(bench: Bench) -> None:
    customer = await bench.register(date(1980, 3, 1))
    await bench.tell(customer, BirthDateSet(birth_date=None))
    await bench.tell(customer, CustomerArchived(reason="x"), CustomerRestored(reason="x"))

    await bench.follow()

    assert await bench.told(customer) == [PLANNED, CANCELLED]


async def test_an_archived_customer_is_not_greeted_until_it_is_restored(bench: Bench) -> None:
    customer = await bench.register(date(1980, 3, 1))
    await bench.tell(customer, CustomerArchived(reason="moved"))
    await bench.follow()
    bench.at("2027-03-01T12:00Z")

    assert await bench.timers.fire_due() == {"fired": 0, "cancelled": 0, "planned": 0}

    await bench.tell(customer, CustomerRestored(reason="back"))
    await bench.follow()
    assert (await bench.timers.fire_due())["fired"] == 1


async def test_nothing_fires_early(bench: Bench) -> None:
    await bench.register(date(1980, 3, 1))
    await bench.follow()
    bench.at("2027-03-01T07:59:59.999999Z")

    assert (await bench.timers.fire_due())["fired"] == 0

    bench.clock.advance(timedelta(microseconds=1))
    assert await bench.timers.fire_due() == {"fired": 1, "cancelled": 0, "planned": 1}


async def test_a_reminder_planned_under_older_rules_of_its_zone_waits_for_nine_by_the_present_ones(
    bench: Bench,
) -> None:
    customer = await bench.register(date(1980, 3, 1))
    await bench.follow()
    await bench.execute("UPDATE timers SET due_at = due_at - interval '1 hour'")
    bench.at("2027-03-01T07:30Z")

    assert (await bench.timers.fire_due())["fired"] == 0

    (timer,) = await bench.timers_of(customer)
    assert timer.due_at.isoformat() == "2027-03-01T08:00:00+00:00"
    bench.at("2027-03-01T08:00Z")
    assert (await bench.timers.fire_due())["fired"] == 1


async def test_a_fired_reminder_plans_the_next_year_and_leaves_one_file(bench: Bench) -> None:
    customer = await bench.register(date(1980, 2, 29))
    await bench.follow()
    bench.at("2027-03-01T00:00Z")

    await bench.timers.fire_due()
    counts = await bench.deliveries.send_due()

    assert counts == {"sent": 1, "failed": 0}
    assert sorted(await bench.told(customer)) == sorted([PLANNED, FIRED, PLANNED, SENT])
    assert [t.local_date for t in await bench.timers_of(customer)] == [date(2027, 2, 28), date(2028, 2, 29)]
    (file,) = bench.spooled()
    reminder = (await bench.timers_of(customer))[0].reminder_id
    assert orjson.loads(file.read_bytes()) == {
        "id": file.stem,
        "reminder": reminder,
        "customer": customer,
        "kind": "birthday",
    }


async def test_an_outage_of_years_ends_with_one_late_greeting(bench: Bench) -> None:
    customer = await bench.register(date(1980, 3, 1))
    await bench.follow()
    bench.at("2030-06-01T00:00Z")

    assert (await bench.timers.fire_due())["fired"] == 1
    assert [t.local_date for t in await bench.timers_of(customer)] == [date(2027, 3, 1), date(2031, 3, 1)]


async def test_what_follows_from_a_reminder_carries_its_correlation(bench: Bench) -> None:
    await bench.register(date(1980, 3, 1))
    await bench.follow()
    bench.at("2027-03-01T12:00Z")
    await bench.timers.fire_due()
    await bench.deliveries.send_due()

    planned, fired, renewed, sent = await bench.events()

    assert {event.correlation for event in (planned, fired, renewed, sent)} == {planned.correlation}
    assert (fired.causation, renewed.causation, sent.causation) == (planned.id, planned.id, fired.id)
    assert [event.depth for event in (planned, fired, renewed, sent)] == [1, 2, 1, 3]


async def test_customers_known_to_be_one_are_greeted_once(bench: Bench) -> None:
    a, b = await bench.register(date(1980, 3, 1)), await bench.register(date(1980, 3, 1))
    await bench.link(a, b)
    await bench.follow()
    bench.at("2027-03-01T12:00Z")

    assert await bench.timers.fire_due() == {"fired": 1, "cancelled": 1, "planned": 2}

    reasons = [t.reason for c in (a, b) for t in await bench.timers_of(c) if t.status == "cancelled"]
    assert reasons == ["already_greeted"]


async def test_a_customer_greeted_before_it_was_linked_counts_for_the_identity(bench: Bench) -> None:
    a, b = await bench.register(date(1980, 3, 1)), await bench.register(date(1980, 3, 5))
    await bench.follow()
    bench.at("2027-03-02T00:00Z")
    await bench.timers.fire_due()
    await bench.link(b, a)
    await bench.follow()
    bench.at("2027-03-06T00:00Z")

    assert await bench.timers.fire_due() == {"fired": 0, "cancelled": 1, "planned": 1}


async def test_the_reservation_holds_where_the_table_knows_nothing(bench: Bench) -> None:
    a, b = await bench.register(date(1980, 3, 1)), await bench.register(date(1980, 3, 5))
    await bench.link(a, b)
    await bench.follow()
    bench.at("2027-03-02T00:00Z")
    await bench.timers.fire_due()

    def forget() -> None:
        with bench.log.transaction() as tx:
            store.purge(tx.cursor, a)

    await bench.log.in_thread(forget)
    await bench.link(a, b)
    await bench.follow()
    bench.at("2027-03-06T00:00Z")

    assert await bench.timers.fire_due() == {"fired": 0, "cancelled": 1, "planned": 1}
    assert [t.status for t in await bench.timers_of(b)] == ["cancelled", "planned"]


async def test_an_erased_customer_is_not_greeted_and_leaves_no_timer(bench: Bench) -> None:
    customer = await bench.register(date(1980, 3, 1))
    await bench.follow()
    bench.log.keyring.destroy(customer)
    bench.at("2027-03-02T00:00Z")

    assert await bench.timers.fire_due() == {"fired": 0, "cancelled": 1, "planned": 0}
    assert await bench.timers_of(customer) == []


async def test_an_erasure_that_is_told_ends_what_is_planned_and_leaves_nothing_of_the_customer(bench: Bench) -> None:
    customer, other = [await bench.register(date(1980, 3, 1)) for _ in range(2)]
    await bench.follow()
    bench.log.keyring.destroy(customer)
    await bench.tell(customer, CustomerErased())

    await bench.follow()

    assert await bench.timers_of(customer) == []
    assert len(await bench.timers_of(other)) == 1
    assert await bench.told(customer) == ["reminder.planned", "reminder.cancelled"]


async def test_a_customer_who_is_erased_in_the_batch_that_registers_them_leaves_nothing(bench: Bench) -> None:
    customer = await bench.register(date(1980, 3, 1))
    await bench.tell(customer, CustomerErased())

    await bench.follow()

    assert await bench.timers_of(customer) == []
    assert await bench.told(customer) == ["reminder.planned", "reminder.cancelled"]


async def test_a_purge_removes_everything_about_one_customer_only(bench: Bench) -> None:
    a, b, c = [await bench.register(date(1980, 3, 1)) for _ in range(3)]
    await bench.tell(c, BirthDateSet(birth_date=None))
    await bench.link(c, a)
    await bench.follow()
    bench.at("2027-03-02T00:00Z")
    await bench.timers.fire_due()

    def purge() -> int:
        with bench.log.transaction() as tx:
            return store.purge(tx.cursor, a)

    # Two timers, one message on its way, one membership.
    assert await bench.log.in_thread(purge) == 4
    assert await bench.log.in_thread(purge) == 0
    assert await bench.timers_of(a) == []
    assert len(await bench.timers_of(b)) == 2


async def test_many_due_timers_are_fired_over_several_transactions(bench: Bench) -> None:
    await bench.register_many(1100, date(1980, 3, 1))
    await bench.follow()
    bench.at("2027-03-02T00:00Z")

    assert await bench.timers.fire_due() == {"fired": 1100, "cancelled": 0, "planned": 1100}
    assert await bench.timers.fire_due() == {"fired": 0, "cancelled": 0, "planned": 0}


async def test_a_follow_up_fires_once_and_sends_one_message(bench: Bench) -> None:
    customer = await bench.register()
    due = bench.clock.now() + timedelta(days=1)
    await bench.application.plan_follow_up(PlanFollowUp(customer=customer, due_at=due, note="call back"), asked())
    bench.clock.advance(timedelta(days=2))

    assert await bench.timers.fire_due() == {"fired": 1, "cancelled": 0, "planned": 0}
    assert await bench.deliveries.send_due() == {"sent": 1, "failed": 0}
    assert b"call back" not in bench.spooled()[0].read_bytes()
    assert await bench.told(customer) == [PLANNED, FIRED, SENT]


def marketing() -> Context:
    return replace(asked(), purpose="marketing")


CONSENT = ConsentGiven(purpose="marketing", channel="spool", text_version="v1")
WITHDRAWN = ConsentWithdrawn(purpose="marketing", channel="spool")
RESTRICTED = ProcessingRestricted(reason="contested")
LIFTED = RestrictionLifted(reason="verified")


async def test_a_marketing_reminder_is_sent_with_consent_for_purpose_and_channel_only(bench: Bench) -> None:
    willing, silent = await bench.register(), await bench.register()
    await bench.tell(willing, CONSENT)
    await bench.tell(silent, ConsentGiven(purpose="marketing", channel="email", text_version="v1"))
    await bench.follow()
    for customer in (willing, silent):
        await bench.application.plan_follow_up(PlanFollowUp(customer=customer, due_at=bench.clock.now()), marketing())

    assert await bench.timers.fire_due() == {"fired": 1, "cancelled": 1, "planned": 0}
    assert await bench.deliveries.send_due() == {"sent": 1, "failed": 0}

    assert await bench.told(willing) == [PLANNED, FIRED, SENT]
    assert await bench.told(silent) == [PLANNED, CANCELLED]
    assert {event.purpose for event in await bench.events()} == {"marketing"}
    assert [timer.reason for timer in await bench.timers_of(silent)] == ["no_consent"]


async def test_consent_withdrawn_before_it_is_due_cancels_and_says_why(bench: Bench) -> None:
    customer = await bench.register()
    await bench.tell(customer, CONSENT)
    await bench.follow()
    due = bench.clock.now() + timedelta(days=1)
    await bench.application.plan_follow_up(PlanFollowUp(customer=customer, due_at=due), marketing())
    await bench.tell(customer, WITHDRAWN)
    await bench.follow()
    bench.clock.set(due)

    await bench.timers.fire_due()

    assert await bench.told(customer) == [PLANNED, CANCELLED]
    assert [event.data.reason for event in await bench.events() if isinstance(event.data, ReminderCancelled)] == [
        "consent_withdrawn"
    ]


async def test_consent_withdrawn_after_it_came_due_stops_the_message_that_was_not_sent_yet(bench: Bench) -> None:
    customer = await bench.register()
    await bench.tell(customer, CONSENT)
    await bench.follow()
    await bench.application.plan_follow_up(PlanFollowUp(customer=customer, due_at=bench.clock.now()), marketing())
    await bench.timers.fire_due()
    await bench.tell(customer, WITHDRAWN)
    await bench.follow()

    assert await bench.deliveries.send_due() == {"sent": 0, "failed": 1}

    assert bench.spooled() == []
    last = (await bench.events())[-1].data
    assert isinstance(last, MessageFailed)
    assert (last.error, last.final) == ("consent_withdrawn", True)
    assert await bench.deliveries.send_due() == {"sent": 0, "failed": 0}


async def test_an_objection_stops_greetings_and_its_withdrawal_takes_them_up_again(bench: Bench) -> None:
    customer = await bench.register(date(1980, 3, 1))
    await bench.tell(customer, ObjectionRaised(purpose="customer_care"))
    await bench.follow()
    bench.at("2027-03-01T12:00Z")

    assert await bench.timers.fire_due() == {"fired": 0, "cancelled": 1, "planned": 1}

    await bench.tell(customer, ObjectionWithdrawn(purpose="customer_care"))
    await bench.follow()
    bench.at("2028-03-01T12:00Z")
    assert (await bench.timers.fire_due())["fired"] == 1


async def test_a_restricted_person_is_not_greeted_through_another_customer_either(bench: Bench) -> None:
    ann, again = await bench.register(date(1980, 3, 1)), await bench.register(date(1980, 3, 1))
    await bench.link(ann, again)
    await bench.tell(again, RESTRICTED)
    await bench.follow()
    bench.at("2027-03-01T12:00Z")

    assert await bench.timers.fire_due() == {"fired": 0, "cancelled": 2, "planned": 2}


async def test_a_follow_up_is_held_while_the_processing_is_restricted_and_fires_when_that_is_lifted(
    bench: Bench,
) -> None:
    customer = await bench.register()
    await bench.tell(customer, RESTRICTED)
    await bench.follow()
    await bench.application.plan_follow_up(PlanFollowUp(customer=customer, due_at=bench.clock.now()), asked())

    assert await bench.timers.fire_due() == {"fired": 0, "cancelled": 0, "planned": 0}
    assert [(timer.status, timer.reason) for timer in await bench.timers_of(customer)] == [("planned", "restricted")]
    bench.clock.set(bench.clock.now() + timedelta(days=2))
    assert (await bench.timers.fire_due())["fired"] == 0

    await bench.tell(customer, LIFTED)
    await bench.follow()
    assert (await bench.timers.fire_due())["fired"] == 1
    assert [(timer.status, timer.reason) for timer in await bench.timers_of(customer)] == [("fired", None)]
