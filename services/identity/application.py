"""What people decide about identities, and what can be asked: each command one transaction under the log's lock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from services.identity import number_store, store
from services.identity.commands import Answer, run
from services.identity.domain.identities import Identities
from services.identity.numbering import rule as numbering
from services.identity.numbering.personal import personal
from services.identity.stewardship import Assert, Stewardship
from services.identity.streams import BY_SOURCE, number_key, stream_of
from shared.errors import FieldError, Invalid
from shared.eventlog.log import Log, Transaction
from shared.eventlog.recorder import reservation_holders
from shared.events.envelope import Cause, Id, Word
from shared.events.identity import AliasAdded, NumberAssigned
from shared.ids import is_uuid

MANUAL = "manual"
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
    """Customer a is not the one that b is: the identity they share parts between them, and they are kept apart.

    `alone` takes a out of it by itself, and keeps it apart from all its members.
    """

    a: Id
    b: Id
    reason: Word
    alone: bool = False


class AddAlias(_Command):
    """A foreign or former number by which a customer is found for ever."""

    alias: Alias
    kind: Literal["foreign", "former"]


class IdentityApplication:
    """Commands and questions of the HTTP side."""

    def __init__(self, log: Log, stewardship: Stewardship) -> None:
        self._log = log
        self._stewardship = stewardship

    async def link(self, command: Link, cause: Cause, digest: bytes) -> Mapping[str, Any]:
        """Makes two customers one; nothing happens if they are.

        Raises NotFound, Banned, Invalid, CommandReused, and Conflict while the processing of one of them is restricted.
        """

        said = Assert(a=command.a, b=command.b, says="same", reason=command.reason, overrule=command.lift_ban)
        return await self._stewardship.say(said, cause, digest)

    async def separate(self, command: Separate, cause: Cause, digest: bytes) -> Mapping[str, Any]:
        """Parts a from b, with whom it shares an identity; who else hangs together without the other stays together.

        Raises NotFound, Conflict if they share no identity, Contradiction, CommandReused.
        """
        said = Assert(a=command.a, b=command.b, says="never", reason=command.reason, alone=command.alone)
        return await self._stewardship.say(said, cause, digest, together=True)

    async def add_alias(self, customer: str, command: AddAlias, cause: Cause, digest: bytes) -> Mapping[str, Any]:
        """Another number for a customer. Raises NotFound, Invalid, AlreadyReserved if it leads elsewhere."""
        if is_uuid(command.alias) or command.alias.startswith(BY_SOURCE):
            raise _mistakable("has the form of an id, or of an external id with its source", "another reference")
        if (what := personal(command.alias)) is not None:
            wrong: FieldError = {"field": "alias", "message": f"is {what}"}
            raise Invalid("personal data never stands in an alias, which everybody sees", errors=[wrong])
        key = number_key(command.alias)

        def decide(tx: Transaction, _: Identities) -> Answer:
            if number_store.rule_book(tx.cursor).read(numbering.canonical(command.alias)) is not None:
                raise _mistakable("has the form of our own numbers; choose another", "a customer number")
            known = reservation_holders(tx.cursor, (key,)).get(key) == stream_of(customer)
            events = [] if known else [AliasAdded(alias=command.alias, kind=command.kind)]
            result = {"customer": customer, "alias": command.alias, "changed": not known}
            return Answer(events, result, () if known else (key,))

        return await run(self._log, (customer,), cause, digest, decide)

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

    async def number_of(self, customer: str) -> str | None:
        """The number of a customer, None if it has none."""
        member = await self._log.in_thread(lambda: self._member(customer))
        return None if member["number"] is None else str(member["number"])

    def _member(self, customer: str) -> dict[str, Any]:
        events = [recorded.data for recorded in self._log.load_now(stream_of(customer))]
        return {
            "customer": customer,
            "number": next((event.number for event in reversed(events) if isinstance(event, NumberAssigned)), None),
            "aliases": [event.alias for event in events if isinstance(event, AliasAdded)],
        }


def _mistakable(message: str, what: str) -> Invalid:
    wrong: FieldError = {"field": "alias", "message": message}
    return Invalid(f"this alias could be mistaken for {what}", errors=[wrong])
