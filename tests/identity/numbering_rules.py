"""Rules, facts and customers for the tests of numbering."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from services.identity.numbering.facts import Facts
from services.identity.numbering.rulebook import DEFAULT_RULE, RuleBook, RuleSet
from services.identity.numbering.scheme import Numbering
from shared.events.numbering import NumberingRule, NumberingRulesSet, SerialRange

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
GERMAN = Facts("person", "crm", "web", {"region": "DE"}, frozenset({"vip"}))
REGION = NumberingRule(
    id="region.v1", template="R{class.region:2}-{yyyy}-{seq:4}{check:mod37_36}", overflow="widen", gaps="leases"
)


def numbering(template: str, **more: Any) -> Numbering:
    """A rule at work."""
    return Numbering(NumberingRule(id=more.pop("id", "r.v1"), template=template, **more))


def rules_set(*rules: NumberingRule, version: int = 1, at: datetime = NOON) -> RuleSet:
    return RuleSet.of(NumberingRulesSet(version=version, effective_from=at, rules=rules, reason="test"))


def book(*rules: NumberingRule) -> RuleBook:
    """The built-in rule, and these in front of it from noon on."""
    return RuleBook([rules_set(*rules, DEFAULT_RULE)])


_literals = st.sampled_from(["A", "K-", "X9.", ""])
_shown = st.sampled_from(
    ["", "{kind:map(person=P,organisation=C,*=X)}", "{class.region:2}", "{yyyy}", "{yy}{mm}", "{source:3}-"]
)
_alphabets = st.sampled_from(["", ":0..9A..Z", ":ABCDEFGHJK", ":01"])
_checks = st.sampled_from(
    ["", "{check:mod37_36}", "{check:mod97_10}", "{check:damm}", "{check:luhn}", "{check:verhoeff}"]
)


@st.composite
def rules(draw: st.DrawFn) -> NumberingRule:
    """Any rule that can be read."""
    overflow = draw(st.sampled_from(["widen", "refuse", "next_prefix"]))
    series = "{series:ABC}" if overflow == "next_prefix" else ""
    serial = f"{{seq:{draw(st.integers(1, 6))}{draw(_alphabets)}}}"
    first = draw(st.integers(0, 500))
    return NumberingRule(
        id="drawn.v1",
        template=f"N{draw(_literals)}{draw(_shown)}{series}{serial}{draw(_checks)}",
        zone=draw(st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York"])),
        start=draw(st.integers(0, 1)),
        step=draw(st.sampled_from([1, 1, 3, 10])),
        overflow=overflow,
        without=draw(st.sampled_from(["", "4", "4O"])),
        held_back=draw(st.sampled_from([(), ("88",), ("11", "AA")])),
        reserved=draw(st.sampled_from([(), (SerialRange(first=first, last=first + 50),)])),
    )


facts = st.builds(
    Facts,
    kind=st.sampled_from(["person", "organisation"]),
    source=st.sampled_from(["crm", "shop", "erp-2"]),
    channel=st.just("web"),
    classes=st.fixed_dictionaries({"region": st.sampled_from(["DE", "FR", "cn-31"])}),
)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
