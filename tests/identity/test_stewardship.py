"""Assertions, questions and requests as the service carries them out, on tables in memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.identity.application import IdentityApplication, Link
from services.identity.batch import Matching
from services.identity.consumer import make_consumer
from services.identity.domain.clustering import Scored, nothing_against
from services.identity.domain.identities import Pair, pair
from services.identity.matching.fingerprint import fingerprints
from services.identity.matching.judging import Judge
from services.identity.matching.model import shipped
from services.identity.records import weighed_again
from services.identity.stewardship import Assert, Decision, Respond, Stewardship, Withdraw
from shared.clock import Clock, TestClock
from shared.errors import Conflict, Forbidden, Invalid, NotFound
from shared.events.envelope import Actor, Cause
from shared.events.identity import ReviewClosed
from shared.ids import uuid7
from tests.identity.people import person
from tests.identity.world import customers
from tests.support.customer_topic import CustomerTopic
from tests.support.memory import at_once, in_memory
from tests.support.memory_log import MemoryLog


@pytest.fixture(autouse=True, scope="module")
def _stand_ins() -> Iterator[None]:
    with in_memory():
        yield


class Desk:
    """A stewardship over some customers, and what a matcher would find among them."""

    def __init__(self, count: int, *, four_eyes: int = 20, clock: Clock | None = None) -> None:
        self.log = MemoryLog("identity")
        self.ids = list(customers(count))
        self.found: dict[Pair, Scored] = {}
        self.rescored = 0
        self.stewardship = Stewardship(self.log, rescore=self._rescore, four_eyes=four_eyes, clock=clock or TestClock())
        topic = CustomerTopic(self.log.keyring)
        records = [topic.record(customer, person(f"Given{n}", "Lee")) for n, customer in enumerate(self.ids)]
        at_once(make_consumer(self.log, Matching(lambda _: {}, Judge(shipped()))).handle(records))

    def _rescore(self, _: Any, __: Any, crowds: Any) -> Any:
        self.rescored += 1
        return [one for one in self.found.values() if any({one.a, one.b} <= crowd for crowd in crowds)], nothing_against

    def find(self, a: int, b: int, weight: int, band: Any = "merge", vector: str | None = None) -> None:
        ends = pair(self.ids[a], self.ids[b])
        self.found[ends] = Scored(*ends, weight, band, ("name",), "matching", "m.v1", vector)

    def say(self, says: Any, a: int, b: int, *, who: str = "ann", **more: Any) -> Any:
        command = Assert(a=self.ids[a], b=self.ids[b], says=says, reason="seen", **more)
        return at_once(self.stewardship.say(command, cause(who), b"say"))

    def withdraw(self, says: Any, a: int, b: int) -> Any:
        command = Withdraw(a=self.ids[a], b=self.ids[b], says=says, reason="wrong")
        return at_once(self.stewardship.withdraw(command, cause(), b"withdraw"))

    def groups(self) -> set[frozenset[int]]:
        members: dict[str, set[int]] = {}
        for customer, identity in self.log.tables["members"].items():
            members.setdefault(identity, set()).add(self.ids.index(customer))
        return {frozenset(group) for group in members.values() if len(group) > 1}

    def asked(self, vector: str) -> list[tuple[int, int]]:
        """The open questions that look so, the oldest first."""
        rows = sorted(self.log.tables["reviews"].items(), key=lambda row: row[1].position)
        found = [ends for ends, row in rows if row.answer is None and row.vector == vector]
        return [(self.ids.index(a), self.ids.index(b)) for a, b in found]

    def answer(self, a: int, b: int, answer: Any) -> None:
        """To one question; as an assertion where none is open any more, and not at all of two who are one."""
        ends = pair(self.ids[a], self.ids[b])
        review, members = self.log.tables["reviews"].get(ends), self.log.tables["members"]
        if members[ends[0]] == members[ends[1]]:
            return
        if review is not None and review.answer is None:
            response = Respond(answer=answer, reason="seen")
            at_once(self.stewardship.respond(review.position, response, cause(), b"r"))
        elif answer != "unsure":
            self.say(answer, a, b)

    def between(self) -> set[frozenset[int]]:
        """The oldest members of each two identities between which a question is open."""
        members, rows = self.log.tables["members"], self.log.tables["reviews"].items()
        return {frozenset(self.ids.index(members[end]) for end in ends) for ends, row in rows if row.answer is None}

    def said(self) -> set[tuple[int, int, str]]:
        rows = self.log.tables["assertions"].items()
        return {(self.ids.index(a), self.ids.index(b), row.says) for (a, b), row in rows}

    def queue(self) -> list[Any]:
        return at_once(self.stewardship.queue(100))


def cause(who: str = "ann") -> Cause:
    command = uuid7()
    return Cause(Actor(id=who, kind="user"), "api", "service", command, command, command)


def test_what_is_asserted_is_carried_out_and_told_with_its_author() -> None:
    desk = Desk(3)

    same = desk.say("same", 0, 1)
    again = desk.say("same", 1, 0)
    never = desk.say("never", 0, 2, expires=datetime(2027, 1, 1, tzinfo=UTC))

    assert (same["changed"], again["changed"], never["changed"]) == (True, False, False)
    assert desk.groups() == {frozenset({0, 1})}
    said = at_once(desk.stewardship.assertions(0, 10))
    assert [(row.says, row.author, row.reason) for row in said.values()] == [
        ("same", "ann", "seen"),
        ("never", "ann", "seen"),
    ]


def test_the_application_links_and_separates_by_assertions() -> None:
    desk = Desk(2)
    application = IdentityApplication(desk.log, desk.stewardship)

    at_once(application.link(Link(a=desk.ids[0], b=desk.ids[1], reason="x"), cause(), b"link"))

    assert desk.groups() == {frozenset({0, 1})}
    with pytest.raises(Conflict, match="do not share"):
        at_once(
            desk.stewardship.say(
                Assert(a=desk.ids[0], b=desk.ids[0], says="never", reason="x"), cause(), b"s", together=True
            )
        )


def test_what_is_withdrawn_leaves_it_to_the_matcher_again() -> None:
    desk = Desk(2)
    desk.find(0, 1, 9000)
    desk.say("never", 0, 1)
    assert desk.groups() == set()

    desk.withdraw("never", 0, 1)

    assert desk.groups() == {frozenset({0, 1})}


def test_an_assertion_ends_when_it_expires() -> None:
    desk = Desk(2)
    until = datetime(2027, 1, 1, tzinfo=UTC)
    desk.say("same", 0, 1, expires=until)

    assert at_once(desk.stewardship.expire(until - timedelta(seconds=1))) == 0
    assert at_once(desk.stewardship.expire(until)) == 1
    assert at_once(desk.stewardship.expire(until)) == 0

    assert desk.groups() == set()


def test_what_touches_many_waits_for_a_second_person() -> None:
    desk = Desk(4, four_eyes=2)
    desk.say("same", 0, 1)
    asked = desk.say("same", 1, 2)
    (request,) = at_once(desk.stewardship.requests(10))

    assert (asked["request"], asked["changed"], request.size) == (request.request, False, 3)
    assert desk.groups() == {frozenset({0, 1})}
    yes = Decision(approved=True)
    with pytest.raises(Forbidden):
        at_once(desk.stewardship.approve(request.request, yes, cause("ann"), b"a"))
    at_once(desk.stewardship.approve(request.request, yes, cause("bob"), b"a"))

    assert desk.groups() == {frozenset({0, 1, 2})}
    with pytest.raises(NotFound):
        at_once(desk.stewardship.approve(request.request, yes, cause("bob"), b"b"))


def test_what_a_second_person_refuses_is_not_done() -> None:
    desk = Desk(3, four_eyes=1)
    request = desk.say("same", 0, 1)["request"]

    at_once(desk.stewardship.approve(request, Decision(approved=False, reason="no"), cause("bob"), b"a"))

    assert (desk.groups(), at_once(desk.stewardship.requests(10))) == (set(), [])


def test_what_takes_many_apart_is_not_withdrawn_by_one_person() -> None:
    desk = Desk(4, four_eyes=2)
    desk.find(0, 1, 9000)
    desk.say("same", 0, 1)
    desk.find(0, 2, 200, "review", "v")
    request = desk.say("same", 1, 2)["request"]
    at_once(desk.stewardship.approve(request, Decision(approved=True), cause("bob"), b"a"))
    head = desk.log.head()

    with pytest.raises(Conflict, match=r"touches 3 customers.*assert never.*second person"):
        desk.withdraw("same", 1, 2)
    assert (desk.log.head(), desk.groups()) == (head, {frozenset({0, 1, 2})})

    assert desk.withdraw("same", 0, 1)["changed"] is False
    assert "request" in desk.say("never", 1, 2)


def test_what_is_over_already_is_not_asserted_nor_approved() -> None:
    clock, until = TestClock(), datetime(2026, 1, 2, tzinfo=UTC)
    desk = Desk(4, four_eyes=2, clock=clock)
    desk.say("same", 0, 1)
    request = desk.say("same", 1, 2, expires=until)["request"]
    clock.set(until)

    with pytest.raises(Invalid, match="over already"):
        desk.say("same", 2, 3, expires=until)
    with pytest.raises(Invalid, match="over already"):
        at_once(desk.stewardship.approve(request, Decision(approved=True), cause("bob"), b"a"))
    assert desk.groups() == {frozenset({0, 1})}

    desk.say("same", 2, 3, expires=until + timedelta(seconds=1))
    assert desk.groups() == {frozenset({0, 1}), frozenset({2, 3})}


def opened(desk: Desk) -> list[Any]:
    """Has the questions asked, by decisions that are taken back."""
    for a, b in list(desk.found):
        desk.say("never", desk.ids.index(a), desk.ids.index(b))
        desk.withdraw("never", desk.ids.index(a), desk.ids.index(b))
    return desk.queue()


def test_questions_are_asked_once_for_all_that_look_the_same_and_answered_together() -> None:
    desk = Desk(5)
    desk.find(0, 1, 200, "review", "v")
    desk.find(2, 3, 300, "review", "v")

    ((ranked, review),) = opened(desk)
    answer = Respond(answer="same", reason="seen", alike=True)
    at_once(desk.stewardship.respond(ranked.question.id, answer, cause("bob"), b"r"))

    assert (len(ranked.alike), review.why) == (2, "weight")
    assert desk.groups() == {frozenset({0, 1}), frozenset({2, 3})}
    assert desk.queue() == []


def test_what_all_answers_say_is_weighed_and_decided_once() -> None:
    desk = Desk(6)
    for a, b in ((0, 1), (2, 3), (4, 5)):
        desk.find(a, b, 200, "review", "v")
    ((ranked, _),) = opened(desk)
    before = desk.rescored

    answer = Respond(answer="never", reason="seen", alike=True)
    told = at_once(desk.stewardship.respond(ranked.question.id, answer, cause(), b"r"))

    assert (told["answered"], desk.rescored - before) == (3, 1)


numbers = st.integers(0, 6)
scores = st.dictionaries(
    st.tuples(numbers, numbers).filter(lambda ends: ends[0] < ends[1]),
    st.tuples(st.sampled_from([200, 300, 9000]), st.sampled_from(["v", "v", "w"])),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(scores, st.sampled_from(["same", "never", "unsure"]))
def test_one_answer_to_all_that_look_the_same_comes_to_what_one_after_the_other_come_to(
    found: dict[tuple[int, int], tuple[int, str]], answer: Any
) -> None:
    together, in_turn = Desk(7), Desk(7)
    for desk in (together, in_turn):
        for (a, b), (weight, vector) in found.items():
            desk.find(a, b, weight, "merge" if weight == 9000 else "review", vector)
        opened(desk)
    alike = together.asked("v")
    if not alike:
        return
    first = together.log.tables["reviews"][pair(*(together.ids[number] for number in alike[0]))]

    response = Respond(answer=answer, reason="seen", alike=True)
    at_once(together.stewardship.respond(first.position, response, cause(), b"r"))
    for a, b in alike:
        in_turn.answer(a, b, answer)

    assert together.groups() == in_turn.groups()
    assert together.between() == in_turn.between()
    assert together.said() == in_turn.said()


def crowd(count: int, *, four_eyes: int = 20) -> tuple[MemoryLog, Stewardship, int]:
    """People who share a phone and a family name, and one question of all those that the shipped model has."""
    log, judge = MemoryLog("identity"), Judge(shipped())
    topic = CustomerTopic(log.keyring)
    given = [f"Given{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(count)]
    records = [
        topic.record(customer, person(name, "Marlow", phone="+49309018201"))
        for customer, name in zip(customers(count), given, strict=True)
    ]
    at_once(make_consumer(log, Matching(fingerprints(b"k" * 32), judge)).handle(records))
    stewardship = Stewardship(log, rescore=weighed_again(judge), four_eyes=four_eyes)
    ((ranked, _),) = at_once(stewardship.queue(10))
    assert len(ranked.alike) == count * (count - 1) // 2
    return log, stewardship, ranked.question.id


def test_all_that_look_the_same_are_answered_however_many_they_are_and_again_by_the_same_command() -> None:
    log, stewardship, question = crowd(20)
    answer, asked = Respond(answer="never", reason="other people", alike=True), cause()

    told = at_once(stewardship.respond(question, answer, asked, b"r"))
    head = log.head()

    assert told["answered"] == 190
    assert at_once(stewardship.queue(10)) == []
    assert at_once(stewardship.respond(question, answer, asked, b"r")) == told
    assert log.head() == head


def test_an_answer_from_which_more_follows_than_one_command_may_write_is_carried_out_in_parts() -> None:
    log, stewardship, question = crowd(45, four_eyes=100)

    told = at_once(stewardship.respond(question, Respond(answer="same", reason="x", alike=True), cause(), b"r"))

    assert (len(told["members"]), at_once(stewardship.queue(10))) == (45, [])
    assert len(set(log.tables["members"].values())) == 1


def test_one_answer_to_many_questions_still_needs_a_second_person_for_what_is_large() -> None:
    log, stewardship, question = crowd(6, four_eyes=4)
    head = log.head()

    with pytest.raises(Conflict, match="request it as an assertion"):
        at_once(stewardship.respond(question, Respond(answer="same", reason="x", alike=True), cause(), b"r"))

    assert log.head() == head


def test_an_unsure_answer_closes_the_question_and_says_nothing() -> None:
    desk = Desk(3)
    desk.find(0, 1, 200, "review", "v")
    ((ranked, _),) = opened(desk)

    at_once(desk.stewardship.respond(ranked.question.id, Respond(answer="unsure", reason="?"), cause(), b"r"))

    assert (desk.queue(), desk.groups()) == ([], set())
    with pytest.raises(NotFound):
        at_once(desk.stewardship.respond(ranked.question.id, Respond(answer="same", reason="?"), cause(), b"s"))


def test_a_question_that_an_assertion_settles_is_closed() -> None:
    desk = Desk(3)
    desk.find(0, 1, 200, "review", "v")
    opened(desk)

    desk.say("never", 0, 1)

    events = desk.log.tables["events"]
    assert desk.queue() == []
    assert any(ReviewClosed.TYPE in topic for *_, topic in events.values())
