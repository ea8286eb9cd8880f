"""Numbers by command: assigned, moved, chosen, leased, taken over, and what they mean now and then. In memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.identity.application import AddAlias, IdentityApplication, Link, Separate
from services.identity.batch import Matching
from services.identity.consumer import make_consumer
from services.identity.issuing.commands import (
    Assign,
    Assignment,
    GivenFacts,
    KnownNumber,
    Lease,
    RowAnswer,
    SetRules,
    TakeOver,
)
from services.identity.issuing.leases import Leases, ranges
from services.identity.issuing.numbers import Numbers
from services.identity.issuing.questions import Meaning, Questions
from services.identity.issuing.rules import Rules
from services.identity.matching.fingerprint import fingerprints
from services.identity.matching.judging import Judge
from services.identity.matching.model import shipped
from services.identity.number_store import Counter
from services.identity.numbering.rule import render
from services.identity.numbering.rulebook import DEFAULT_RULE
from services.identity.numbering.scheme import Numbering
from services.identity.records import weighed_again
from services.identity.stewardship import Stewardship
from shared.clock import TestClock
from shared.errors import Conflict, Invalid, NotFound, Unavailable
from shared.eventlog.mapper import parse
from shared.events.envelope import Contract
from shared.events.identity import AliasAdded, NumberAssigned
from shared.events.numbering import NumberingRule, NumbersVoided, SerialRange, SerialsRaised
from tests.identity.numbering_rules import REGION
from tests.identity.people import person
from tests.identity.world import customers
from tests.support.customer_topic import CustomerTopic
from tests.support.logs import cause
from tests.support.memory import at_once, in_memory
from tests.support.memory_log import MemoryLog
from tests.support.memory_tables import Died

GERMAN = GivenFacts(kind="person", classes={"region": "DE"})
FRENCH = GivenFacts(kind="person", classes={"region": "FR"})


class Office:
    """The identity service on tables in memory, at a time that stands still."""

    def __init__(self) -> None:
        self.clock = TestClock()
        self.dies_at = ""
        self.log = MemoryLog("identity", clock=self.clock, at=self.at)
        self.topic = CustomerTopic(self.log.keyring)
        self.consumer = make_consumer(self.log, Matching(fingerprints(b"k" * 32), Judge(shipped())))
        self.application = IdentityApplication(self.log, Stewardship(self.log, rescore=weighed_again(Judge(shipped()))))
        self.numbers = Numbers(self.log, self.clock)
        self.rules = Rules(self.log, self.clock)
        self.leases = Leases(self.log, self.clock)
        self.questions = Questions(self.log, self.clock)

    def at(self, step: str) -> None:
        if step == self.dies_at:
            self.dies_at = ""
            raise Died

    def register(self, count: int, **how: Any) -> list[str]:
        found = list(customers(count))
        for number, customer in enumerate(found):
            event = person(f"Ann{number}", f"Lee{customer[-6:]}").model_copy(update=how)
            at_once(self.consumer.handle([self.topic.record(customer, event)]))
        return found

    def set(self, *rules: NumberingRule, **more: Any) -> Any:
        command = SetRules(rules=(*rules, DEFAULT_RULE), reason="test", **more)
        return at_once(self.rules.set(command, cause(), b"rules"))

    def assign(self, *rows: Assignment, rule: str | None = None) -> list[RowAnswer]:
        return asyncio.run(self.numbers.assign(Assign(rows=rows, rule=rule), cause()))

    def take_over(self, *rows: KnownNumber) -> list[RowAnswer]:
        return asyncio.run(self.numbers.take_over(TakeOver(rows=rows), cause()))

    def lease(self, count: int, **more: Any) -> dict[str, Any]:
        return at_once(
            self.leases.lease(
                Lease(rule=REGION.id, facts=GERMAN, count=count, holder="till-7", **more), cause(), b"lease"
            )
        )

    def means(self, text: str, as_of: datetime | None = None, *, suggest: bool = False) -> Meaning:
        return at_once(self.questions.number(text, as_of, suggest=suggest))

    def events(self, kind: type[Contract]) -> list[Any]:
        stored = [parse(note.state) for note in self.log.read(0, 100_000)]
        return [event.data for event in self.log.open_all(stored) if isinstance(event.data, kind)]


@pytest.fixture
def office() -> Iterator[Office]:
    with ExitStack() as stack:
        stack.enter_context(in_memory())
        yield Office()


def test_rules_number_who_registers_after_them_and_the_rest_as_before(office: Office) -> None:
    (before,) = office.register(1)
    office.set(REGION)

    (german,) = office.register(1, classification={"region": "DE"})
    (nowhere,) = office.register(1)

    assert [(event.rule, event.serial) for event in office.events(NumberAssigned)] == [
        ("numbering.default.v1", 1),
        ("region.v1", 1),
        ("numbering.default.v1", 2),
    ]
    assert office.means(render(1)).customer == before
    found = next(event.number for event in office.events(NumberAssigned) if event.rule == REGION.id)
    assert office.means(found.lower().replace("-", " ")).customer == german
    assert office.means(render(2)).customer == nowhere


def test_rules_of_the_future_wait_for_their_time(office: Office) -> None:
    office.set(REGION, effective_from=office.clock.now() + timedelta(days=30))

    office.register(1, classification={"region": "DE"})

    assert [event.rule for event in office.events(NumberAssigned)] == ["numbering.default.v1"]
    assert at_once(office.rules.shown())["in_force"] == 0


def test_bad_rules_and_rules_of_the_past_are_refused_with_reasons(office: Office) -> None:
    with pytest.raises(Invalid) as refused:
        office.set(NumberingRule(id="bad.v1", template="C{seq:9}"))
    assert "form of rule numbering.default.v1" in refused.value.errors[0]["message"]
    with pytest.raises(Invalid) as refused:
        office.set(REGION, effective_from=office.clock.now() - timedelta(seconds=1))
    assert refused.value.errors[0]["field"] == "effective_from"


def test_a_form_that_an_alias_in_use_has_is_refused(office: Office) -> None:
    (ann,) = office.register(1)
    at_once(office.application.add_alias(ann, AddAlias(alias="Q0042", kind="foreign"), cause(), b"1"))

    with pytest.raises(Invalid) as refused:
        office.set(NumberingRule(id="q.v1", template="Q{seq:4}"))

    assert "in use have its form" in refused.value.errors[0]["message"]


def test_no_alias_takes_the_form_of_any_rule(office: Office) -> None:
    office.set(REGION)
    (ann,) = office.register(1)

    with pytest.raises(Invalid, match="customer number"):
        at_once(office.application.add_alias(ann, AddAlias(alias="RDE-2026-00017", kind="foreign"), cause(), b"1"))


def test_a_new_number_makes_the_old_one_an_alias_and_asking_again_changes_nothing(office: Office) -> None:
    (ann,) = office.register(1)
    office.set(REGION)

    (first,) = office.assign(Assignment(customer=ann, facts=GERMAN))
    (again,) = office.assign(Assignment(customer=ann, facts=GERMAN))

    assert (first.changed, again.changed, first.number) == (True, False, again.number)
    assert [(event.alias, event.kind) for event in office.events(AliasAdded)] == [(render(1), "former")]
    old = office.means(render(1))
    assert (old.customer, old.state, old.current) == (ann, "alias", first.number)
    assert office.means(first.number or "").state == "primary"


def test_a_move_keeps_the_number_or_gives_a_new_one_as_the_rule_says_and_back_the_old_one(office: Office) -> None:
    moving = REGION.model_copy(
        update={"id": "moving.v1", "template": "M{class.region:2}{seq:4}{check:mod37_36}", "on_move": "reissue"}
    )
    office.set(moving, REGION)
    ann, bob = office.register(2)
    (german,) = office.assign(Assignment(customer=ann, facts=GERMAN))
    (french,) = office.assign(Assignment(customer=ann, facts=FRENCH))
    (back,) = office.assign(Assignment(customer=ann, facts=GERMAN))
    (kept,) = office.assign(Assignment(customer=bob, facts=GERMAN), rule=REGION.id)
    (stays,) = office.assign(Assignment(customer=bob, facts=FRENCH), rule=REGION.id)

    assert (german.number, back.changed) == (back.number, True)
    assert french.number != german.number
    assert (stays.number, stays.changed) == (kept.number, False)
    assert office.means(french.number or "").state == "alias"


@pytest.mark.parametrize("step", ["before commit", "after commit"])
def test_a_process_that_dies_around_its_commit_loses_no_serial_and_gives_no_number_twice(
    office: Office, step: str
) -> None:
    office.set(REGION)
    ann, bob = office.register(2)
    office.dies_at = step
    with pytest.raises(Died):
        office.lease(2)
    office.dies_at = step
    with pytest.raises(Unavailable):
        office.take_over(KnownNumber(customer=ann, number=render(40)))

    answers = office.assign(*(Assignment(customer=customer, facts=GERMAN) for customer in (ann, bob)))
    office.take_over(KnownNumber(customer=ann, number=render(40)))
    (later,) = office.register(1)

    serials = [event.serial for event in office.events(NumberAssigned) if event.rule == REGION.id]
    leased = 2 if step == "after commit" else 0
    assert serials == [1 + leased, 2 + leased]
    assert len({answer.number for answer in answers}) == 2
    assert office.means(render(41)).customer == later
    assert [event.alias for event in office.events(AliasAdded)].count(render(40)) == 1


def test_commands_that_arrive_together_are_written_together_and_answered_apart(office: Office) -> None:
    people = office.register(20)

    async def all_at_once() -> list[list[RowAnswer]]:
        commands = [Assign(rows=(Assignment(customer=customer, facts=GERMAN),)) for customer in people]
        return await asyncio.gather(*(office.numbers.assign(command, cause()) for command in commands))

    office.set(REGION)
    before = len(office.log.read(0, 100_000))
    answers = asyncio.run(all_at_once())

    assert [answer.customer for (answer,) in answers] == people
    assert [event.serial for event in office.events(NumberAssigned) if event.rule == REGION.id] == list(range(1, 21))
    assert len(office.log.read(0, 100_000)) == before + 40


def test_rows_are_refused_one_by_one(office: Office) -> None:
    office.set(REGION)
    (ann,) = office.register(1)
    (stranger,) = customers(1)

    answers = office.assign(Assignment(customer=stranger, facts=GERMAN), Assignment(customer=ann, facts=GERMAN))

    assert [(answer.error is None, answer.changed) for answer in answers] == [(False, False), (True, True)]
    assert "not known here" in (answers[0].error or "")
    with pytest.raises(NotFound, match=r"no numbering rule no\.such\.rule"):
        office.assign(Assignment(customer=ann), Assignment(customer=stranger), rule="no.such.rule")


def test_a_vanity_number_is_given_by_hand_and_once(office: Office) -> None:
    office.set(
        REGION.model_copy(
            update={"held_back": ("888",), "reserved": (SerialRange(first=5, last=9),), "on_move": "keep"}
        )
    )
    ann, bob = office.register(2)
    made = Numbering(REGION)
    (given,) = office.assign(Assignment(customer=ann, number=made.render(("DE", "2026"), 8880)))
    (taken,) = office.assign(Assignment(customer=bob, number=made.render(("DE", "2026"), 8880)))
    (in_turn,) = office.assign(Assignment(customer=bob, number=made.render(("DE", "2026"), 4)))
    (reserved,) = office.assign(Assignment(customer=bob, number=made.render(("DE", "2026"), 5)))

    assert given.changed
    assert "another customer" in (taken.error or "")
    assert "in its turn" in (in_turn.error or "")
    assert reserved.changed
    assert office.means(made.render(("DE", "2026"), 8881)).state == "held_back"


def test_a_leased_block_is_nobody_elses_and_what_is_left_of_it_is_void(office: Office) -> None:
    office.set(REGION)
    (ann, bob) = office.register(2)

    lease = office.lease(5)
    (other,) = office.assign(Assignment(customer=bob, facts=GERMAN))
    (used,) = office.assign(Assignment(customer=ann, number=lease["numbers"][2]))
    assert office.means(lease["numbers"][0]).state == "leased"
    released = at_once(office.leases.release(lease["lease"], cause()))
    again = at_once(office.leases.release(lease["lease"], cause()))

    assert used.changed
    assert other.number not in lease["numbers"]
    assert (released["voided"], again["changed"]) == (4, False)
    (void,) = office.events(NumbersVoided)
    assert [(r.first, r.last) for r in void.ranges] == [(1, 2), (4, 5)]
    assert office.means(lease["numbers"][0]).state == "void"
    (late,) = office.assign(Assignment(customer=bob, number=lease["numbers"][0]))
    assert late.error


def test_a_lease_whose_time_is_over_is_cleared_by_the_next_one(office: Office) -> None:
    office.set(REGION)
    lease = office.lease(3, seconds=60)
    office.clock.advance(timedelta(seconds=61))

    following = office.lease(2)

    assert [(r.first, r.last) for event in office.events(NumbersVoided) for r in event.ranges] == [(1, 3)]
    assert not set(lease["numbers"]) & set(following["numbers"])
    office.clock.advance(timedelta(days=2))
    assert at_once(office.leases.clear(cause())) == {"leases": 1, "voided": 2, "left": False}


def test_a_lease_sent_again_is_the_same_block_and_gap_free_rules_lease_none(office: Office) -> None:
    office.set(REGION)
    command = Lease(rule=REGION.id, facts=GERMAN, count=2, holder="till-7")
    asked = cause()

    first = at_once(office.leases.lease(command, asked, b"lease"))
    again = at_once(office.leases.lease(command, asked, b"lease"))

    assert first == again
    with pytest.raises(Conflict, match="no gaps"):
        at_once(office.leases.lease(command.model_copy(update={"rule": DEFAULT_RULE.id}), cause(), b"lease"))
    with pytest.raises(NotFound):
        at_once(office.leases.lease(command.model_copy(update={"rule": "no.rule"}), cause(), b"lease"))


def test_numbers_of_an_earlier_system_lead_to_their_customers_and_ours_go_on_above_them(office: Office) -> None:
    legacy = NumberingRule(id="erp.v1", use="import", template="K{seq:6}{check:luhn}")
    office.set(legacy)
    ann, bob, eve = office.register(3)

    answers = office.take_over(
        KnownNumber(customer=ann, number="K0000182", kind="number"),
        KnownNumber(customer=bob, number=render(500), kind="former"),
        KnownNumber(customer=eve, number="OLD/1".replace("/", "."), kind="foreign"),
        KnownNumber(customer=eve, number="K0000180", kind="number"),
        KnownNumber(customer=eve, number="K0000182", kind="former"),
        KnownNumber(customer=eve, number="Z9", kind="number"),
    )

    assert [answer.error is None for answer in answers] == [True, True, True, False, False, False]
    assert office.means("k000018-2").customer == ann
    assert (office.means(render(500)).customer, office.means("OLD.1").customer) == (bob, eve)
    assert office.means(render(1)).state == "alias"
    (raised,) = [event for event in office.events(SerialsRaised) if event.scope == "customer"]
    assert raised.floor == 500
    (later,) = office.register(1)
    assert office.means(render(501)).customer == later
    assert not any(answer.changed for answer in office.take_over(KnownNumber(customer=ann, number="K0000182")))


def test_a_row_that_is_not_well_written_is_refused_and_the_others_are_taken(office: Office) -> None:
    (ann,) = office.register(1)

    answers = office.take_over(
        KnownNumber(),
        KnownNumber(customer="Ann/Lee", number="OLD-1"),
        KnownNumber(customer=ann),
        KnownNumber(customer=ann, number="OLD/1"),
        KnownNumber(customer=ann, number="OLD\x00"),
        KnownNumber(customer=ann, number="OLD-1", kind="older"),
        KnownNumber(customer=ann, number="source:crm:1"),
        KnownNumber(customer=ann, number="1980-01-02"),
        KnownNumber(customer=ann, number="OLD-2"),
        KnownNumber(customer="nobody", number="OLD-3"),
    )

    assert [answer.error is None for answer in answers] == [False] * 8 + [True, False]
    assert office.means("OLD-2").customer == ann
    assert "a date" in (answers[7].error or "")
    assert office.take_over() == []


def test_a_row_may_name_its_customer_by_a_number_or_an_alias(office: Office) -> None:
    ann, bob = office.register(2)

    answers = office.take_over(
        KnownNumber(customer=render(1).lower(), number="OLD-1"),
        KnownNumber(customer=bob, number="OLD-2"),
    )
    (by_alias,) = office.take_over(KnownNumber(customer="OLD-2", number="OLD-3", kind="foreign"))

    assert [answer.customer for answer in (*answers, by_alias)] == [ann, bob, bob]
    assert [office.means(f"OLD-{n}").customer for n in (1, 2, 3)] == [ann, bob, bob]


@pytest.mark.parametrize("reference", ["source:crm:1", "source:crm:12/A b", "source:"])
def test_a_row_that_names_its_customer_by_a_source_is_told_what_to_give_instead(office: Office, reference: str) -> None:
    (ann,) = office.register(1)

    answers = office.take_over(
        KnownNumber(customer=reference, number="OLD-1"), KnownNumber(customer=ann, number="OLD-2")
    )

    assert "give the customer's id, or a number or alias" in (answers[0].error or "")
    assert (answers[0].customer, answers[1].changed) == (reference, True)


@pytest.mark.parametrize("text", ["1980-01-02", "1980.01.02", "02.01.1980", "+491701234567", "ann@example.org"])
def test_what_is_evidently_personal_is_no_number_and_no_alias(office: Office, text: str) -> None:
    (ann,) = office.register(1)

    (answer,) = office.take_over(KnownNumber(customer=ann, number=text))

    assert "personal data" in (answer.error or "")
    if "@" not in text and "+" not in text:
        with pytest.raises(Invalid, match="personal data"):
            at_once(office.application.add_alias(ann, AddAlias(alias=text, kind="former"), cause(), b"1"))


@pytest.mark.parametrize(
    "text", ["19800102", "01021980", "491701234567", "01701234567", "1980-13-02", "1980-01", "12-01-1980", "198001-02"]
)
def test_what_may_be_a_number_of_an_earlier_system_is_taken(office: Office, text: str) -> None:
    (ann,) = office.register(1)

    (answer,) = office.take_over(KnownNumber(customer=ann, number=text))

    assert answer.error is None


def test_a_number_of_no_form_is_told_the_forms_of_the_rules_in_force(office: Office) -> None:
    assert office.means("X1").reason == "a customer number starts with C"
    series = NumberingRule(
        id="s.v1", template="S{series:XY}{mm}{kind:map(person=P,*=X)}{seq:2}", overflow="next_prefix"
    )
    office.set(REGION, series)

    assert office.means("X1").reason == (
        "no numbering rule has this form; numbers look like R??-####-####? or longer, S?##?##, C######## or longer "
        "(# is a digit, ? a letter or digit)"
    )


def test_merging_and_separating_restores_the_exact_pair_of_numbers(office: Office) -> None:
    ann, bob = office.register(2)
    before = [office.means(render(serial)) for serial in (1, 2)]

    at_once(office.application.link(Link(a=ann, b=bob, reason="same"), cause(), b"1"))
    merged = office.means(render(2))
    at_once(office.application.separate(Separate(a=bob, b=ann, reason="two"), cause(), b"2"))

    assert (merged.customer, merged.state, merged.identity, merged.current) == (bob, "alias", ann, render(1))
    assert [office.means(render(serial)) for serial in (1, 2)] == before


def test_a_number_of_a_merged_customer_means_at_each_instant_what_it_meant_then(office: Office) -> None:
    ann, bob, eve = office.register(3)
    apart = office.clock.now()
    office.clock.advance(timedelta(days=1))
    at_once(office.application.link(Link(a=bob, b=eve, reason="same"), cause(), b"1"))
    at_once(office.application.link(Link(a=eve, b=ann, reason="same"), cause(), b"2"))
    merged = office.clock.now()
    office.clock.advance(timedelta(days=1))
    at_once(office.application.separate(Separate(a=ann, b=bob, reason="two", alone=True), cause(), b"3"))
    parted = office.clock.now()
    office.clock.advance(timedelta(days=1))

    def then(serial: int, as_of: datetime) -> tuple[str, str | None, str | None]:
        found = office.means(render(serial), as_of)
        return found.state, found.identity, found.current

    for serial, customer in enumerate((ann, bob, eve), 1):
        assert then(serial, apart) == ("primary", customer, render(serial))
    assert then(1, merged) == ("primary", ann, render(1))
    assert then(2, merged) == then(3, merged) == ("alias", ann, render(1))
    assert then(1, parted) == ("primary", ann, render(1))
    assert then(2, parted) == ("primary", bob, render(2))
    assert then(3, parted) == ("alias", bob, render(2))
    assert [office.means(render(serial), parted) for serial in (1, 2, 3)] == [
        office.means(render(serial)) for serial in (1, 2, 3)
    ]


def test_a_number_means_what_it_meant_at_an_earlier_instant(office: Office) -> None:
    (ann,) = office.register(1)
    start = office.clock.now()
    office.clock.advance(timedelta(days=1))
    office.set(REGION)
    (moved,) = office.assign(Assignment(customer=ann, facts=GERMAN))

    assert office.means(render(1), start).state == "primary"
    assert office.means(render(1)).state == "alias"
    then = office.means(moved.number or "", start)
    assert (then.known, then.reason) == (False, "nobody had this number at 2026-01-01T00:00:00.000000Z")
    assert office.means(render(1), start - timedelta(days=1)).known is False


def test_what_a_number_will_mean_at_an_instant_to_come_is_not_answered(office: Office) -> None:
    office.register(1)
    now = office.clock.now()

    assert office.means(render(1), now).known
    with pytest.raises(Invalid) as refused:
        office.means(render(1), now + timedelta(microseconds=1))
    assert refused.value.errors == [{"field": "as_of", "message": "has not passed yet"}]


def test_a_mistyped_number_is_answered_with_those_in_use_that_it_may_be(office: Office) -> None:
    office.register(30)
    number = render(17)

    asked = office.means(number[:-2] + "9" + number[-1], suggest=True)

    assert not asked.check_ok
    assert number in asked.suggestions
    assert office.means(number.replace("0", "O"), suggest=True).suggestions[0] == number


def test_capacity_is_told_per_scope(office: Office) -> None:
    office.set(REGION)
    office.register(3, classification={"region": "DE"})
    office.register(1)

    found = {scope.scope: scope.used for scope in at_once(office.rules.capacities())}

    assert len(found) == 2
    assert sorted(found.values()) == [1, 3]


def test_capacity_counts_what_was_given_since_the_first_and_not_what_was_imported_or_is_reserved(
    office: Office,
) -> None:
    template = "R{class.region:2}-{seq:4}{check:mod37_36}"
    kept = (SerialRange(first=1, last=9),)
    office.set(REGION.model_copy(update={"template": template, "overflow": "refuse", "reserved": kept}))
    office.clock.advance(timedelta(days=500))
    ann, bob = office.register(2)
    office.assign(Assignment(customer=ann, facts=GERMAN), Assignment(customer=bob, facts=GERMAN))
    office.lease(3)
    office.take_over(KnownNumber(customer=ann, number=render(9_000)))
    office.clock.advance(timedelta(days=5))

    default, german = at_once(office.rules.capacities())

    assert (default.scope, default.used) == ("customer", 2)
    assert german.used == 5
    assert german.left / (german.days_left or 0) == pytest.approx(1)


def test_a_counter_of_an_older_build_counts_at_the_most_what_it_may_have_given(office: Office) -> None:
    office.register(3)
    office.log.tables["numbering"]["customer"] = Counter(4, None, None)
    office.clock.advance(timedelta(days=3))
    office.register(1)
    office.clock.advance(timedelta(days=1))

    (found,) = at_once(office.rules.capacities())

    assert found.used == 4


def test_serials_become_ranges() -> None:
    assert [(r.first, r.last) for r in ranges([1, 2, 3, 7, 9, 10])] == [(1, 3), (7, 7), (9, 10)]
    assert ranges([]) == ()
