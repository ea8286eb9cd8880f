"""The linter of numbering rules, capacity, the dry run, and suggestions for a mistyped number."""

from __future__ import annotations

import json
from dataclasses import asdict
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
    since = NOON - timedelta(days=80)

    found = capacity(made, "r.v1/", 800, given=800, since=since, now=NOON)

    assert (found.used, found.left, found.days_left, found.nearly_used_up) == (800, 100, 10, True)
    assert found.exhausted_at == NOON + timedelta(days=10)
    assert not capacity(made, "r.v1/", 1, given=10, since=since, now=NOON).nearly_used_up
    assert capacity(made, "r.v1/", 950, given=0, since=None, now=NOON).left == 0


def test_reserved_serials_and_imports_are_gone_and_were_not_given() -> None:
    made = numbering("A{seq:3}", reserved=(SerialRange(first=1, last=9),))

    young = capacity(made, "r.v1/", 12, given=2, since=NOON - timedelta(hours=1), now=NOON)
    imported = capacity(made, "r.v1/", 901, given=1, since=NOON - timedelta(days=10), now=NOON)

    assert (young.used, young.left, young.days_left) == (2, 988, 494)
    assert (imported.used, imported.left, imported.days_left, imported.nearly_used_up) == (1, 99, 990, True)


def test_a_scope_whose_period_ends_first_is_not_used_up() -> None:
    made = numbering("A{yy}{mm}{seq:2}", zone="Asia/Shanghai")
    since, month = NOON - timedelta(days=20), NOON.replace(day=30, hour=16)

    quick = capacity(made, "r.v1/26-11", 81, given=80, since=since, now=NOON)
    slow = capacity(made, "r.v1/26-11", 21, given=20, since=since, now=NOON)
    over = capacity(made, "r.v1/26-10", 96, given=95, since=since, now=NOON)

    assert (quick.days_left, quick.period_ends, quick.nearly_used_up) == (4.75, month, True)
    assert (slow.days_left, slow.exhausted_at, slow.period_ends) == (None, None, month)
    assert (over.days_left, over.nearly_used_up) == (None, False)


@pytest.mark.parametrize(
    ("template", "shown", "ends"),
    [
        ("A{yyyy}{seq:3}", ("2026",), "2027-01-01"),
        ("A{class.region:2}{yy}{mm}{seq:3}", ("12", "27", "02"), "2027-03-01"),
        ("A{yyyy}{mm}{dd}{seq:3}", ("2026", "12", "31"), "2027-01-01"),
        ("A{yyyy}{mm}{seq:3}", ("2026", "13"), None),
        ("A{mm}{seq:3}", ("11",), None),
        ("A{seq:3}", (), None),
    ],
)
def test_a_period_ends_with_the_day_month_or_year_that_is_shown(
    template: str, shown: tuple[str, ...], ends: str | None
) -> None:
    made = numbering(template)

    found = made.ends(made.shown_in(made.scope(shown)))

    assert (None if found is None else f"{found:%Y-%m-%d}") == ends


def test_a_dry_run_tells_numbers_collisions_gaps_and_who_is_passed_over() -> None:
    rules = rules_set(REGION.model_copy(update={"held_back": ("0002",)}), rule("Q{seq:3}", use="import"), DEFAULT_RULE)
    people = [Registration(f"c{n}", NOON - timedelta(days=2), GERMAN) for n in range(3)]
    people.append(Registration("c3", NOON, Facts("organisation")))

    told = rehearse(rules, people, ["RDE20260003" + numbering(REGION.template).render(("DE", "2026"), 3)[-1]], NOON)

    assert (told.customers, told.collided, told.gaps, told.unnumbered) == (4, 1, 1, 0)
    assert told.by_rule == {"region.v1": 3, "new.v1": 0, "numbering.default.v1": 1}
    assert told.passed_over == {"region.v1": 1, "new.v1": 0, "numbering.default.v1": 0}
    assert [found.scope for found in told.capacities] == ["region.v1/DE-2026", "customer"]
    assert told.collisions[0][0] == "c1"


def test_a_dry_run_leaves_numbers_of_rules_in_use_alone_and_goes_on_above_them() -> None:
    rules = rules_set(REGION, DEFAULT_RULE)
    there = [Registration(f"c{n}", NOON, Facts("organisation"), (render(n),)) for n in (1, 2)]
    moves = Registration("c3", NOON, GERMAN, (render(3),))
    imported = Registration("c4", NOON, Facts("organisation"), aliases=("OLD7", render(9)))

    told = rehearse(rules, [*there, moves, imported], [render(n) for n in (1, 2, 3, 9)], NOON, {"customer": 10})

    assert (told.collided, told.kept) == (0, 2)
    assert [number for _, number, _ in told.examples][::3] == [render(1), render(10)]
    assert told.by_rule == {"region.v1": 1, "numbering.default.v1": 3}
    assert [(found.scope, found.used) for found in told.capacities] == [("region.v1/DE-2026", 1), ("customer", 3)]


def test_what_a_dry_run_tells_becomes_json() -> None:
    told = rehearse(rules_set(REGION, DEFAULT_RULE), [Registration("c1", NOON, GERMAN)], [], NOON)

    assert json.loads(json.dumps(asdict(told), default=str))["by_rule"] == {"region.v1": 1, "numbering.default.v1": 0}


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
