"""Events about numbering: its rules, and serials that were handed out in blocks. Nothing here is about one customer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from shared.events.envelope import Code, Contract, General, Id, Instant, Value, Word

Serial = Annotated[int, Field(ge=0, le=10**18)]
Scope = Annotated[str, StringConstraints(min_length=1, max_length=200)]
FactName = Annotated[
    str, StringConstraints(pattern=r"^(kind|source|channel|tag|class\.[A-Za-z0-9][A-Za-z0-9_.:\-]{0,57})$")
]


class SerialRange(Value):
    """Serials from `first` to `last`, both included."""

    first: Serial
    last: Serial

    @model_validator(mode="after")
    def _in_order(self) -> SerialRange:
        if self.last < self.first:
            raise ValueError("a range ends before it begins")
        return self


class Condition(Value):
    """One predicate over a customer: its fact is one of `is_in`, and none of `not_in`.

    Facts are open fields only: `kind`, `source`, `channel`, `tag` (any of its tags) and `class.<scheme>`.
    """

    fact: FactName
    is_in: tuple[Code, ...] = ()
    not_in: tuple[Code, ...] = ()


class NumberingRule(Value):
    """How the numbers of some customers look and follow each other. The language is told in docs/numbers.md.

    `id` is stored with every number; what it renders (template, zone, start, step, without) never changes under one id.
    A rule for `import` issues nothing: it says how the numbers of another system look.
    `held_back` are strings of digits, `reserved` serials that are given out by hand alone.
    """

    id: Code
    use: Literal["issue", "import"] = "issue"
    when: Annotated[tuple[Condition, ...], Field(max_length=20)] = ()
    template: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    zone: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "UTC"
    start: Annotated[int, Field(ge=0, le=10**15)] = 1
    step: Annotated[int, Field(ge=1, le=10**6)] = 1
    gaps: Literal["none", "leases"] = "none"
    overflow: Literal["widen", "next_prefix", "refuse"] = "refuse"
    without: Annotated[str, StringConstraints(max_length=20)] = ""
    held_back: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{2,12}$")], ...], Field(max_length=100)
    ] = ()
    reserved: Annotated[tuple[SerialRange, ...], Field(max_length=100)] = ()
    on_move: Literal["keep", "reissue"] = "keep"


class NumberingRulesSet(Contract):
    """From `effective_from` on these rules number new customers, the first that fits; it replaces the set before.

    `version` counts the sets. Numbers that were given stay what they are.
    """

    TYPE = "numbering.rules_set"
    version: General[int]
    effective_from: General[Instant]
    rules: General[Annotated[tuple[NumberingRule, ...], Field(min_length=1, max_length=200)]]
    reason: General[Word]


class NumbersLeased(Contract):
    """The serials from `first` to `last` of a scope are `holder`'s to give out, until `expires_at`."""

    TYPE = "numbering.leased"
    lease: General[Id]
    rule: General[Code]
    scope: General[Scope]
    first: General[int]
    last: General[int]
    holder: General[Code]
    expires_at: General[Instant]


class NumbersVoided(Contract):
    """These serials of a lease were given to nobody, and never will be."""

    TYPE = "numbering.voided"
    lease: General[Id]
    rule: General[Code]
    scope: General[Scope]
    ranges: General[tuple[SerialRange, ...]]
    reason: General[Word]


class SerialsRaised(Contract):
    """Numbers that were taken over reach this far: the next serial of the scope is above `floor`."""

    TYPE = "numbering.serials_raised"
    rule: General[Code]
    scope: General[Scope]
    floor: General[int]
    reason: General[Word]
