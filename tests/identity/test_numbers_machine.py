"""Numbers over any delivery: late, repeated, cut anywhere, and with a process that dies around its commit."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from services.identity.application import AddAlias, IdentityApplication
from services.identity.batch import Matching
from services.identity.consumer import make_consumer
from services.identity.issuing.questions import Questions
from services.identity.matching.fingerprint import fingerprints
from services.identity.matching.judging import Judge
from services.identity.matching.model import shipped
from services.identity.numbering.rule import read
from services.identity.records import weighed_again
from services.identity.stewardship import Stewardship
from shared.errors import AlreadyReserved, NotFound
from shared.eventlog.mapper import parse
from shared.events.customer import Name, NameCorrected
from shared.events.envelope import Recorded
from shared.events.identity import AliasAdded, NumberAssigned
from shared.streaming import parse_source
from tests.identity.people import person
from tests.identity.world import customers
from tests.support.customer_topic import PARTITIONS, TOPIC, CustomerTopic, Record
from tests.support.logs import cause
from tests.support.memory import at_once, in_memory
from tests.support.memory_log import MemoryLog
from tests.support.memory_tables import Died

MATCHING = Matching(fingerprints(b"k" * 32), Judge(shipped()))
aliases = st.sampled_from(["A-1", "A-2", "old.7"])
families = st.sampled_from(["Lee", "Ray", "Fox"])
partitions = st.lists(st.integers(0, PARTITIONS - 1), min_size=1, max_size=PARTITIONS)


class NumbersMachine(RuleBasedStateMachine):
    """The real consumer and the real commands over a log in memory; `given` is what is in the topic."""

    registered = Bundle("registered")
    sent = Bundle("sent")

    def __init__(self) -> None:
        super().__init__()
        self.patches = ExitStack()
        self.patches.enter_context(in_memory())
        self.dies_at = ""
        self.log = MemoryLog("identity", at=self.at)
        self.application = IdentityApplication(self.log, Stewardship(self.log, rescore=weighed_again(Judge(shipped()))))
        self.questions = Questions(self.log)
        self.topic = CustomerTopic(self.log.keyring)
        self.given: dict[int, list[Record]] = defaultdict(list)
        self.aliases: dict[str, str] = {}

    def teardown(self) -> None:
        self.patches.close()

    def at(self, step: str) -> None:
        if step == self.dies_at:
            raise Died

    @initialize()
    def starts(self) -> None:
        self.consumer = make_consumer(self.log, MATCHING)
        self.offsets = dict.fromkeys(range(PARTITIONS), 0)

    @rule(target=registered, family=families)
    def somebody_registers(self, family: str) -> str:
        (customer,) = customers(1)
        self._publish(self.topic.record(customer, person("Ann", family, phone="+49309018201")))
        return customer

    @rule(customer=registered, family=families)
    def a_name_is_corrected(self, customer: str, family: str) -> None:
        name = Name(full=f"Ann {family}", given="Ann", family=family)
        self._publish(self.topic.record(customer, NameCorrected(name=name)))

    def _publish(self, record: Record) -> None:
        self.given[record.partition].append(record)

    @rule(places=partitions, most=st.integers(1, 5), back=st.integers(0, 3))
    def a_batch_is_delivered(self, places: list[int], most: int, back: int) -> None:
        batch = []
        for place in dict.fromkeys(places):
            start = max(0, self.offsets[place] - back)
            batch += self.given[place][start : self.offsets[place] + most]
        at_once(self.consumer.handle(batch))
        for record in batch:
            self.offsets[record.partition] = max(self.offsets[record.partition], record.offset + 1)

    @rule(places=partitions, step=st.sampled_from(["before commit", "after commit"]))
    def the_process_dies_and_comes_back(self, places: list[int], step: str) -> None:
        self.dies_at = step
        try:
            at_once(self.consumer.handle([r for place in dict.fromkeys(places) for r in self.given[place][-5:]]))
        except Died:
            pass
        finally:
            self.dies_at = ""
        self.starts()
        asked = [(TOPIC, place) for place in range(PARTITIONS)]
        for (_, place), offset in at_once(self.consumer.resume(asked)).items():
            self.offsets[place] = offset or 0

    @rule(target=sent, customer=registered, alias=aliases)
    def an_alias_is_asked_for(self, customer: str, alias: str) -> tuple[str, str, str]:
        return customer, alias, cause().command

    @rule(asked=sent)
    def it_is_added(self, asked: tuple[str, str, str]) -> None:
        self._add(asked)

    @rule(asked=consumes(sent))
    def it_is_added_and_sent_again(self, asked: tuple[str, str, str]) -> None:
        assert self._add(asked) == self._add(asked)

    def _add(self, asked: tuple[str, str, str]) -> object:
        customer, alias, command = asked
        try:
            answer = at_once(
                self.application.add_alias(customer, AddAlias(alias=alias, kind="former"), cause(command), b"body")
            )
        except NotFound:
            assert customer not in self._numbered()
            return None
        except AlreadyReserved:
            assert self.aliases[alias] != customer
            return None
        assert self.aliases.setdefault(alias, customer) == customer
        return answer

    def _events(self) -> list[Recorded]:
        return self.log.open_all([parse(stored.state) for stored in self.log.read(0, 10_000)])

    def _numbered(self) -> dict[str, NumberAssigned]:
        numbered: dict[str, NumberAssigned] = {}
        for event in self._events():
            if isinstance(event.data, NumberAssigned):
                assert numbered.setdefault(event.customer, event.data) is event.data, "a customer has two numbers"
        return numbered

    @invariant()
    def every_customer_that_was_taken_has_one_number_and_no_number_is_missing(self) -> None:
        numbered = self._numbered()
        taken = self.log.tables["positions"]
        for place, records in self.given.items():
            done = taken.get(("identity", f"{TOPIC}/{place}"))
            heard = {r.key.decode() for r in records if done and parse_source(r).position <= done.position}
            assert heard == {c for c in numbered if any(r.key == c.encode() for r in records)}
        assert sorted(data.serial for data in numbered.values()) == list(range(1, len(numbered) + 1))
        assert len({data.number for data in numbered.values()}) == len(numbered)
        assert all(read(data.number).check_ok for data in numbered.values())

    @invariant()
    def every_number_and_alias_leads_to_its_customer(self) -> None:
        owners = {data.number: customer for customer, data in self._numbered().items()} | self.aliases
        for text, customer in owners.items():
            assert at_once(self.questions.number(text)).customer == customer
        told = [(event.data.alias, event.customer) for event in self._events() if isinstance(event.data, AliasAdded)]
        assert sorted(told) == sorted(self.aliases.items())


def test_each_customer_gets_one_number_and_no_number_is_given_twice_whatever_is_delivered() -> None:
    run_state_machine_as_test(NumbersMachine, settings=settings(max_examples=30, stateful_step_count=30, deadline=None))
