"""The search on real databases: the indexes find what reading everything finds, page by page, and nothing else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from deploy.embedded.errors import EmbeddedError
from deploy.trail.question import Order, Place, Question
from deploy.trail.search import Search
from shared.access.journal import Access, Journal
from shared.audit.trail import TrailIndex
from shared.eventlog.commit import Append, Commit
from shared.eventlog.log import Log
from shared.events.access import CommandRefused, LoginFailed
from shared.events.customer import CustomerArchived
from shared.events.envelope import Actor, Cause
from shared.ids import uuid7
from tests.support.audit_store import rows
from tests.support.events import an_id
from tests.support.logs import registered, running_keyring, running_log

pytestmark = pytest.mark.server

ACTORS = ("u1", "u2", "u3")
CUSTOMERS = [an_id(name) for name in ("ann", "ben", "cem", "dan")]
REFUSED = CommandRefused(service="customer", operation="POST /customers", status=403, problem="forbidden", count=1)


@dataclass(frozen=True)
class Trail:
    """Two logs with some records, of which the indexes do not have the last ones."""

    urls: Mapping[str, str]
    connections: Mapping[str, psycopg.Connection[tuple[Any, ...]]]

    def search(self, *, whole: bool = False) -> Search:
        return Search(self.connections, whole=whole)

    def everything(self) -> list[Place]:
        return self.search(whole=True).places(ALL, "oldest")


ALL = Question(logs=("customer", "access"))


@pytest.fixture(scope="module")
def trail(postgres_url: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trail]:
    urls = {log: postgres_url(log) for log in ("customer", "access")}
    with ExitStack() as stack:
        keyring = stack.enter_context(running_keyring(postgres_url("keyring"), tmp_path_factory.mktemp("keys")))
        logs = {name: stack.enter_context(running_log(name, url, keyring)) for name, url in urls.items()}
        asyncio.run(write(logs, 40))
        for name, url in urls.items():
            with closing(TrailIndex(url, name)) as index:
                index.advance()
        asyncio.run(write(logs, 10))
        connections = {name: stack.enter_context(psycopg.connect(url, autocommit=True)) for name, url in urls.items()}
        yield Trail(urls, connections)


async def write(logs: Mapping[str, Log], rounds: int) -> None:
    """Commands of several accounts about several customers, reads and refusals between them."""
    dice = random.Random(7)
    journal = Journal(logs["access"])
    for _ in range(rounds):
        actor, customer = Actor(id=dice.choice(ACTORS), kind="user"), dice.choice(CUSTOMERS)
        command, correlation = uuid7(), uuid7()
        stream = f"customer-{uuid7()}"
        events = (registered(), CustomerArchived(reason="x"))
        cause = Cause(actor, "web", "service", command, correlation, command)
        await logs["customer"].commit(Commit(cause, (Append(stream, customer, 0, events),)))
        access = Access(actor, "web", "service", correlation, "GET /customers/{ref}")
        await journal.read(access, {customer: {"name"}})
        journal.refused(access, dice.choice((REFUSED, LoginFailed(reason="x", count=1))))
        await journal.flush()


def questions(trail: Trail) -> Iterator[Question]:
    """One for every filter, and many for some of them together."""
    places = trail.everything()
    yield ALL
    dice = random.Random(11)
    records = [found.record for found in trail.search(whole=True).records(places, ALL)]
    for _ in range(150):
        wanted, place = dice.choice(records), dice.choice(places)
        chosen = {
            "actor": wanted.actor.id,
            "customers": frozenset({wanted.customer, dice.choice(CUSTOMERS)}),
            "types": frozenset({wanted.type, REFUSED.TYPE}),
            "since": place.at,
            "until": dice.choice(places).at + dice.choice((timedelta(0), timedelta(microseconds=1))),
            "command": wanted.command,
            "correlation": wanted.correlation,
            "logs": (wanted.log,),
        }
        names = dice.sample(sorted(chosen), dice.randint(1, 3))
        yield Question(**{"logs": ALL.logs, **{name: chosen[name] for name in names}})  # type: ignore[arg-type]


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_the_indexes_find_what_reading_everything_finds(trail: Trail, order: Order) -> None:
    for question in questions(trail):
        found = trail.search().places(question, order)

        assert found == trail.search(whole=True).places(question, order), question
        assert found == sorted(found, reverse=order == "newest")


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_pages_one_after_the_other_are_the_whole_answer(trail: Trail, order: Order) -> None:
    for question in list(questions(trail))[:40]:
        pages: list[Place] = []
        after = None
        while page := trail.search().page(question, order, 7, after):
            pages += [found.place for found in page]
            after = page[-1].place

        assert pages == trail.search(whole=True).places(question, order), question


def test_every_record_found_is_one_that_was_asked_for(trail: Trail) -> None:
    question = Question(actor="u1", types=frozenset({LoginFailed.TYPE}), logs=ALL.logs)

    found = trail.search().page(question, "newest", 100)

    assert found
    assert all(question.matches(each.record) for each in found)


@pytest.mark.parametrize(
    ("change", "question"),
    [
        ("actor = 'u9'", Question(actor="u9", logs=ALL.logs)),
        ("at = at - interval '1 second'", ALL),
    ],
)
def test_an_index_that_was_altered_is_found_out_where_it_answers(trail: Trail, change: str, question: Question) -> None:
    url = trail.urls["access"]
    before = rows(url, "SELECT actor, at FROM audit_trail WHERE position = 3")[0]
    rows(url, f"UPDATE audit_trail SET {change} WHERE position = 3 RETURNING 1")
    try:
        with pytest.raises(EmbeddedError, match="index of the access log is not that of its records at position 3"):
            trail.search().page(question, "oldest", 1000)
        assert len(trail.search(whole=True).page(ALL, "oldest", 1000)) == len(trail.everything())
    finally:
        rows(url, "UPDATE audit_trail SET actor = %s, at = %s WHERE position = 3 RETURNING 1", *before)


def test_a_log_without_tables_has_nothing_to_find(postgres_url: Callable[[str], str], tmp_path: Path) -> None:
    with psycopg.connect(postgres_url("empty"), autocommit=True) as connection:
        assert Search({"access": connection}).places(Question(logs=("access",))) == []
