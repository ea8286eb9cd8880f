"""Records that are matched as they arrive, in memory, by one core: how many, how soon, and how much room one takes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import psutil

from services.identity.matching.counting import learn
from services.identity.matching.matcher import Matcher
from services.identity.matching.model import shipped
from services.identity.matching.normalise.record import normalise
from services.identity.matching.record import Address, Normal, Raw
from services.identity.matching.rows import packed, unpacked
from tests.bench.measure import Goal, Plan, Result, Spread, calm, percentiles
from tests.bench.population import Person, Population
from tests.bench.stand import Stand

SEED = 3
STORED = 10
"""So many times as many records as arrive in a round are there already."""
PART = 10_000
RATE = Goal(">= 10,000 records/s", 10_000)
QUICK = Goal("p99 <= 2 ms", 2, at_most=True)
ROOM = Goal("<= 4 KB a record", 4096, at_most=True)


async def measure(_: Stand, plan: Plan) -> list[Result]:
    """What arrives is normalised before the clock runs; how fast that goes is said beside."""
    count = plan.size * (STORED + plan.rounds)
    began = time.perf_counter()
    records = [packed(normal) for normal in _normals(count)]
    normalised = count / (time.perf_counter() - began)
    stored = plan.size * STORED
    model = shipped().fitted(stored, learn(map(unpacked, records[:stored]), shipped().frequencies))
    free = psutil.Process().memory_info().rss
    matcher = Matcher(model)
    for start in range(0, stored, PART):
        part = records[start : min(start + PART, stored)]
        matcher.load({_id(start + number): unpacked(record) for number, record in enumerate(part)})
    room = (psutil.Process().memory_info().rss - free) / stored
    rates, latencies, found = [], list[float](), 0
    for turn in range(plan.rounds):
        first = stored + turn * plan.size
        arriving = [unpacked(record) for record in records[first : first + plan.size]]
        with calm():
            rate, candidates = _arrive(matcher, first, arriving, latencies)
        rates.append(rate)
        found += candidates
    times, ours = percentiles(latencies), Spread.of(rates)
    return [
        Result(
            path=f"a record matched as it arrives, {stored:,} stored",
            unit="records/s",
            ours=ours,
            goals={RATE.text: RATE.met_by(ours.median), QUICK.text: QUICK.met_by(times["p99_ms"])},
            more={**times, "candidates": found, "normalised_per_second": round(normalised)},
        ),
        Result(
            path=f"room of a record in the matcher, {stored:,} stored",
            unit="bytes",
            ours=Spread.of([room]),
            goals={ROOM.text: ROOM.met_by(room)},
        ),
    ]


def _arrive(matcher: Matcher, first: int, arriving: Sequence[Normal], latencies: list[float]) -> tuple[float, int]:
    found = 0
    began = asked = time.perf_counter()
    for number, normal in enumerate(arriving, start=first):
        found += len(matcher.add(_id(number), normal).candidates)
        answered = time.perf_counter()
        latencies.append(answered - asked)
        asked = answered
    return len(arriving) / (asked - began), found


def _id(number: int) -> str:
    return f"r{number:08}"


def _normals(count: int) -> Iterator[Normal]:
    people = Population.of(SEED)
    return (normalise(_raw(people.record(number))) for number in range(count))


def _raw(person: Person) -> Raw:
    locality, region, postcode = person.place
    home = Address(
        street=person.street, number=person.house, city=locality, state=region, postcode=postcode, country="AU"
    )
    return Raw(
        kind="person",
        given=person.given,
        family=person.family,
        birth_date=person.born,
        phones=(person.phone,) if person.phone else (),
        emails=(person.email,) if person.email else (),
        addresses=(home,),
        identifiers=(("soc_sec_id", person.identifier),) if person.identifier else (),
    )
