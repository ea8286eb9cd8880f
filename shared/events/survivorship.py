"""Events about the golden record: by which policy one of several values is chosen, and which values a steward pinned.

A policy is about no customer: the `customer` of its events is `POLICY`, an id that no customer can have.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from shared.events.envelope import Code, Contract, General, Id, Instant, Value, Word
from shared.ids import derive

POLICY: Id = derive("survivorship", "policy")
"""The id that stands for the policy where others name a customer."""
REST = "*"
"""In a ranking: where all sources stand that it does not name."""

Criterion = Literal["active", "verified", "source", "recency", "frequency", "longest"]
GoldenField = Annotated[
    str,
    StringConstraints(
        pattern=r"^(name|birth_date|(phone|email|social|address|classification|extension):[A-Za-z0-9][A-Za-z0-9_.:\-]{0,63})$"
    ),
]
"""One value of a customer: of contact points the kind and the contact's id, of addresses the usage, and so on."""
RuledField = Annotated[
    str,
    StringConstraints(
        pattern=r"^(kind|name|birth_date|phone|email|social|address|classification|extension|(address|classification|extension):[A-Za-z0-9][A-Za-z0-9_.:\-]{0,63})$"
    ),
]
"""A field of the golden record, or all of a group (`address`, `extension`)."""


class Rule(Value):
    """What is compared to choose between values, one criterion after the other until one value is left.

    active     of a customer who is not archived
    verified   confirmed, or corrected because the person asked for it
    source     of the source that stands first in `sources`; those that are not named stand at `*`, or last
    recency    the latest
    frequency  told by most customers of the identity
    longest    with most characters: the most complete
    """

    order: Annotated[tuple[Criterion, ...], Field(min_length=1, max_length=6)]
    sources: Annotated[tuple[Code | Literal["*"], ...], Field(max_length=200)] = ()

    @model_validator(mode="after")
    def _says_nothing_twice(self) -> Rule:
        for name, said in (("order", self.order), ("sources", self.sources)):
            if len(set(said)) < len(said):
                raise ValueError(f"{name} names something twice.")
        return self


class Policy(Value):
    """How the golden record is made.

    A field goes by the rule of its own name (`address:main`), else by that of its group (`address`), else by
    `default`. The fields of a group in `together` are all of one customer: of the one that has the best value of the
    first of them.
    """

    default: Rule
    fields: Annotated[dict[RuledField, Rule], Field(max_length=200)] = Field(default_factory=dict)
    together: Annotated[
        dict[Code, Annotated[tuple[RuledField, ...], Field(min_length=2, max_length=50)]], Field(max_length=50)
    ] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_each_field_in_one_group(self) -> Policy:
        named = [field for fields in self.together.values() for field in fields]
        if len(set(named)) < len(named):
            raise ValueError("together names a field twice.")
        if "name" in named:
            raise ValueError("together names name, which lists show by itself.")
        if whole := {"address", "classification", "extension"}.intersection(named):
            raise ValueError(f"together names {min(whole)} as a whole; name its fields, such as address:main.")
        return self

    def rule(self, field: str) -> Rule:
        """The rule that a field of the golden record goes by."""
        return self.fields.get(field) or self.fields.get(field.partition(":")[0]) or self.default


class SurvivorshipPolicySet(Contract):
    """From `effective_from` on the golden record is made so. `version` counts them from 1.

    Of the policies that have begun that one is in force that began last; of those that began together, the last set.
    """

    TYPE = "survivorship.policy_set"
    version: General[Annotated[int, Field(ge=1)]]
    policy: General[Policy]
    effective_from: General[Instant]
    reason: General[Word]


class ValuePinned(Contract):
    """A steward holds that the value which the customer has there now is the right one.

    It stands in the golden record of whatever identity the customer belongs to, also when the customer gets another
    value, until it is unpinned, taken away, or corrected because the person asked for it.
    """

    TYPE = "customer.value_pinned"
    field: General[GoldenField]
    reason: General[Code]


class ValueUnpinned(Contract):
    TYPE = "customer.value_unpinned"
    field: General[GoldenField]
    reason: General[Code]
