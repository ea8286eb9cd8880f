"""From a command to its durable answer: load, decide, append; repeated commands get their first answer again."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from services.customer.domain import customer, erasure, interaction, order, survivorship, ticket
from services.customer.domain.command import Command, check_not_future, invalid
from services.customer.domain.contact import INTERNATIONAL
from services.customer.domain.customer_commands import CustomerCommand, Register
from services.customer.domain.customer_state import Customer
from services.customer.domain.survivorship import SetSurvivorshipPolicy
from shared.clock import Clock
from shared.errors import AlreadyReserved, CommandReused, Conflict, CustlogError, NotFound, VersionConflict
from shared.eventlog.commit import Append, Commit, Committed, digest, fingerprint
from shared.eventlog.decider import Decider
from shared.eventlog.log import Log
from shared.events.envelope import Actor, Cause, Contract, Recorded
from shared.events.survivorship import POLICY
from shared.ids import uuid7

Aggregate: TypeAlias = Literal["customer", "order", "ticket", "interaction", "survivorship"]
TRIES = 3
"""How often a command without an expected version is decided anew when somebody else was faster."""


@dataclass(frozen=True, slots=True)
class Context:
    """Who sends a command, through what, for which purpose, and under which id it is remembered."""

    actor: Actor
    channel: str
    purpose: str
    correlation: str
    command: str
    causation: str

    def cause(self) -> Cause:
        """The cause that the command's events carry."""
        return Cause(self.actor, self.channel, self.purpose, self.command, self.correlation, self.causation)


class Answer(BaseModel):
    """The durable answer to a command: the id of what was changed, and its version after the change."""

    model_config = ConfigDict(frozen=True)

    id: str
    version: int


class AlreadyRegistered(AlreadyReserved):
    """A (source, external id) is known already. Fate: rejected; change the customer at Location instead."""

    def __init__(self, holder: str) -> None:
        super().__init__(f"This source and external id are customer {holder}; change that customer instead.")
        self.holder = holder

    def headers(self) -> dict[str, str]:
        """Adds where the customer is."""
        return {**super().headers(), "Location": f"/customers/{self.holder}"}


def stream_of(aggregate: Aggregate, aggregate_id: str) -> str:
    """The stream of one aggregate."""
    return f"{aggregate}-{aggregate_id}"


def source_key(source: str, external_id: str) -> str:
    """The reservation that makes (source, external id) unique."""
    return f"source:{source}:{external_id}"


def registration(
    customer_id: str,
    command: Register,
    context: Context,
    now: datetime,
    *,
    region: str = INTERNATIONAL,
    since: Sequence[CustomerCommand] = (),
) -> Commit:
    """What registering writes, and what happened `since` elsewhere. Pure. Raises Invalid or Conflict (rejected)."""
    decider = customer.decider(customer_id, region=region)
    state, events, times = decider.initial, list[Contract](), list[datetime | None]()
    for one in (command, *since):
        check_not_future(one, now)
        news = decider.decide(state, one, now)
        # Of a registration alone nothing comes of it, and files have very many.
        for event in news if since else ():
            state = decider.evolve(state, event)
        events += news
        times += [one.occurred_at] * len(news)
    stream = stream_of("customer", customer_id)
    digests = [fingerprint("customer", one) for one in (command, *since)]
    return Commit(
        cause=context.cause(),
        appends=(Append(stream, customer_id, 0, events, each_at=tuple(times)),),
        digest=digests[0] if not since else digest(b"".join(digests)),
        result={"id": customer_id, "version": len(events)},
        reserve=() if command.external_id is None else (source_key(command.source, command.external_id),),
    )


