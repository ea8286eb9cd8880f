"""What people decide about identities, and what can be asked: each command one transaction under the log's lock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, StringConstraints

from services.identity import number_store, store
from services.identity.domain import Banned, Identities, Pair, evolve, link, pair, separate
from services.identity.matching.rules import VERSION as MATCHING_RULES
from services.identity.matching.rules import names
from services.identity.numbering import rule as numbering
from services.identity.streams import number_key, stream_of
from shared.errors import Conflict, CustlogError, FieldError, Invalid
from shared.eventlog.commit import Append, Commit, Committed
from shared.eventlog.log import Log, Transaction
from shared.eventlog.recorder import reservation_holders
from shared.events.envelope import Cause, Contract, Id, Word
from shared.events.identity import AliasAdded, Linked, NumberAssigned
from shared.ids import is_uuid

MANUAL = "manual"
NOT_FOR_ALIASES = "source:"
"""So begins the reference to a customer by source and external id, where numbers are looked up."""
Alias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:\-]{0,63}$")]


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Link(_Command):
    """Customers a and b are one. `lift_ban` says so in spite of an earlier separation."""

    a: Id
    b: Id
    reason: Word
    lift_ban: bool = False


class Separate(_Command):
    """Customer a is not the one that b is: a leaves the identity they share and is kept apart from its members."""

    a: Id
    b: Id
    reason: Word


class AddAlias(_Command):
    """A foreign or former number by which a customer is found for ever."""

    alias: Alias
    kind: Literal["foreign", "former"]


@dataclass(frozen=True, slots=True)
class _Answer:
    events: Sequence[Contract]
    result: Mapping[str, Any]
    reserve: tuple[str, ...] = ()


Decide: TypeAlias = Callable[[Transaction, Identities], _Answer]
"""Decides on the present identities and evolves them by what was decided."""


class IdentityApplication:
    """Commands and questions of the HTTP side."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def link(self, command: Link, cause: Cause, digest: bytes) -> Mapping[str, Any]:
        """Makes two customers one; nothing happens if they are.

        Raises NotFound, Banned, Invalid, CommandReused, and Conflict while the processing of one of them is restricted.
        """

        def decide(tx: Transaction, state: Identities) -> _Answer:
            _check_not_restricted(tx, (command.a, command.b))
            events = link(
                state,
                command.a,
                command.b,
                evidence=(),
                decided_by=MANUAL,
                reason=command.reason,
                lift_ban=command.lift_ban,
            )
            for event in events:
                evolve(state, event)
            return _Answer(events, _membership(state, command.a, changed=bool(events)))

        return await self._run((command.a, command.b), cause, digest, decide)

    async def separate(self, command: Separate, cause: Cause, digest: bytes) -> Mapping[str, Any]:
        """Takes a out of the identity it shares with b; what still shares evidence without a stays together.

        Raises NotFound, Conflict if they share no identity, CommandReused.
        """

        def decide(tx: Transaction, state: Identities) -> _Answer:
            events = separate(state, command.a, command.b, command.reason)
            rest = state.members[state.identity(command.a)] - {command.a}
            for event in events:
                evolve(state, event)
            relinked = relink(state, store.evidence(tx.cursor, rest))
            return _Answer([*events, *relinked], _membership(state, command.a, changed=True))

        return await self._run((command.a, command.b), cause, digest, decide)

    async def add_alias(self, customer: str, command: AddAlias, cause: Cause, digest: bytes) -> Mapping[str, Any]:
        """Another number for a customer. Raises NotFound, Invalid, AlreadyReserved if it leads elsewhere."""
        if is_uuid(command.alias) or command.alias.startswith(NOT_FOR_ALIASES):
            raise _mistakable("has the form of an id, or of an external id with its source", "another reference")
        key = number_key(command.alias)

        def decide(tx: Transaction, _: Identities) -> _Answer:
            if number_store.rule_book(tx.cursor).read(numbering.canonical(command.alias)) is not None:
                raise _mistakable("has the form of our own numbers; choose another", "a customer number")
            known = reservation_holders(tx.cursor, (key,)).get(key) == stream_of(customer)
            events = [] if known else [AliasAdded(alias=command.alias, kind=command.kind)]
            result = {"customer": customer, "alias": command.alias, "changed": not known}
            return _Answer(events, result, () if known else (key,))

        return await self._run((customer,), cause, digest, decide)

    async def _run(self, customers: tuple[str, ...], cause: Cause, digest: bytes, decide: Decide) -> Mapping[str, Any]:
        def work() -> Mapping[str, Any]:
            with self._log.transaction() as tx:
                tx.lock()
                return _perform(tx, customers, cause, digest, decide)

        return await self._log.in_thread(work)

    async def identity(self, customer: str) -> dict[str, Any]:
        """The identity a customer belongs to: members with their numbers, and links. Raises NotFound."""

        def work() -> dict[str, Any]:
            with self._log.transaction() as tx:
                state = store.identities(tx.cursor, (customer,))
                identity = state.identity(customer)
                members = sorted(state.members[identity])
                links = store.links_of(tx.cursor, members)
            return {
                "identity": identity,
                "members": [self._member(member) for member in members],
                "links": [{"a": a, "b": b, "position": position} for a, b, position in links],
            }

        return await self._log.in_thread(work)

    def _member(self, customer: str) -> dict[str, Any]:
        events = [recorded.data for recorded in self._log.load_now(stream_of(customer))]
        return {
            "customer": customer,
            "number": next((event.number for event in events if isinstance(event, NumberAssigned)), None),
            "aliases": [event.alias for event in events if isinstance(event, AliasAdded)],
        }


