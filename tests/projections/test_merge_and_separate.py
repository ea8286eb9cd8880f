"""A merge, whatever is edited while it lasts, and its end: beside the same edits without any merge.

Two stories are told at once. In one of them customers of different sides are merged and parted again, by hand and by
evidence; both get the same edits, and both hear whom a person keeps apart. In the end nobody can tell them apart.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest
from msgspec.structs import replace

from services.identity.domain.assertions import assert_never, assert_same, withdraw
from services.identity.domain.clustering import Band, Scored
from services.identity.domain.deciding import decide, follow
from services.identity.domain.identities import Identities, Pair, pair
from services.identity.matching import features as matching
from services.identity.matching.lookup import values
from services.projections.fold import fold_all
from services.projections.views import VIEWS
from services.projections.views.golden import contacts, golden
from services.projections.views.survivorship import RECTIFICATION, SHIPPED
from services.projections.views.values import opened_of
from shared.errors import Conflict
from shared.events import customer as says
from shared.events.envelope import Contract, Recorded
from shared.events.identity import AliasAdded, Asserted, AssertionEnded, NumberAssigned
from shared.events.survivorship import Policy, Rule, ValuePinned, ValueUnpinned
from tests.identity.test_domain import customer
from tests.support.events import START, an_id, customer_registered, recorded

HISTORIES = 10_000
FEW = 500
STEPS = 30
WIDTH = 100
"""Positions that one step may use: what both stories tell stands at the same position in both."""
SHOWN = [VIEWS[name] for name in ("customer", "directory", "numbers")]
POLICY = Policy(
    default=Rule(order=("verified", "frequency", "recency")),
    fields={"name": Rule(order=("source", "longest"), sources=("shop", "crm"))},
    together={"home": ("address:main", "address:billing")},
)
SHARED = an_id("a contact of everybody")
PINNABLE = ("name", "birth_date", f"phone:{SHARED}", "address:main", "address:billing", "extension:f.1")

Said = list[Contract]


@dataclass
class Story:
    """What is decided and told in one of the two worlds. `scored` are the pairs that evidence speaks for."""

    state: Identities = field(default_factory=Identities)
    scored: dict[Pair, Scored] = field(default_factory=dict)
    events: list[Recorded] = field(default_factory=list)

    def trial(self) -> Story:
        """The same world, in which something can be tried."""
        return Story(self.state.copy(), dict(self.scored), list(self.events))

    def together(self, a: str, b: str) -> bool:
        return self.state.identity_of[a] == self.state.identity_of[b]

    def asked(self) -> set[Pair]:
        """Between which identities there is an open question."""
        open_ = [ends for ends, question in self.state.asked.items() if question.open]
        return {pair(self.state.identity_of[a], self.state.identity_of[b]) for a, b in open_}


class Histories:
    """One pair of stories: `merged` with merges that end, `apart` without. All chance is in the seed."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = random.Random(seed)
        everyone = [customer(number) for number in range(1, chance.randint(3, 7))]
        chance.shuffle(everyone)
        self.side_of = {each: n % chance.choice((2, 2, 3)) if n > 1 else n for n, each in enumerate(everyone)}
        self.codes = {each: side for each, side in self.side_of.items() if chance.random() < 0.3}
        self.why = chance.choice(("code", "birth_date"))
        self.merged, self.apart = Story(), Story()
        self.merges: set[Pair] = set()
        self.ended: set[Pair] = set()
        self.step = 0
        self.edits_while_merged = 0

    def guard(self, left: Collection[str], right: Collection[str]) -> str | None:
        codes = {self.codes[each] for each in chain(left, right) if each in self.codes}
        return self.why if len(codes) > 1 else None

    @property
    def known(self) -> list[str]:
        return sorted(self.merged.state.identity_of)

    def run(self) -> None:
        """Tells both stories, until no merge is left in either."""
        steps: list[tuple[Callable[[], None], int]] = [
            (self.somebody_is_registered, 3),
            (self.somebody_is_edited, 9),
            (self.somebody_gets_a_number, 2),
            (self.evidence_changes, 4),
            (self.somebody_decides_on_a_side, 3),
            (self.two_sides_are_merged, 4),
            (self.two_sides_are_separated, 2),
        ]
        todo = [step for step, weight in steps for _ in range(weight)]
        for self.step in range(1, STEPS):
            # The rest of the customers come later; the first two are of different sides.
            self.somebody_is_registered() if self.step < 3 else self.chance.choice(todo)()
        for merge in sorted(self.merges):
            self.step += 1
            self._end(merge, self.chance.random() < 0.3)

    def somebody_is_registered(self) -> None:
        each = next((each for each in self.side_of if each not in self.merged.state.identity_of), None)
        if each is None:
            return
        fields: dict[str, Any] = {"external_id": each[-4:], "source": self.chance.choice(("crm", "shop"))}
        if self.chance.random() < 0.5:
            fields |= {"birth_date": f"1990-01-0{self.chance.randint(1, 9)}", "address": {"locality": "Bonn"}}
        full, phone = self.chance.choice(("Ada Bell", "Ada M Bell")), f"+49301234{self.chance.randint(0, 2)}"
        self._tell_both(each, customer_registered(full, phone, **fields))
        for story in (self.merged, self.apart):
            story.state.admit(each)

    def somebody_is_edited(self) -> None:
        each, text = self.chance.choice(self.known), f"Text{self.step}"
        phone = f"+49301234{self.chance.randint(0, 4)}"
        edits: list[Contract] = [
            says.NameCorrected(name=says.Name(full=self.chance.choice((f"{text} Bell", "Ada Bell")))),
            says.BirthDateSet(birth_date=self.chance.choice((None, f"1991-03-{self.step:02d}"))),
            says.ContactPointAdded(contact_id=SHARED, kind=self.chance.choice(("phone", "email")), value=phone),
            says.ContactPointVerified(contact_id=SHARED, method="call"),
            says.ContactPointInvalidated(contact_id=SHARED, reason="bounced"),
            says.ContactPointRemoved(contact_id=SHARED, reason="wish"),
            says.AddressSet(usage=self.chance.choice(("main", "billing")), address=says.Address(locality=text)),
            says.IdentifierAdded(identifier=says.Identifier(type="tax", value=self.chance.choice((text, "T-1")))),
            says.ExtensionFieldSet(field="f.1", value=self.step),
            says.Tagged(added=(text,)),
            says.CustomerArchived(reason="x"),
            says.CustomerRestored(reason="x"),
            ValuePinned(field=self.chance.choice(PINNABLE), reason="x"),
            ValuePinned(field=self.chance.choice(PINNABLE), reason="x"),
            ValueUnpinned(field=self.chance.choice(PINNABLE), reason="x"),
        ]
        self._tell_both(each, self.chance.choice(edits), purpose=self.chance.choice(("service", RECTIFICATION)))
        self.edits_while_merged += bool(self.merges)

    def somebody_gets_a_number(self) -> None:
        each = self.chance.choice(self.known)
        number = NumberAssigned(number=f"K-{each[-2:]}", rule="r", serial=int(each[-2:]))
        alias = AliasAdded(alias=f"old{self.chance.randint(0, 5)}", kind="former")
        self._tell_both(each, self.chance.choice((number, alias)))

    def evidence_changes(self) -> None:
        ends = self._two(of_one_side=self.chance.random() < 0.6)
        if ends is None or ends in self.merges | self.ended:
            return
        weight = 1000 * self.chance.randint(1, 4)
        bands: tuple[Band, ...] = ("merge", "merge", "review")
        band = self.chance.choice(bands)
        goes = self.chance.random() < 0.3

        def change(story: Story) -> Said:
            if goes:
                story.scored.pop(ends, None)
            else:
                story.scored[ends] = scored(ends, weight, band)
            return self._decide(story)

        self._in_both(change, ends[0])

    def somebody_decides_on_a_side(self) -> None:
        ends = self._two(of_one_side=self.chance.random() < 0.7)
        if ends is None or ends in self.ended:
            return
        a, b = self.chance.sample(ends, k=2)
        what = self.chance.choice(("same", "never", "withdraw same", "withdraw never"))
        if self.side_of[a] != self.side_of[b] and (what != "never" or self.merged.together(a, b)):
            return
        said: dict[str, Callable[[Identities], Said]] = {
            "same": lambda state: assert_same(state, a, b, "seen"),
            "never": lambda state: assert_never(state, a, b, "seen"),
            "withdraw same": lambda state: withdraw(state, a, b, "same", "seen"),
            "withdraw never": lambda state: withdraw(state, a, b, "never", "seen"),
        }
        try:
            told = [said[what](story.state) for story in (self.merged, self.apart)]
        except Conflict:
            return
        # While merged, the same words may end another decision; then the two did not say the same.
        if told[0] == told[1]:
            self._in_both(lambda story: self._follow(story, told[0], ends), a)

    def two_sides_are_merged(self) -> None:
        """By hand or by evidence, in one of the stories alone."""
        ends = self._two(of_one_side=False)
        if ends is None or ends in self.ended | self.merges or ends in self.merged.scored:
            return
        if self.merged.together(*ends):
            return
        trial = self.merged.trial()
        if self.chance.random() < 0.3:
            trial.scored[ends] = scored(ends, 3000, "merge")
            told = self._decide(trial)
        else:
            try:
                told = self._follow(trial, assert_same(trial.state, *ends, "taken for one"), ends)
            except Conflict:
                return
        if trial.together(*ends):
            self.merged = trial
            self.merges.add(ends)
            self._tell(self.merged, ends[0], told)

    def two_sides_are_separated(self) -> None:
        """The ends of a merge, or others that are one by it."""
        if self.merges and self.chance.random() < 0.7:
            self._end(self.chance.choice(sorted(self.merges)), self.chance.random() < 0.3)
        elif (ends := self._two(of_one_side=False)) and self.merged.together(*ends):
            self._separate(ends)

    def _end(self, merge: Pair, quietly: bool) -> None:
        """By a separation; `quietly`, or where other decisions contradict it, by taking back what made the merge."""
        if merge not in self.merges or (not quietly and self._separate(merge)):
            return
        self.merges.discard(merge)
        if merge in self.merged.scored:
            del self.merged.scored[merge]
            self._tell(self.merged, merge[0], self._decide(self.merged))
        elif merge in self.merged.state.same:
            said = withdraw(self.merged.state, *merge, "same", "taken back")
            self._tell(self.merged, merge[0], self._follow(self.merged, said, merge))

    def _separate(self, ends: Pair) -> bool:
        """The one story parts the two; the other hears no more than who is kept apart. False if it is refused."""
        try:
            said = assert_never(self.merged.state, *ends, "not the same")
        except Conflict:
            return False
        over = {pair(e.a, other) for e in said if isinstance(e, AssertionEnded) for other in e.others}
        if not said or not over <= self.merges:
            return False
        never: Said = [event for event in said if isinstance(event, Asserted)]
        kept_apart = {pair(e.a, other) for e in said if isinstance(e, Asserted) for other in e.others}
        self._tell(self.merged, ends[0], self._follow(self.merged, said, ends))
        self._tell(self.apart, ends[0], self._follow(self.apart, never, ends))
        self.ended |= over | kept_apart
        self.merges -= self.ended
        assert not self.merged.together(*ends)
        return True

    def _in_both(self, change: Callable[[Story], Said], stream: str) -> None:
        """The change in both stories, unless it makes sides one without any merge."""
        trials = self.merged.trial(), self.apart.trial()
        told = [change(trial) for trial in trials]
        if all(len({self.side_of[each] for each in one}) == 1 for one in trials[1].state.members.values()):
            self.merged, self.apart = trials
            for story, events in zip(trials, told, strict=True):
                self._tell(story, stream, events)
            self.edits_while_merged += bool(self.merges)

    def _decide(self, story: Story) -> Said:
        return decide(story.state, self.known, list(story.scored.values()), guard=self.guard)

    def _follow(self, story: Story, said: Said, ends: Pair) -> Said:
        pairs = list(story.scored.values())
        return follow(story.state, said, self.known, pairs, guard=self.guard, parted=pair(*ends), reason="said")

    def _two(self, *, of_one_side: bool) -> Pair | None:
        found = [
            (a, b)
            for a in self.known
            for b in self.known
            if a < b and (self.side_of[a] == self.side_of[b]) is of_one_side
        ]
        return self.chance.choice(found) if found else None

    def _tell_both(self, each: str, fact: Contract, *, purpose: str = "service") -> None:
        events = self._recorded(each, [fact], purpose)
        self.merged.events += events
        self.apart.events += events

    def _tell(self, story: Story, each: str, told: Said) -> None:
        story.events += self._recorded(each, told)

    def _recorded(self, each: str, told: Said, purpose: str = "service") -> list[Recorded]:
        first, at = self.step * WIDTH, START + timedelta(minutes=self.step)
        return [
            replace(recorded(data, each, position=first + n, seq=first + n, at=at), purpose=purpose)
            for n, data in enumerate(told)
        ]


