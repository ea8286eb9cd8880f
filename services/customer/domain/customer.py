"""The customer aggregate: which events each command makes. Pure; the present time is an argument."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import assert_never

from services.customer.domain import customer_commands as commands
from services.customer.domain import erasure, pins, rights
from services.customer.domain.command import invalid
from services.customer.domain.contact import INTERNATIONAL, Reach, normalised
from services.customer.domain.customer_state import Contact, Customer, evolve
from services.customer.domain.erasure_commands import ErasureCommand
from services.customer.domain.pin_commands import PinValue, UnpinValue
from services.customer.domain.rights_commands import RightsCommand
from shared.errors import Conflict, NotFound
from shared.eventlog.decider import Decider
from shared.events import customer as events
from shared.events.envelope import Contract
from shared.ids import derive

MAX_CONTACTS = 100
"""Contact points of one customer at one time; more are a defect of the source."""


def decider(customer_id: str, *, region: str = INTERNATIONAL) -> Decider[Customer, commands.CustomerCommand]:
    """The decider of one customer stream. `region` reads phone numbers written without a country code."""
    return Decider(Customer(customer_id), partial(decide, region=region), evolve)


def decide(
    state: Customer, command: commands.CustomerCommand, now: datetime, *, region: str = INTERNATIONAL
) -> Sequence[Contract]:
    """The events a command makes, none if it changes nothing. Raises NotFound, Conflict or Invalid (rejected)."""
    if isinstance(command, commands.Register):
        return _register(state, command, now, region)
    if state.kind is None:
        raise NotFound(f"There is no customer {state.id}.")
    if isinstance(command, ErasureCommand):
        return erasure.decide(state, command, now)
    erasure.check_not_erased(state)
    if isinstance(command, RightsCommand):
        return rights.decide(state, command)
    if isinstance(command, commands.Restore):
        return (events.CustomerRestored(reason=command.reason),) if state.archived else ()
    if isinstance(command, commands.Archive):
        return () if state.archived else (events.CustomerArchived(reason=command.reason),)
    if state.archived:
        raise Conflict(f"Customer {state.id} is archived; restore it first.")
    return tuple(_change(state, command, now, region))


def _change(  # noqa: C901, PLR0912 - one case per command
    state: Customer, command: commands.Change, now: datetime, region: str
) -> Iterator[Contract]:
    match command:
        case commands.Edit():
            yield from _edit(state, command, now)
        case commands.AddContactPoint():
            yield from _add_contact_point(state, command, region)
        case commands.VerifyContactPoint():
            if not _contact(state, command.contact_id).verified:
                _check_not_replaced(state, command.contact_id)
                yield events.ContactPointVerified(contact_id=command.contact_id, method=command.method)
        case commands.InvalidateContactPoint():
            if _contact(state, command.contact_id).valid:
                yield events.ContactPointInvalidated(contact_id=command.contact_id, reason=command.reason)
        case commands.RemoveContactPoint():
            _contact(state, command.contact_id)
            yield events.ContactPointRemoved(contact_id=command.contact_id, reason=command.reason)
        case commands.SetAddress():
            if state.addresses.get(command.usage) != command.address:
                yield events.AddressSet(usage=command.usage, address=command.address)
        case commands.AddIdentifier():
            if command.identifier not in state.identifiers:
                yield events.IdentifierAdded(identifier=command.identifier)
        case commands.Classify():
            yield from _classify(state, command.scheme, command.code)
        case commands.Tag():
            yield from _tag(state, added=set(command.add), removed=set(command.remove))
        case commands.NotePreference():
            noted = events.PreferenceNoted.model_validate(command.model_dump(exclude={"occurred_at"}))
            if state.preferences.get(command.topic) != noted:
                yield noted
        case commands.AddRelationship():
            yield from _add_relationship(state, command)
        case commands.EndRelationship():
            yield from _end_relationship(state, command)
        case commands.AssignOwner():
            yield from _assign(state, command.owner, command.team)
        case commands.SetExtensionField():
            if not _has_extension(state, command):
                yield events.ExtensionFieldSet(field=command.field, value=command.value)
        case PinValue() | UnpinValue():
            yield from pins.decide(state, command)
        case _:
            assert_never(command)


def _register(state: Customer, command: commands.Register, now: datetime, region: str) -> tuple[Contract, ...]:
    if state.kind is not None:
        raise Conflict(f"Customer {state.id} is registered already.")
    if command.birth_date is not None and command.birth_date > now.date():
        raise invalid("birth_date", "This is in the future.")
    return (
        events.CustomerRegistered(
            kind=command.kind,
            source=command.source,
            external_id=command.external_id,
            name=command.name,
            birth_date=command.birth_date,
            contact_points=tuple(_contact_points(state.id, command, region)),
            address=command.address,
            identifiers=command.identifiers,
            classification=command.classification,
            tags=tuple(dict.fromkeys(command.tags)),
        ),
    )


def _contact_points(customer_id: str, command: commands.Register, region: str) -> Iterator[events.ContactPoint]:
    phones = [normalised("phone", given, region, f"phones.{at}") for at, given in enumerate(command.phones)]
    emails = [normalised("email", given, region, f"emails.{at}") for at, given in enumerate(command.emails)]
    once = {(reach.kind, reach.value): reach for reach in reversed((*phones, *emails))}
    for ordinal, reach in enumerate(reversed(once.values()), start=1):
        yield events.ContactPoint(
            contact_id=contact_id_of(customer_id, ordinal), kind=reach.kind, value=reach.value, raw=reach.raw
        )


def contact_id_of(customer_id: str, ordinal: int) -> str:
    """The id of a customer's n-th contact point, from 1, those that are gone counted."""
    return derive("contact", customer_id, str(ordinal))


