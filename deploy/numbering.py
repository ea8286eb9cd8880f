"""What rules of numbering need of the logs: who registered, with which open facts, and which names are in use.

Personal fields stay sealed: rules cannot ask for them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import psycopg
from pydantic import TypeAdapter, ValidationError

from deploy.embedded.errors import EmbeddedError
from services.identity.numbering.facts import facts_of
from services.identity.numbering.rehearsal import Registration
from shared.eventlog.mapper import open_record, parse
from shared.events.customer import Classified, CustomerRegistered, Tagged
from shared.events.envelope import Recorded, moment
from shared.events.identity import AliasAdded, NumberAssigned
from shared.events.numbering import NumberingRule

PAGE = 5_000
_OF_TYPES = """
SELECT notification_id, state FROM events
WHERE notification_id > %s AND topic = ANY(%s) ORDER BY notification_id LIMIT %s"""
_RULES = TypeAdapter(tuple[NumberingRule, ...])

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Names:
    """The numbers that were given to a customer, the newest last, and its aliases."""

    numbers: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)


def read_rules(file: Path) -> tuple[NumberingRule, ...]:
    """The rules of a TOML or JSON file, `[[rules]]` each. EmbeddedError for a file that holds none."""
    try:
        content = file.read_bytes()
        found = orjson.loads(content) if file.suffix == ".json" else tomllib.loads(content.decode())
        return _RULES.validate_python(found["rules"])
    except OSError as error:
        raise EmbeddedError(f"{file} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, orjson.JSONDecodeError, UnicodeDecodeError) as error:
        raise EmbeddedError(f"{file} is no TOML or JSON: {error}.") from error
    except (KeyError, TypeError):
        raise EmbeddedError(f"{file} holds no rules; write one [[rules]] with id and template for each.") from None
    except ValidationError as error:
        wrong = "; ".join(f"rules.{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise EmbeddedError(f"{file}: {wrong}.") from None


def names(identity: Connection) -> dict[str, Names]:
    """What leads to each customer that has a number."""
    found: dict[str, Names] = {}
    for event in _events(identity, AliasAdded.stored_type(), NumberAssigned.stored_type()):
        known = found.setdefault(event.customer, Names())
        if isinstance(event.data, NumberAssigned):
            known.numbers.append(event.data.number)
        elif isinstance(event.data, AliasAdded):
            known.aliases.append(event.data.alias)
    return found


def floors(identity: Connection) -> dict[str, int]:
    """Scope -> the lowest serial that nobody was given yet, of every scope that was ever used."""
    return dict(identity.execute("SELECT scope, next FROM numbering").fetchall())


def of_sources(customer: Connection, keys: Collection[str]) -> dict[str, str]:
    """source:SOURCE:ID -> the customer that a source calls so; one that nobody is called by is missing."""
    found = customer.execute("SELECT key, owner FROM reservations WHERE key = ANY(%s)", (sorted(keys),)).fetchall()
    return {key: owner.removeprefix("customer-") for key, owner in found}


def registrations(customer: Connection, known: Mapping[str, Names]) -> list[Registration]:
    """Everybody in the order of their registration, with the open facts as they are now."""
    found: dict[str, Registration] = {}
    types = (CustomerRegistered.stored_type(), Classified.stored_type(), Tagged.stored_type())
    for event in _events(customer, *types):
        if isinstance(event.data, CustomerRegistered):
            its = known.get(event.customer, Names())
            found[event.customer] = Registration(
                event.customer, moment(event.recorded_at), facts_of(event), tuple(its.numbers), tuple(its.aliases)
            )
        elif event.customer in found:
            found[event.customer] = _changed(found[event.customer], event)
    return list(found.values())


def _changed(registration: Registration, event: Recorded) -> Registration:
    facts = registration.facts
    if isinstance(event.data, Classified):
        classes = {name: code for name, code in (facts.classes or {}).items() if name != event.data.scheme}
        if event.data.code is not None:
            classes[event.data.scheme] = event.data.code
        facts = replace(facts, classes=classes)
    elif isinstance(event.data, Tagged):
        facts = replace(facts, tags=(facts.tags | set(event.data.added)) - set(event.data.removed))
    return replace(registration, facts=facts)


def _events(connection: Connection, *types: str) -> Iterator[Recorded]:
    after = 0
    while rows := connection.execute(_OF_TYPES, (after, list(types), PAGE)).fetchall():
        for position, state in rows:
            yield open_record(parse(bytes(state)), {}, position)
        after = rows[-1][0]