def scored(ends: Pair, weight: int, band: Band) -> Scored:
    return Scored(*ends, weight, band, ("rule",), "m.v1", "m.v1", f"{band}{weight}")


def told_of(story: Story, policy: Policy) -> dict[str, Any]:
    """Whatever can be asked about each customer, answered by nothing but the events."""
    views = fold_all(story.events, SHOWN)
    opened = opened_of(story.events)
    identity_of: dict[str, str] = {}
    found: dict[str, Any] = {"numbers": views["numbers"]}
    for view in ("customer", "directory"):
        for identity, document in views[view].items():
            for member in document["members"]:
                del member["since"]
                identity_of[member["customer"]] = identity
            found[f"{view} {identity}"] = document
    for identity, document in views["customer"].items():
        members = document["members"]
        found[f"golden {identity}"] = golden(members, opened, policy)
        found[f"contacts {identity}"] = contacts(members, opened, policy)
    found["by number"] = {number: identity_of[known["customer"]] for number, known in views["numbers"].items()}
    found["by value"] = look_ups(story.events, identity_of)
    return found


def look_ups(events: Iterable[Recorded], identity_of: dict[str, str]) -> dict[tuple[str, str], set[tuple[str, str]]]:
    """Phone number, e-mail address or identifier -> who has it, and the identity."""
    known: dict[str, matching.Features] = {}
    for event in events:
        known[event.customer] = matching.evolve(known.get(event.customer, matching.NOTHING), event.data)
    found: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for each, features in known.items():
        for value in values(features):
            found.setdefault(value, set()).add((each, identity_of[each]))
    return found


def check(seeds: range) -> None:
    told = 0
    for seed in seeds:
        histories = Histories(seed)
        histories.run()
        merged, apart = histories.merged, histories.apart
        told += histories.edits_while_merged

        assert not histories.merges, seed
        assert merged.state.identity_of == apart.state.identity_of, seed
        assert (merged.state.same, merged.state.bans) == (apart.state.same, apart.state.bans), seed
        assert merged.asked() == apart.asked(), seed
        policy = (SHIPPED, POLICY)[seed % 2]
        assert told_of(merged, policy) == told_of(apart, policy), seed

    assert told > 4 * len(seeds)


def test_a_merge_that_is_separated_leaves_each_side_as_if_it_had_never_been_merged() -> None:
    check(range(FEW))


@pytest.mark.slow
def test_ten_thousand_merges_that_are_separated_leave_nothing_behind() -> None:
    check(range(FEW, HISTORIES))
