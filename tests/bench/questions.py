"""What a system is asked while it grows: the main queries of its views, and commands of one event each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from urllib.parse import urlencode

import orjson

from services.identity.numbering.rule import render
from tests.bench.population import Population
from tests.bench.wire import Request

COMMON_LETTERS = 3


@dataclass(frozen=True, slots=True)
class Known:
    """What may be asked for: the people of the rows so far, and the ids of some customers among them."""

    population: Population
    rows: int
    customers: tuple[str, ...]

    def numbers(self, random: Random) -> str:
        return render(random.randrange(self.rows) + 1)


Ask = Callable[[Known, Random], str]
"""The path of one question."""


def _by_id(known: Known, random: Random) -> str:
    return f"/customers/{random.choice(known.customers)}"


def _by_number(known: Known, random: Random) -> str:
    return f"/customers/{known.numbers(random)}"


def _timeline(known: Known, random: Random) -> str:
    return f"/customers/{known.numbers(random)}/timeline"


def _full_name(known: Known, random: Random) -> str:
    person = known.population.record(random.randrange(known.rows))
    return _directory(f"{person.given} {person.family}")


def _family_name(known: Known, random: Random) -> str:
    return _directory(known.population.record(random.randrange(known.rows)).family)


def _letters(known: Known, random: Random) -> str:
    return _directory(random.choice(known.population.family)[:COMMON_LETTERS])


def _inside(known: Known, random: Random) -> str:
    return _directory(f"{random.choice(known.population.family)[1:]}q")


def _directory(name: str) -> str:
    return "/directory?" + urlencode({"name": name})


def _agenda_day(_: Known, random: Random) -> str:
    day = _day(random)
    return "/agenda?" + urlencode({"from": day, "to": day, "state": "planned"})


def _agenda_page(_: Known, random: Random) -> str:
    return "/agenda?" + urlencode({"state": "planned", "after": f"{_day(random)}~8"})


def _day(random: Random) -> str:
    return (datetime.now(UTC).date() + timedelta(days=random.randrange(1, 360))).isoformat()


QUERIES: Mapping[str, Ask] = {
    "customer by id": _by_id,
    "customer by number": _by_number,
    "timeline": _timeline,
    "directory: given and family name": _full_name,
    "directory: family name": _family_name,
    f"directory: first {COMMON_LETTERS} letters": _letters,
    "directory: a name nobody has": _inside,
    "agenda: one day": _agenda_day,
    "agenda: a later page": _agenda_page,
}


def questions(ask: Ask, known: Known, random: Random) -> Iterator[Request]:
    """Questions of one kind without end."""
    while True:
        yield Request(ask(known, random))


def orders(known: Known, random: Random) -> Iterator[Request]:
    """Commands without end: an order of somebody who is known, one event each."""
    body = orjson.dumps({"reference": "PO-1", "currency": "EUR", "total": "25.00"})
    while True:
        yield Request(f"/customers/{random.choice(known.customers)}/orders", body)
