"""The linter of numbering rules, capacity, the dry run, and suggestions for a mistyped number."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.identity.numbering.capacity import capacity
from services.identity.numbering.facts import Facts
from services.identity.numbering.lint import errors, lint
from services.identity.numbering.rehearsal import Registration, rehearse
from services.identity.numbering.rule import canonical, render
from services.identity.numbering.rulebook import DEFAULT_RULE, RuleBook
from services.identity.numbering.suggest import candidates
from shared.events.numbering import Condition, NumberingRule, SerialRange
from tests.identity.numbering_rules import GERMAN, NOON, REGION, book, numbering, rules_set


def rule(template: str, **more: Any) -> NumberingRule:
    return NumberingRule(id=more.pop("id", "new.v1"), template=template, **more)


def wrong(*rules: NumberingRule, known: RuleBook | None = None) -> list[str]:
    return [finding.message for finding in errors(lint(rules, known or RuleBook()))]


def test_the_built_in_rule_and_one_of_another_form_pass() -> None:
    assert lint([REGION, DEFAULT_RULE], RuleBook()) == []


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (rule("{seq:3"), "do not close"),
        (rule("A{seq:3}", zone="Moon/Base"), "no time zone"),
        (rule("C{yyyy}{seq:4}"), "form of rule numbering.default.v1"),
        (rule("A{class.birth_date:4}{seq:3}{check:mod37_36}"), "sounds personal"),
        (rule("A{class.customer-birthday:4}{seq:3}"), "sounds personal"),
        (rule("A{class.region:2}{seq:3}{check:damm}"), "letters that vary"),
        (rule("A{seq:3:0..9A..F}{check:luhn}"), "letters that vary"),
        (rule("A4{seq:3}", without="4"), "to be without"),
        (rule("A{seq:3}", overflow="next_prefix"), "go together"),
        (rule("A{series:AB}{seq:3}", overflow="widen"), "go together"),
        (rule("A{seq:3}", start=1000), "starts at 1000"),
        (rule("A{seq:1}", reserved=(SerialRange(first=0, last=9),)), "holds back every"),
        (rule("A{seq:3}", when=(Condition(fact="kind", is_in=("cat",)),)), "no kind cat"),
        (rule("A{seq:3}", when=(Condition(fact="kind"),)), "names no value"),
        (rule("A" * 60 + "{seq:9}"), "at most 64"),
    ],
)
def test_a_bad_rule_is_told_why(bad: NumberingRule, why: str) -> None:
    assert any(why in message for message in wrong(bad, DEFAULT_RULE))


@pytest.mark.parametrize("scheme", ["region", "language", "segment", "channel_type", "grade"])
def test_a_plain_scheme_is_not_taken_for_a_personal_one(scheme: str) -> None:
    assert wrong(rule(f"A{{class.{scheme}:2}}{{seq:3}}{{check:mod37_36}}"), DEFAULT_RULE) == []


def test_rules_must_end_with_one_that_takes_everybody() -> None:
    assert any("no rule takes everybody" in message for message in wrong(REGION))
    late = lint([DEFAULT_RULE, REGION], RuleBook())
    assert [finding.message for finding in late] == ["numbering.default.v1 before it takes everybody."]


def test_a_rule_keeps_its_form_under_its_id_and_ids_are_used_once() -> None:
    known = book(REGION)
    changed = REGION.model_copy(update={"template": "Q{seq:9}"})
    narrower = REGION.model_copy(update={"when": (Condition(fact="kind", is_in=("person",)),)})

    assert any("give the rule a new id" in message for message in wrong(changed, DEFAULT_RULE, known=known))
    assert wrong(narrower, DEFAULT_RULE, known=known) == []
    assert any("two rules have this id" in message for message in wrong(REGION, REGION, DEFAULT_RULE))


def test_a_rule_of_long_ago_still_owns_its_form() -> None:
    known = RuleBook([rules_set(REGION, DEFAULT_RULE), rules_set(DEFAULT_RULE, version=2)])
    again = REGION.model_copy(update={"id": "region.v2"})

    assert any("form of rule region.v1" in message for message in wrong(again, DEFAULT_RULE, known=known))


def test_what_a_scope_has_left_is_told_with_its_last_day() -> None:
    made = numbering("A{seq:3}", reserved=(SerialRange(first=900, last=999),))

    found = capacity(made, "a", 800, per_day=10, now=NOON)

    assert (found.used, found.left, found.days_left, found.nearly_used_up) == (799, 100, 10, True)
    assert found.exhausted_at == NOON + timedelta(days=10)
    assert not capacity(made, "a", 1, per_day=10, now=NOON).nearly_used_up
    assert capacity(made, "a", 950, per_day=0, now=NOON).left == 0


def test_a_dry_run_tells_numbers_collisions_gaps_and_who_is_passed_over() -> None:
    rules = rules_set(REGION.model_copy(update={"held_back": ("0002",)}), DEFAULT_RULE)
    people = [Registration(f"c{n}", NOON - timedelta(days=2), GERMAN) for n in range(3)]
    people.append(Registration("c3", NOON, Facts("organisation")))

    told = rehearse(rules, people, ["RDE20260003" + numbering(REGION.template).render(("DE", "2026"), 3)[-1]], NOON)

    assert (told.customers, told.collided, told.gaps, told.unnumbered) == (4, 1, 1, 0)
    assert dict(told.by_rule) == {"region.v1": 3, "numbering.default.v1": 1}
    assert dict(told.passed_over) == {"region.v1": 1}
    assert [found.scope for found in told.capacities] == ["region.v1/DE-2026", "customer"]
    assert told.collisions[0][0] == "c1"


@given(st.integers(1, 10**7), st.data())
@settings(max_examples=30, deadline=None)
def test_a_number_with_one_error_is_among_what_is_suggested(serial: int, data: st.DataObject) -> None:
    number = render(serial)
    place = data.draw(st.integers(1, len(number) - 1))
    typed = number[:place] + data.draw(st.sampled_from("0123456789")) + number[place + 1 :]

    assert typed == number or number in candidates(typed, RuleBook())


def test_letters_for_digits_and_missing_or_doubled_characters_are_seen_through() -> None:
    number = numbering(REGION.template).render(("DE", "2026"), 17)
    known = book(REGION)

    assert canonical(number) in candidates(number.replace("0", "O"), known)[:2]
    assert canonical(number) in candidates(number[:-3] + number[-2:], known)
    assert canonical(number) in candidates(number + number[-1], known)


@given(st.text(max_size=80))
@settings(max_examples=30, deadline=None)
def test_suggesting_never_fails(typed: str) -> None:
    assert len(candidates(typed, RuleBook())) <= 2_000
