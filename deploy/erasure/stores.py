"""Whether each store has taken away what it derived from a customer: asked of its own database."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from deploy.embedded.home import State
from deploy.history import database_url
from services.projections.scratch import build_in
from services.projections.store import SCRATCH
from services.projections.views import VIEWS
from shared.mongo import connect
from shared.topics import partition_of

TOPIC = "customer.events"
_PLACE = "SELECT position FROM inbox_position WHERE consumer = %s AND source = %s"
_PARKED = "SELECT count(*) FROM inbox_parked WHERE consumer = %s AND key = %s"
_PUBLISHED = "SELECT position FROM relay_position WHERE topic = %s"
_LEFT = {
    "identity": """
        SELECT (SELECT count(*) FROM evidence WHERE customer = %(customer)s)
             + (SELECT count(*) FROM profiles WHERE customer = %(customer)s AND ct IS NOT NULL)""",
    "notifications": """
        SELECT (SELECT count(*) FROM timers WHERE customer = %(customer)s)
             + (SELECT count(*) FROM deliveries WHERE customer = %(customer)s)""",
}
"""Service -> how many rows it has that were made from the customer's data. Memberships are not: they name ids."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What one store says: it has applied the topic up to `position`, `parked` records of the customer wait, and it
    holds `left` rows, documents or builds that were made from the customer's data."""

    store: str
    position: int
    parked: int
    left: int

    def confirms(self, position: int) -> bool:
        """Whether the erasure at this position of the log was carried out there."""
        return self.position >= position and not self.parked and not self.left


async def confirmations(state: State, customer: str) -> list[Confirmation]:
    """One of each store that follows the customer log, the topic itself first."""
    postgres = state.servers["postgres"].url
    views, partitions = await _views(state.servers["mongo"].url, customer)
    source = f"{TOPIC}/{partition_of(customer, partitions)}"
    with psycopg.connect(database_url(postgres, "customer"), autocommit=True) as log:
        published = _number(log, _PUBLISHED, (TOPIC,))
    return [
        Confirmation("topic", published, 0, 0),
        *(_consumer(postgres, service, source, customer) for service in _LEFT),
        views,
    ]


def _consumer(postgres: str, service: str, source: str, customer: str) -> Confirmation:
    with psycopg.connect(database_url(postgres, service), autocommit=True) as database:
        return Confirmation(
            service,
            _number(database, _PLACE, (service, source)),
            _number(database, _PARKED, (service, customer)),
            _number(database, _LEFT[service], {"customer": customer}),
        )


def _number(
    database: psycopg.Connection[tuple[Any, ...]], statement: Any, given: Sequence[Any] | Mapping[str, Any]
) -> int:
    try:
        row = database.execute(statement, given).fetchone()
    except psycopg.errors.UndefinedTable:
        return 0
    return int(row[0]) if row else 0


async def _views(url: str, customer: str, name: str = "custlog") -> tuple[Confirmation, int]:
    """What the views say, and how many partitions the topic has."""
    mongo = connect(url)
    try:
        database = mongo.database(name)
        active = {row["_id"]: row["active"] for row in await database["aliases"].find({}).to_list(None)}
        places = await database["inbox_position"].find({"source": {"$regex": f"^{TOPIC}/"}}).to_list(None)
        parked = await database["inbox_parked"].count_documents({"key": customer})
        builds = {each for each in await database.list_collection_names() if "__v" in each}
        left = len(builds - set(active.values())) + await _of_the_past(database)
        for view, collection in active.items():
            if view in VIEWS:
                left += await _unpurged(database[collection], view, customer)
    finally:
        await mongo.close()
    partitions = max(len(places), 1)
    source = f"{TOPIC}/{partition_of(customer, partitions)}"
    position = next((row["position"] for row in places if row["source"] == source), 0)
    return Confirmation("views", int(position), int(parked), left), partitions


async def _of_the_past(database: Any) -> int:
    """The scratch builds that an erasure made stale and nobody has dropped yet, and collections that nobody owns."""
    # The names first: whoever begins a build meanwhile has a row by then.
    names = await database.list_collection_names()
    rows = {row["_id"]: row["state"] for row in await database[SCRATCH].find({}, {"state": 1}).to_list(None)}
    stale = {build for build, state in rows.items() if state == "stale"}
    return len(stale | ({build for name in names if (build := build_in(name)) is not None} - rows.keys()))


async def _unpurged(collection: Any, view: str, customer: str) -> int:
    """The documents in which a purge would change something."""
    left = 0
    for document in await collection.find(VIEWS[view].of_subject(customer)).to_list(None):
        purged = copy.deepcopy(document)
        VIEWS[view].purge(purged, customer)
        left += purged != document
    return left
