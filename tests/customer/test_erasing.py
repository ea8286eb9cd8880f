"""Approved erasures are carried out: once, in order, whatever dies in between, and never for who was not approved."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.customer import erasing
from services.customer.application import Application, Context
from services.customer.domain.command import Command
from services.customer.domain.erasure_commands import ApproveErasure, RefuseErasure, RequestErasure
from services.customer.erasing import Eraser
from shared.clock import SystemClock
from shared.errors import Unavailable
from shared.eventlog.mapper import Record, parse
from shared.events.customer import CustomerRegistered
from shared.events.envelope import Actor, Erased
from shared.ids import uuid7
from shared.privacy.ledger import Ledger
from tests.customer.examples import register
from tests.support.memory_log import MemoryKeyring, MemoryLog


class Died(BaseException):
    """Nothing of the process runs any more."""


class Shut(MemoryKeyring):
    """A keyring that destroys nothing while it is shut."""

    shut = False

    def bury(self, subjects: Collection[str]) -> int:
        if self.shut:
            raise Unavailable("the keyring does not answer")
        return super().bury(subjects)


@dataclass
class Office:
    """The service in memory; its ledger is a file."""

    log: MemoryLog
    keyring: Shut
    ledger: Ledger

    @property
    def application(self) -> Application:
        return Application(self.log, SystemClock())

    def eraser(self) -> Eraser:
        """A process that begins."""
        return Eraser(self.application, self.ledger, self.approved, self.unsaid)

    async def register(self) -> str:
        return (await self.application.register(register(), sent_by("ann"))).id

    async def say(self, customer: str, *commands: Command) -> None:
        for actor, command in zip(("ann", "ben"), commands, strict=False):
            await self.application.execute("customer", customer, command, sent_by(actor))

    async def approve(self) -> str:
        customer = await self.register()
        await self.say(customer, RequestErasure(reason="asked"), ApproveErasure())
        return customer

    def approved(self, after: int, limit: int) -> list[tuple[int, Record]]:
        """What services/customer/store.py asks PostgreSQL."""
        rows = self.log.read(0, 1_000_000)
        erased = {row.originator_id for row in rows if row.topic.startswith("customer.erased.")}
        return [
            (row.id, parse(row.state))
            for row in rows
            if row.topic.startswith("customer.erasure_approved.") and row.id > after and row.originator_id not in erased
        ][:limit]

    def unsaid(self, customers: Sequence[str]) -> list[str]:
        """As above."""
        rows = self.log.read(0, 1_000_000)
        known = {row.originator_id for row in rows}
        over = ("customer.erased.", "customer.erasure_approved.")
        said = {row.originator_id for row in rows if row.topic.startswith(over)}
        return [customer for customer in customers if f"customer-{customer}" in known - said]

    async def told(self, customer: str) -> list[str]:
        return [event.type for event in await self.log.load(f"customer-{customer}")]

    def is_readable(self, customer: str) -> bool:
        return customer in self.keyring.fetch([customer])


def sent_by(actor: str) -> Context:
    command = uuid7()
    return Context(Actor(id=actor, kind="user"), "web", "service", uuid7(), command, command)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    keyring = Shut()
    return Office(MemoryLog("customer", keyring), keyring, Ledger(tmp_path / "erasures"))


async def test_an_approved_erasure_is_in_the_ledger_in_the_keyring_and_in_the_log(office: Office) -> None:
    customer = await office.approve()

    assert await office.eraser().erase_approved() == 1

    assert list(office.ledger.subjects()) == [customer]
    assert not office.is_readable(customer)
    registered, *_, approval, erased = await office.log.load(f"customer-{customer}")
    assert isinstance(registered.data, CustomerRegistered)
    assert isinstance(registered.data.name, Erased)
    assert (erased.type, erased.actor.id, erased.causation) == ("customer.erased", "eraser", approval.id)
    assert erased.correlation == approval.correlation


async def test_nobody_is_erased_whose_erasure_is_not_approved(office: Office) -> None:
    known, asked, refused = [await office.register() for _ in range(3)]
    await office.say(asked, RequestErasure(reason="asked"))
    await office.say(refused, RequestErasure(reason="asked"), RefuseErasure(reason="not-the-person"))

    assert await office.eraser().erase_approved() == 0

    assert all(office.is_readable(customer) for customer in (known, asked, refused))
    assert not office.ledger.subjects()


async def test_they_are_carried_out_in_the_order_of_their_approval_and_once(office: Office) -> None:
    eraser = office.eraser()
    customers = [await office.approve() for _ in range(erasing.AT_ONCE + 5)]

    assert [await each.erase_approved() for each in (eraser, eraser, office.eraser())] == [len(customers), 0, 0]

    assert list(office.ledger.subjects()) == customers
    later = await office.approve()
    assert await eraser.erase_approved() == 1
    assert (await office.told(later))[-1] == "customer.erased"


@pytest.mark.parametrize("point", ["erasing.after_ledger", "erasing.after_destroy", "erasing.after_record"])
async def test_a_process_that_dies_in_between_leaves_the_rest_to_the_next_one(
    office: Office, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    customer, second = await office.approve(), await office.approve()

    def die(here: str) -> None:
        if here == point:
            raise Died

    with monkeypatch.context() as dying:
        dying.setattr(erasing, "crash_here", die)
        with pytest.raises(Died):
            await office.eraser().erase_approved()
    assert list(office.ledger.subjects()) == [customer]
    await office.eraser().erase_approved()

    assert list(office.ledger.subjects()) == [customer, second]
    for each in (customer, second):
        assert (await office.told(each)).count("customer.erased") == 1
        assert not office.is_readable(each)


async def test_two_processes_say_it_once(office: Office) -> None:
    customer = await office.approve()
    seen_by_both = office.approved(0, 10)
    await office.eraser().erase_approved()

    late = Eraser(office.application, office.ledger, lambda after, _: [] if after else seen_by_both, office.unsaid)
    assert await late.erase_approved() == 1

    assert (await office.told(customer)).count("customer.erased") == 1
    assert list(office.ledger.subjects()) == [customer]


async def test_what_the_ledger_has_and_a_restored_older_log_has_not_is_said_again(office: Office) -> None:
    before, asked, stranger = await office.register(), await office.register(), uuid7()
    await office.say(asked, RequestErasure(reason="asked"))
    approved, alive = await office.approve(), await office.register()
    for subject in (before, asked, stranger, approved):
        office.ledger.add(subject, SystemClock().now())
    office.ledger.apply(office.keyring)

    assert await office.eraser().say_former() == 2
    assert await office.eraser().say_former() == 0

    for customer in (before, asked):
        assert (await office.told(customer))[-1] == "customer.erased"
    assert (await office.told(approved))[-1] == "customer.erasure_approved"
    assert await office.told(alive) == ["customer.registered"]
    assert await office.told(stranger) == []
    # The approval is carried out as if nothing had happened, and a second erasure of the same customer is none.
    assert await office.eraser().erase_approved() == 1
    await office.say(before, RequestErasure(reason="asked"), ApproveErasure())
    assert (await office.told(before)).count("customer.erased") == 1


async def test_a_keyring_that_does_not_answer_is_asked_again(office: Office) -> None:
    customer, eraser = await office.approve(), office.eraser()
    office.keyring.shut = True
    with pytest.raises(Unavailable):
        await eraser.erase_approved()
    assert (await office.told(customer))[-1] == "customer.erasure_approved"

    office.keyring.shut = False
    assert await eraser.erase_approved() == 1
    assert (await office.told(customer))[-1] == "customer.erased"


async def test_a_restored_older_keyring_brings_nobody_back(office: Office) -> None:
    customer, other = await office.approve(), await office.register()
    before = dict(office.keyring._keys)
    await office.eraser().erase_approved()
    office.keyring._keys = before
    assert office.is_readable(customer)

    office.ledger.apply(office.keyring)

    assert not office.is_readable(customer)
    assert office.is_readable(other)
