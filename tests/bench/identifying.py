"""Registrations that the identity service takes: numbered and matched beside a base that is there already.

The records are handed to its consumer as the topic gives them, a batch a transaction on a real PostgreSQL; without
Kafka, and with one process, as one service has. The base is written into its tables as the service writes them.
"""

from __future__ import annotations

import time
from datetime import date

from services.identity import store
from services.identity.matching.customer import normal_of
from services.identity.matching.features import NOTHING, evolve
from services.identity.matching.fingerprint import fingerprints
from services.identity.matching.lookup import tokens
from services.identity.records import sealed_profile
from shared.eventlog.log import Log
from shared.events import customer as facts
from shared.ids import uuid7
from tests.bench.measure import Plan, Result, Spread, calm, percentiles
from tests.bench.population import Person, Population
from tests.bench.stand import Stand
from tests.identity.world import KEY, running_world

SEED = 5
STORED = 100
"""So many times as many customers as arrive in a round are there already."""
PART = 5_000
BATCH = 500
"""Records that the consumer takes in one transaction."""


async def measure(stand: Stand, plan: Plan) -> list[Result]:
    """What the service finds is counted: a base of people of whom one in ten is told twice."""
    stand.start(stand.postgres)
    arriving = plan.size // 10
    stored, people = arriving * STORED, Population.of(SEED)
    with running_world(stand.database("identifying"), stand.database("keyring"), stand.folder) as world:
        log = world.log
        for start in range(0, stored, PART):
            _fill(log, people, range(start, min(start + PART, stored)))
        with log.transaction() as tx:
            tx.cursor.execute("ANALYZE")
        rates, latencies = [], list[float]()
        for turn in range(plan.rounds):
            first = stored + turn * arriving
            customers = {uuid7(): number for number in range(first, first + arriving)}
            log.keyring.ensure(list(customers))
            records = [world.topic.record(one, _registered(people.record(number))) for one, number in customers.items()]
            with calm():
                began = asked = time.perf_counter()
                for start in range(0, len(records), BATCH):
                    await world.consumer.handle(records[start : start + BATCH])
                    answered = time.perf_counter()
                    latencies.append(answered - asked)
                    asked = answered
                rates.append(arriving / (asked - began))
        links = len(world.rows("links"))
    times = percentiles(latencies)
    return [
        Result(
            path=f"registrations numbered and matched by the service, {BATCH} a batch, {stored:,} stored",
            unit="records/s",
            ours=Spread.of(rates),
            goals={},
            more={**times, "links": links},
        )
    ]


def _fill(log: Log, people: Population, numbers: range) -> None:
    """Customers as the service keeps them, each for itself."""
    customers = [uuid7() for _ in numbers]
    features = {
        customer: evolve(NOTHING, _registered(people.record(number)))
        for customer, number in zip(customers, numbers, strict=True)
    }
    keys = log.keyring.ensure(customers)
    digests, searched = fingerprints(KEY), tokens(KEY)
    with log.transaction() as tx:
        store.put_profiles(tx.cursor, [sealed_profile(one, 1, known, keys) for one, known in features.items()])
        store.put_evidence(tx.cursor, [(one, digests(normal_of(known))) for one, known in features.items()])
        store.put_tokens(tx.cursor, [(token, one) for one, known in features.items() for token in searched(known)])
        store.put_members(tx.cursor, {customer: customer for customer in customers})


def _registered(person: Person) -> facts.CustomerRegistered:
    locality, region, postcode = person.place
    points = [("phone", person.phone), ("email", person.email)]
    return facts.CustomerRegistered(
        kind="person",
        source="bench",
        name=facts.Name(full=f"{person.given} {person.family}", given=person.given, family=person.family),
        birth_date=date.fromisoformat(person.born) if person.born else None,
        contact_points=tuple(
            facts.ContactPoint(contact_id=uuid7(), kind=kind, value=value) for kind, value in points if value
        ),
        address=facts.Address(
            lines=(person.street,),
            street_number=person.house,
            locality=locality or None,
            region=region or None,
            postcode=postcode or None,
            country="AU",
        ),
        identifiers=(facts.Identifier(type="soc_sec", value=person.identifier),) if person.identifier else (),
    )