def _mistakable(message: str, what: str) -> Invalid:
    wrong: FieldError = {"field": "alias", "message": message}
    return Invalid(f"this alias could be mistaken for {what}", errors=[wrong])


def _perform(
    tx: Transaction, customers: tuple[str, ...], cause: Cause, digest: bytes, decide: Decide
) -> Mapping[str, Any]:
    """One command on the stream of the first customer. All its events stand there, so their order is the decision's."""
    known = tx.recall(cause.command, digest)
    if known is not None:
        return _committed(known).result
    state = store.identities(tx.cursor, customers, with_links=True)
    before = state.copy()
    for customer in customers:
        state.identity(customer)
    answer = decide(tx, state)
    version = store.profiles(tx.cursor, customers[:1])[customers[0]].version
    appends = (Append(stream_of(customers[0]), customers[0], version, answer.events),) if answer.events else ()
    commit = Commit(cause, appends, digest=digest, result=answer.result, reserve=answer.reserve)
    committed = _committed(tx.append([commit])[0])
    if answer.events:
        store.put_version(tx.cursor, customers[0], version + len(answer.events))
        store.save(tx.cursor, before, state, _positions(answer.events, committed.position))
    return committed.result


def _check_not_restricted(tx: Transaction, customers: tuple[str, ...]) -> None:
    for customer, profile in sorted(store.profiles(tx.cursor, customers).items()):
        if profile.restricted:
            raise Conflict(f"the processing of customer {customer} is restricted; lift the restriction to link it")


def _committed(answer: Committed | CustlogError) -> Committed:
    if isinstance(answer, CustlogError):
        raise answer
    return answer


def _positions(events: Sequence[Contract], first: int) -> dict[Pair, int]:
    return {
        pair(event.a, event.b): position
        for position, event in enumerate(events, start=first)
        if isinstance(event, Linked)
    }


def relink(state: Identities, evidence: Iterable[tuple[bytes, int, str]]) -> list[Linked]:
    """Links again, by the evidence they share, customers that hung together only through one that was taken out.

    `evidence` holds (key, rule number, customer), equal keys beside each other. Evolves the state.
    """
    made: list[Linked] = []
    for _, sharing in groupby(evidence, key=itemgetter(0)):
        first, *others = sharing
        for _, rule, customer in others:
            with suppress(Banned):
                events = link(state, first[2], customer, evidence=names((rule,)), decided_by=MATCHING_RULES)
                for event in events:
                    evolve(state, event)
                made += events
    return made


def _membership(state: Identities, customer: str, *, changed: bool) -> dict[str, Any]:
    identity = state.identity(customer)
    return {"identity": identity, "members": sorted(state.members[identity]), "changed": changed}
