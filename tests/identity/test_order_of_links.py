"""What readers make of the moves in the identity log is what the tables of this service hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.identity.batch import Matching
from services.identity.consumer import make_consumer
from services.identity.matching.fingerprint import fingerprints
from services.identity.matching.judging import Judge
from services.identity.matching.model import shipped
from shared.eventlog.mapper import parse
from shared.events.customer import Name, NameCorrected
from shared.events.identity import Linked, NumberAssigned
from tests.identity.people import person
from tests.identity.world import customers
from tests.support.customer_topic import CustomerTopic
from tests.support.memory import at_once, in_memory
from tests.support.memory_log import MemoryLog

FAMILIES = ("Lee", "Ray", "Fox")
MATCHING = Matching(fingerprints(b"k" * 32), Judge(shipped()))

changes = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(FAMILIES)), max_size=20)


@pytest.fixture(autouse=True, scope="module")
def _stand_ins() -> Iterator[None]:
    with in_memory():
        yield


@settings(max_examples=100, deadline=None)
@given(told=changes, cut=st.integers(1, 20))
@example(told=[(0, "Fox"), (1, "Lee"), (2, "Lee"), (0, "Lee")], cut=2)
def test_the_moves_in_their_order_lead_to_the_identities_of_the_tables(told: list[tuple[int, str]], cut: int) -> None:
    log = MemoryLog("identity")
    consumer, topic, ids = make_consumer(log, MATCHING), CustomerTopic(log.keyring), customers(6)
    known: set[str] = set()
    records = []
    for number, family in told:
        customer = ids[number]
        renamed = NameCorrected(name=Name(full=f"Ann {family}", given="Ann", family=family))
        fact = renamed if customer in known else person("Ann", family, phone="+49309018201")
        known.add(customer)
        records.append(topic.record(customer, fact))
    for start in range(0, len(records), cut):
        at_once(consumer.handle(records[start : start + cut]))

    told_by_moves: dict[str, str] = {}
    for event in log.open_all([parse(stored.state) for stored in log.read(0, 1000)]):
        match event.data:
            case NumberAssigned():
                told_by_moves.setdefault(event.customer, event.customer)
            case Linked(moves=moves):
                told_by_moves.update((move.customer, move.identity) for move in moves)
            case _:
                pass
    assert told_by_moves == log.tables["members"]