def relationship_id_of(customer_id: str, ordinal: int) -> str:
    """The id of a customer's n-th relationship, from 1, those that ended counted."""
    return derive("relationship", customer_id, str(ordinal))


def _edit(state: Customer, command: commands.Edit, now: datetime) -> Iterator[Contract]:
    given = command.model_fields_set
    if command.name is not None and command.name != state.name:
        yield events.NameCorrected(name=command.name, reason=command.reason)
    if "birth_date" in given and command.birth_date != state.birth_date:
        if command.birth_date is not None and command.birth_date > now.date():
            raise invalid("birth_date", "This is in the future.")
        yield events.BirthDateSet(birth_date=command.birth_date)
    if command.address is not None and command.address != state.addresses.get("main"):
        yield events.AddressSet(usage="main", address=command.address)
    for scheme, code in command.classification.items():
        yield from _classify(state, scheme, code)
    if command.tags is not None:
        tags = set(command.tags)
        yield from _tag(state, added=tags, removed=set(state.tags) - tags)
    if not given.isdisjoint(("owner", "team")):
        owner = command.owner if "owner" in given else state.owner
        yield from _assign(state, owner, command.team if "team" in given else state.team)


def _add_contact_point(state: Customer, command: commands.AddContactPoint, region: str) -> Iterator[Contract]:
    reach = normalised(command.kind, command.value, region, "value")
    if _has(state, reach):
        return
    if len(state.contacts) >= MAX_CONTACTS:
        raise Conflict(f"Customer {state.id} has {MAX_CONTACTS} contact points; remove one first.")
    contact_id = contact_id_of(state.id, state.contacts_seen + 1)
    yield events.ContactPointAdded(contact_id=contact_id, kind=reach.kind, value=reach.value, raw=reach.raw)


def _has(state: Customer, reach: Reach) -> bool:
    return any(
        contact.kind == reach.kind and contact.value == reach.value and contact.valid
        for contact in state.contacts.values()
    )


def _contact(state: Customer, contact_id: str) -> Contact:
    contact = state.contacts.get(contact_id)
    if contact is None:
        raise invalid("contact_id", "The customer has no such contact point.")
    return contact


def _check_not_replaced(state: Customer, contact_id: str) -> None:
    # Verifying makes an invalid one valid: the same value would then stand there twice.
    contact = state.contacts[contact_id]
    if contact.valid:
        return
    for other in state.contacts.values():
        if other.valid and (other.kind, other.value) == (contact.kind, contact.value):
            raise invalid("contact_id", "The same contact point was added again since; verify that one.")


def _classify(state: Customer, scheme: str, code: str | None) -> Iterator[Contract]:
    if state.classification.get(scheme) != code:
        yield events.Classified(scheme=scheme, code=code)


def _tag(state: Customer, *, added: set[str], removed: set[str]) -> Iterator[Contract]:
    new, gone = sorted(added - state.tags), sorted(removed & state.tags)
    if new or gone:
        yield events.Tagged(added=tuple(new), removed=tuple(gone))


def _assign(state: Customer, owner: str | None, team: str | None) -> Iterator[Contract]:
    if (owner, team) != (state.owner, state.team):
        yield events.OwnerAssigned(owner=owner, team=team)


def _add_relationship(state: Customer, command: commands.AddRelationship) -> Iterator[Contract]:
    if command.other == state.id:
        raise invalid("other", "A customer has no relationship to itself.")
    for known in state.relationships.values():
        if not known.ended and (known.other, known.role) == (command.other, command.role):
            return
    relationship_id = relationship_id_of(state.id, len(state.relationships) + 1)
    yield events.RelationshipAdded(relationship_id=relationship_id, other=command.other, role=command.role)


def _end_relationship(state: Customer, command: commands.EndRelationship) -> Iterator[Contract]:
    known = state.relationships.get(command.relationship_id)
    if known is None:
        raise invalid("relationship_id", "The customer has no such relationship.")
    if not known.ended:
        yield events.RelationshipEnded(relationship_id=command.relationship_id, reason=command.reason)


def _has_extension(state: Customer, command: commands.SetExtensionField) -> bool:
    # True equals 1 in Python, but not here.
    known = state.extension.get(command.field)
    return known == command.value and type(known) is type(command.value)
