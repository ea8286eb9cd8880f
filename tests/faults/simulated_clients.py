"""The clients of a simulated system: what they send, what they were told, and what they may never learn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

from services.customer.application import Answer, Application, Context
from services.customer.domain import customer_commands as commands
from services.customer.domain.order import PayOrder, PlaceOrder
from services.identity.application import AddAlias, IdentityApplication, Link, Separate
from services.identity.matching.judging import Judge
from services.identity.matching.model import shipped
from services.identity.records import weighed_again
from services.identity.stewardship import Stewardship
from shared.clock import TestClock
from shared.errors import CustlogError
from shared.eventlog.log import Log
from shared.events.customer import Name
from shared.events.envelope import Actor, Cause
from shared.ids import uuid7
from tests.support.memory import at_once
from tests.support.memory_tables import Died

FAMILIES = ("Lee", "Ray", "Fox")
REPEATED = 0.1
"""How often a client sends a command again although it knows the answer."""

Call: TypeAlias = Callable[[Context], Coroutine[Any, Any, Any]]


@dataclass(frozen=True)
class Sent:
    """One command under its id. `changes` says that it cannot be taken without leaving an event."""

    command: str
    call: Call
    changes: bool


class Clients:
    """Send one command at a time; what a dead service left unanswered is sent again later, or never."""

    def __init__(self, customer: Log, identity: Log, chance: Random, tell: Counter[str]) -> None:
        self._customer = Application(customer, TestClock(), region="AU")
        self._identity = IdentityApplication(identity, Stewardship(identity, rescore=weighed_again(Judge(shipped()))))
        self._chance = chance
        self._tell = tell
        self._serial = 0
        self.customers: list[str] = []
        self.orders: list[str] = []
        self.answered: dict[str, tuple[Sent, Any]] = {}
        self.refused: set[str] = set()
        self.unknown: list[Sent] = []

    def step(self) -> None:
        """A new command, an open one again, or one again that was answered long ago."""
        if self.unknown and self._chance.random() < 0.3:
            self._send(self.unknown.pop(self._chance.randrange(len(self.unknown))))
        elif self.answered and self._chance.random() < REPEATED:
            self._send(self._chance.choice(list(self.answered.values()))[0])
        else:
            call, changes = self._choose()
            self._send(Sent(uuid7(), call, changes))

    def settle(self) -> None:
        """Half of the clients ask once more for what they never learned."""
        for sent in self.unknown[::2]:
            self._send(sent)
        self.unknown = [sent for sent in self.unknown if sent.command not in self.answered]

    def _send(self, sent: Sent) -> None:
        context = Context(Actor(id="u1", kind="user"), "web", "service", uuid7(), sent.command, sent.command)
        try:
            answer = at_once(sent.call(context))
        except Died:
            if sent.command not in self.answered:
                self.unknown.append(sent)
            raise
        except CustlogError as error:
            if sent.command in self.answered:
                raise AssertionError(f"command {sent.command} was taken and is refused now: {error}") from error
            self.refused.add(sent.command)
            self._tell[f"refused {type(error).__name__}"] += 1
            return
        if sent.command in self.answered:
            self._tell["repeated"] += 1
            assert self.answered[sent.command][1] == answer, f"command {sent.command} has two answers"
        self.answered[sent.command] = (sent, answer)
        self._tell["answered"] += 1

    def _choose(self) -> tuple[Call, bool]:
        self._serial += 1
        if len(self.customers) < 2:
            return self._register(), True
        kinds = [self._register, self._edit, self._edit, self._contact, self._order, self._pay, self._alias]
        unsure = [self._archive, self._link, self._separate]
        make = self._chance.choice([*kinds, *unsure])
        return make(), make not in unsure

    def _register(self) -> Call:
        family, phone = self._chance.choice(FAMILIES), f"041234567{self._chance.randrange(3)}"
        external = self._chance.choice([None, f"X{self._serial}", f"X{self._serial // 3}"])
        body = {"kind": "person", "name": {"given": "Ann", "family": family}, "source": "crm", "phones": [phone]}
        command = commands.Register.model_validate({**body, "external_id": external})

        async def call(context: Context) -> Answer:
            answer = await self._customer.register(command, context)
            if answer.id not in self.customers:
                self.customers.append(answer.id)
            return answer

        return call

    def _execute(self, command: Any) -> Call:
        customer = self._chance.choice(self.customers)
        return lambda context: self._customer.execute("customer", customer, command, context)

    def _edit(self) -> Call:
        family = self._chance.choice(FAMILIES)
        name = Name(full=f"Ann {self._serial} {family}", given="Ann", family=family)
        return self._execute(commands.Edit(name=name))

    def _contact(self) -> Call:
        return self._execute(commands.AddContactPoint(kind="email", value=f"a{self._serial}@example.org"))

    def _archive(self) -> Call:
        kind = self._chance.choice((commands.Archive, commands.Restore))
        return self._execute(kind(reason="x"))

    def _order(self) -> Call:
        customer = self._chance.choice(self.customers)
        command = PlaceOrder(reference=f"R{self._serial}", currency="EUR", total="10")

        async def call(context: Context) -> Answer:
            answer = await self._customer.start("order", customer, command, context)
            if answer.id not in self.orders:
                self.orders.append(answer.id)
            return answer

        return call

    def _pay(self) -> Call:
        if not self.orders:
            return self._order()
        order, command = self._chance.choice(self.orders), PayOrder(amount="4", method="card")
        return lambda context: self._customer.execute("order", order, command, context)

    def _alias(self) -> Call:
        customer, command = self._chance.choice(self.customers), AddAlias(alias=f"A-{self._serial}", kind="former")
        return lambda context: self._identity.add_alias(customer, command, _cause(context), b"alias")

    def _link(self) -> Call:
        a, b = self._chance.sample(self.customers, k=2)
        command = Link(a=a, b=b, reason="x", lift_ban=self._chance.random() < 0.5)
        return lambda context: self._identity.link(command, _cause(context), b"link")

    def _separate(self) -> Call:
        a, b = self._chance.sample(self.customers, k=2)
        command = Separate(a=a, b=b, reason="x")
        return lambda context: self._identity.separate(command, _cause(context), b"separate")


def _cause(context: Context) -> Cause:
    return context.cause()
