"""Commands about single reminders: repeated ones, unknown customers, ended reminders."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.notifications.domain import CancelReminder, PlanFollowUp
from shared.errors import CommandReused, Conflict, NotFound
from shared.events.envelope import Erased
from shared.ids import uuid7
from tests.notifications.bench import START, Bench, asked

pytestmark = pytest.mark.server
DUE = START + timedelta(days=1)


async def test_a_repeated_command_gets_the_first_answer_and_plans_once(bench: Bench) -> None:
    customer, context = await bench.register(), asked()
    command = PlanFollowUp(customer=customer, due_at=DUE)

    first = await bench.application.plan_follow_up(command, context)

    assert await bench.application.plan_follow_up(command, context) == first
    assert len(await bench.timers_of(customer)) == 1


async def test_a_repeated_cancellation_gets_the_first_answer(bench: Bench) -> None:
    planned = await bench.application.plan_follow_up(PlanFollowUp(customer=await bench.register(), due_at=DUE), asked())
    context = asked()

    first = await bench.application.cancel(planned["id"], CancelReminder(), context)

    assert first == {"id": planned["id"], "version": 2}
    assert await bench.application.cancel(planned["id"], CancelReminder(), context) == first
    with pytest.raises(Conflict):
        await bench.application.cancel(planned["id"], CancelReminder(), asked())


async def test_a_command_id_with_another_body_is_refused(bench: Bench) -> None:
    customer, context = await bench.register(), asked()
    await bench.application.plan_follow_up(PlanFollowUp(customer=customer, due_at=DUE), context)

    with pytest.raises(CommandReused):
        await bench.application.plan_follow_up(PlanFollowUp(customer=customer, due_at=DUE, note="x"), context)


async def test_an_unknown_customer_is_refused_and_gets_no_key(bench: Bench) -> None:
    stranger = uuid7()

    with pytest.raises(NotFound):
        await bench.application.plan_follow_up(PlanFollowUp(customer=stranger, due_at=DUE), asked())

    assert bench.log.keyring.fetch({stranger}) == {}


async def test_an_unknown_reminder_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound):
        await bench.application.cancel(uuid7(), CancelReminder(), asked())
    with pytest.raises(NotFound):
        await bench.application.find(uuid7())


async def test_a_reminder_of_an_erased_customer_is_found_without_its_personal_fields(bench: Bench) -> None:
    customer = await bench.register()
    planned = await bench.application.plan_follow_up(PlanFollowUp(customer=customer, due_at=DUE, note="call"), asked())
    bench.log.keyring.destroy(customer)

    found = await bench.application.find(planned["id"])

    assert isinstance(found.reminder.note, Erased)
    assert isinstance(found.reminder.due_at, Erased)
    assert (found.reminder.status, found.reminder.kind) == ("planned", "follow_up")
