"""The customers of a running system as rows that `custlog match` reads: whoever the identity service compares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from psycopg import Cursor
from psycopg.rows import dict_row

from deploy.history import History
from services.identity import store
from services.identity.matching.customer import raw_of
from services.identity.matching.features import Features
from services.identity.matching.record import Address, Raw
from services.identity.records import open_profile
from shared.access.journal import Disclosed

PAGE = 5_000
COLUMNS = (
    "id",
    "kind",
    "full_name",
    "given_name",
    "surname",
    "company_name",
    "other_name",
    "birth_date",
    "phone",
    "email",
    "street",
    "street_number",
    "street_2",
    "city",
    "state",
    "postcode",
    "country",
    "identifier",
)
"""What is told of each, in the words of `services.identity.matching.columns`."""

Row = tuple[str, ...]
Customer = tuple[str, Features]


@dataclass(frozen=True, slots=True)
class Base:
    """Everybody who may be compared, at one moment: neither erased nor restricted, as far as identity has read."""

    history: History
    cursor: Cursor[dict[str, Any]]

    def count(self) -> int:
        """How many they are; fewer are opened if somebody is erased meanwhile."""
        return store.count_comparable(self.cursor)

    def pages(self) -> Iterator[list[Customer]]:
        """What is known of them, in the order of ids."""
        after = store.FIRST
        while found := store.comparable(self.cursor, after, PAGE):
            keys = self.history.keyring.fetch([profile.customer for profile in found])
            yield [(each.customer, open_profile(each, keys)) for each in found if each.customer in keys]
            after = found[-1].customer


@contextmanager
def opened(history: History) -> Iterator[Base]:
    """The base, without what is written meanwhile."""
    connection = history.connections["identity"]
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield Base(history, cursor)


def row(customer: str, features: Features) -> Row:
    """The values as they were given. Of several addresses the main one: a row has no room for more."""
    homes = sorted(features.addresses.items(), key=lambda home: home[0] != "main")
    raw = raw_of(msgspec.structs.replace(features, addresses=dict(homes)))
    home = raw.addresses[0] if raw.addresses else Address()
    return (
        customer,
        raw.kind,
        raw.full,
        raw.given,
        raw.family,
        raw.company,
        _several(raw.others),
        raw.birth_date,
        _several(raw.phones),
        _several(raw.emails),
        home.line,
        home.number,
        home.extra,
        home.city,
        home.state,
        home.postcode,
        home.country,
        _several(_typed(raw)),
    )


def disclosed(customers: Iterable[Customer]) -> Disclosed:
    """Whose fields these rows show."""
    return {customer: _shown(features) for customer, features in customers}


def _shown(features: Features) -> set[str]:
    told = {
        "name": features.full,
        "birth_date": features.birth_date,
        "contacts": features.contacts,
        "addresses": features.addresses,
        "identifiers": features.identifiers,
    }
    return {field for field, value in told.items() if value}


def _typed(raw: Raw) -> Sequence[str]:
    return [f"{kind.replace(':', ' ')}:{value}" for kind, value in raw.identifiers]


def _several(values: Sequence[str]) -> str:
    # What parts the values of a cell cannot stand in one of them.
    return ";".join(value.replace(";", " ") for value in values)