class Application:
    """The commands of the customer service.

    Every call raises the refusals of its decider, NotFound, CommandReused, VersionConflict (only with an expected
    version), Conflict when others were faster too often, and Unavailable (retry under the same command id).
    """

    def __init__(self, log: Log, clock: Clock, *, region: str = INTERNATIONAL) -> None:
        self.log = log
        self.clock = clock
        self.region = region
        self._deciders: Mapping[Aggregate, Callable[[str], Decider[Any, Any]]] = {
            "customer": lambda customer_id: customer.decider(customer_id, region=region),
            "order": order.decider,
            "ticket": ticket.decider,
            "interaction": interaction.decider,
            "survivorship": survivorship.decider,
        }

    async def register(self, command: Register, context: Context) -> Answer:
        """Makes a customer known. Raises AlreadyRegistered with the holder if the source knows it already."""
        commit = registration(uuid7(), command, context, self.clock.now(), region=self.region)
        try:
            return _answer(await self.log.commit(commit))
        except AlreadyReserved:
            holders = await self.log.holders(commit.reserve)
            if not holders:
                raise Conflict("This source and external id were taken a moment ago; send the request again.") from None
            raise AlreadyRegistered(id_of(holders[commit.reserve[0]])) from None

    async def start(self, aggregate: Aggregate, customer_id: str, command: Command, context: Context) -> Answer:
        """Begins an order, a ticket or an interaction of an existing, unarchived customer."""
        target = f"{aggregate} of {customer_id}"
        try:
            await self._check_takes_changes(customer_id)
            aggregate_id = uuid7()
            events = self._decide(aggregate, aggregate_id, (), command)
        except CustlogError as refused:
            return await self._repeated(target, command, context, refused)
        append = Append(stream_of(aggregate, aggregate_id), customer_id, 0, events, command.occurred_at)
        return await self._commit(target, command, context, Answer(id=aggregate_id, version=len(events)), append)

    async def set_policy(self, command: SetSurvivorshipPolicy, context: Context) -> Answer:
        """Sets the survivorship policy; the version in the answer counts the policies that were ever set."""
        target = stream_of("survivorship", POLICY)
        for _ in range(TRIES):
            history = await self.log.load(target)
            try:
                events = self._decide("survivorship", POLICY, history, command)
            except CustlogError as refused:
                return await self._repeated(target, command, context, refused)
            answer = Answer(id=POLICY, version=len(history) + len(events))
            append = Append(target, POLICY, len(history), events)
            with suppress(VersionConflict):
                return await self._commit(target, command, context, answer, *((append,) if events else ()))
        raise Conflict("The survivorship policy is being changed by others all the time; send the request again.")

    async def execute(
        self, aggregate: Aggregate, aggregate_id: str, command: Command, context: Context, expected: int | None = None
    ) -> Answer:
        """Changes an existing aggregate; nothing to change is an answer with the present version."""
        target = stream_of(aggregate, aggregate_id)
        for _ in range(TRIES):
            history = await self.log.load(target)
            version = len(history)
            try:
                await self._check_named(command)
                if not history:
                    raise NotFound(f"There is no {aggregate} {aggregate_id}.")
                if expected is not None and expected != version:
                    raise VersionConflict(
                        f"{target} is at version {version} now; read it again and repeat the change", current=version
                    )
                events = self._decide(aggregate, aggregate_id, history, command)
                erasure.check_second_person(history, command, context.actor.id)
                if aggregate != "customer" and any(event.SEALED for event in events):
                    erasure.check_not_erased(await self._customer(history[0].customer))
            except CustlogError as refused:
                return await self._repeated(target, command, context, refused)
            answer = Answer(id=aggregate_id, version=version + len(events))
            append = Append(target, history[0].customer, version, events, command.occurred_at)
            try:
                return await self._commit(target, command, context, answer, *((append,) if events else ()))
            except VersionConflict:
                if expected is not None:
                    raise
        raise Conflict(f"{target} is being changed by others all the time; send the request again.")

    def _decide(
        self, aggregate: Aggregate, aggregate_id: str, history: Sequence[Recorded], command: Command
    ) -> Sequence[Contract]:
        now = self.clock.now()
        check_not_future(command, now)
        decider = self._deciders[aggregate](aggregate_id)
        return decider.decide(decider.fold(recorded.data for recorded in history), command, now)

    async def _commit(
        self, target: str, command: Command, context: Context, answer: Answer, *appends: Append
    ) -> Answer:
        return _answer(
            await self.log.commit(
                Commit(context.cause(), appends, digest=fingerprint(target, command), result=answer.model_dump())
            )
        )

    async def _repeated(self, target: str, command: Command, context: Context, refused: CustlogError) -> Answer:
        # A repeated command meets the state that its first run made; its answer is the first one all the same.
        known = await self.log.recall([(context.command, fingerprint(target, command))])
        if isinstance(known[0], CommandReused):
            raise known[0] from refused
        if known[0] is None:
            raise refused
        return _answer(known[0])

    async def _check_takes_changes(self, customer_id: str) -> None:
        state = await self._customer(customer_id)
        if state.kind is None:
            raise NotFound(f"There is no customer {customer_id}.")
        erasure.check_not_erased(state)
        if state.archived:
            raise Conflict(f"Customer {customer_id} is archived; restore it first.")

    async def _customer(self, customer_id: str) -> Customer:
        history = await self.log.load(stream_of("customer", customer_id))
        return customer.decider(customer_id).fold(recorded.data for recorded in history)

    async def _check_named(self, command: Command) -> None:
        for field, customer_id in command.named_customers():
            if not await self.log.load(stream_of("customer", customer_id)):
                raise invalid(field, "There is no such customer.")


def _answer(committed: Committed) -> Answer:
    return Answer.model_validate(committed.result)


def id_of(stream: str) -> str:
    """The aggregate of a stream."""
    return stream.partition("-")[2]
