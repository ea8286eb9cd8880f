"""What can be asked about numbers, and the answers."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.identity.numbering.facts import Facts
from shared.events.envelope import Code, Id, Instant, Word
from shared.events.numbering import NumberingRule

MAX_ROWS = 500
MAX_LEASED = 10_000
Given = Annotated[str, Field(max_length=200)]
"""As it stands in somebody's file."""
Shown = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:\-]{0,63}$")]


class Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GivenFacts(Command):
    """Open facts of a customer, as rules ask for them."""

    kind: Literal["person", "organisation", ""] = ""
    source: Code | Literal[""] = ""
    channel: Code | Literal[""] = ""
    classes: Annotated[dict[Code, Code], Field(max_length=100)] = {}
    tags: Annotated[tuple[Code, ...], Field(max_length=100)] = ()

    @cached_property
    def facts(self) -> Facts:
        """The same as rules ask for them."""
        return Facts(self.kind, self.source, self.channel, self.classes, frozenset(self.tags))


_NOTHING = GivenFacts()


class Assignment(Command):
    """A number for a customer: by the rules from its facts, or a chosen one that a rule holds back."""

    customer: Id
    # pydantic copies a default value for every row, however frozen it is, but not what a factory makes.
    facts: GivenFacts = Field(default_factory=lambda: _NOTHING)
    number: Shown | None = None


class Assign(Command):
    """Numbers for up to 500 customers, each for itself. `rule` names one rule instead of those in force."""

    rows: Annotated[tuple[Assignment, ...], Field(min_length=1, max_length=MAX_ROWS)]
    rule: Code | None = None


class KnownNumber(Command):
    """A number that a customer had before: its `number` from now on, or a `former` or `foreign` alias.

    `customer` is its id, or a number or alias that leads to it; no source:SOURCE:ID. What is wrong with a row is told
    in its answer.
    """

    customer: Given = ""
    number: Given = ""
    kind: Given = "former"


class TakeOver(Command):
    """Numbers of an earlier system, up to 500, each for itself."""

    rows: Annotated[tuple[KnownNumber, ...], Field(max_length=MAX_ROWS)]


class RowAnswer(BaseModel):
    """What became of one row: `changed` is false if it was so before, `error` says why it was refused.

    `customer` is its id, or what was given for it where nobody was found.
    """

    customer: str
    number: str | None = None
    changed: bool = False
    error: str | None = None


class CheckRules(Command):
    """A set of rules that is to be looked at, not set."""

    rules: Annotated[tuple[NumberingRule, ...], Field(min_length=1, max_length=200)]


class SetRules(CheckRules):
    """Rules for customers who register from `effective_from` on, at once if it is not given."""

    effective_from: Instant | None = None
    reason: Word


class Lease(Command):
    """A block of numbers for a writer who gives them out elsewhere: a till without a line, printed cards."""

    rule: Code
    facts: GivenFacts = GivenFacts()
    count: Annotated[int, Field(ge=1, le=MAX_LEASED)]
    holder: Code
    seconds: Annotated[int, Field(ge=1, le=366 * 86_400)] = 86_400
