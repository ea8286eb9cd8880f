"""Events of the identity log: numbers, and which customers are believed to be one real person or organisation."""

from __future__ import annotations

from typing import Literal

from shared.events.envelope import Business, Code, Contract, General, Id, Value, Word


class Move(Value):
    """From this event on, `customer` belongs to `identity` (the id of that identity's oldest customer)."""

    customer: Id
    identity: Id


class NumberAssigned(Contract):
    """The customer number for humans; `rule` is the numbering rule and version that made it."""

    TYPE = "identity.number_assigned"
    number: General[Code]
    rule: General[Code]
    serial: General[int]


class AliasAdded(Contract):
    """Another number that resolves to this customer for ever (foreign, former or merged)."""

    TYPE = "identity.alias_added"
    alias: Business[Code]
    kind: General[Literal["foreign", "former", "merged"]]


class Linked(Contract):
    """Customers `a` and `b` are one. `moves` lists every membership that changed, so readers need no graph.

    `evidence` names rules, never values. For one customer the move with the highest position holds.
    """

    TYPE = "identity.linked"
    a: General[Id]
    b: General[Id]
    evidence: General[tuple[Code, ...]]
    decided_by: General[Code]
    moves: General[tuple[Move, ...]]
    reason: General[Word | None] = None


class Separated(Contract):
    """The links between the two sides of `a` and `b` are taken away; `moves` as in `Linked`."""

    TYPE = "identity.separated"
    a: General[Id]
    b: General[Id]
    reason: General[Word]
    moves: General[tuple[Move, ...]]
