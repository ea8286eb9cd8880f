"""Who was ever one with a customer, found without reading every link, on real databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from psycopg.conninfo import make_conninfo

from deploy.history import History
from services.projections.views.membership import members_at, moves_of
from shared.audit.trail import TrailIndex, filled
from shared.events.envelope import Recorded
from shared.privacy.keyring import Keyring
from tests.deploy.logs_of_events import history_of
from tests.projections.conftest import keyring
from tests.projections.lives import a_life
from tests.projections.test_any_order import CUSTOMERS
from tests.support.events import an_id

pytestmark = pytest.mark.server
__all__ = ["keyring"]


@pytest.fixture(scope="module")
def history(postgres_url: Callable[[str], str], keyring: Keyring) -> Iterator[History]:
    with history_of(a_life(5, 80), keyring, postgres_url) as known:
        yield known


def touching(events: list[Recorded], customer: str) -> list[Recorded]:
    """The same by reading everything, over and over."""
    known = {customer}
    while True:
        found = [e for e in events if any({c.customer, c.identity} & known for c in moves_of(e))]
        more = known.union(*({c.customer, c.identity} for e in found for c in moves_of(e)))
        if more == known:
            return found
        known = more


@pytest.mark.parametrize("indexed", [0, 7, 10_000])
def test_the_links_of_a_customer_are_found_however_far_the_index_is(history: History, indexed: int) -> None:
    connection = history.connections["identity"]
    if indexed:
        url = make_conninfo(connection.info.dsn, password=connection.info.password)
        with closing(TrailIndex(url, "identity")) as index:
            index.advance(most=indexed)
        assert filled(connection) == min(indexed, history.heads()["identity"])

    everything = history.membership()
    for customer in CUSTOMERS:
        expected = touching(everything, customer)
        assert [e.id for e in history.together(customer)] == [e.id for e in expected]
        assert history.together(customer, whole=True) == history.together(customer)
        assert members_at(history.together(customer), customer) == members_at(everything, customer)


def test_somebody_who_was_never_one_with_anybody_has_no_links(history: History) -> None:
    assert history.together(an_id("eve")) == []
