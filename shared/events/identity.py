"""Events of the identity log: numbers, and which customers are believed to be one real person or organisation.

What people say of two customers (`Asserted`) stands apart from what follows of it for identities (`Linked`,
`Separated`): an assertion holds until it ends, whatever a model finds. Whoever only follows memberships needs nothing
but the moves. A weight is in thousandths of a bit.
"""

from __future__ import annotations

from typing import Literal

from shared.events.envelope import Business, Code, Contract, General, Id, Instant, Value, Word


class Move(Value):
    """From this event on, `customer` belongs to `identity` (the id of that identity's oldest customer)."""

    customer: Id
    identity: Id


class Ends(Value):
    """The two customers of a link."""

    a: Id
    b: Id


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


class LinkedV1(Contract):
    """Customers `a` and `b` are one. `moves` lists every membership that changed, so readers need no graph.

    `evidence` names rules, never values. For one customer the move with the highest position holds. Decided by
    "manual" it was also an assertion that the two are the same.
    """

    TYPE = "identity.linked"
    a: General[Id]
    b: General[Id]
    evidence: General[tuple[Code, ...]]
    decided_by: General[Code]
    moves: General[tuple[Move, ...]]
    reason: General[Word | None] = None


class Linked(LinkedV1):
    """As version 1, and how sure it was: the pair's `weight`, by which version of which `model`.

    Neither is known of a link that a person decided ("manual"): `Asserted` tells of that.
    """

    VERSION = 2
    weight: General[int | None] = None
    model: General[Code | None] = None


class SeparatedV1(Contract):
    """All links of `a` are taken away, and it is kept apart from everybody it was one with; `moves` as in `Linked`."""

    TYPE = "identity.separated"
    a: General[Id]
    b: General[Id]
    reason: General[Word]
    moves: General[tuple[Move, ...]]


class Separated(SeparatedV1):
    """`links` are taken away, and with them `a` and `b` part; `moves` as in `Linked`.

    Decided by "manual" a person parted them; otherwise their evidence is gone. Nobody is kept apart by it: `Asserted`
    tells of that. Only where `links` is null does it mean what version 1 meant.
    """

    VERSION = 2
    decided_by: General[Code] = "manual"
    links: General[tuple[Ends, ...] | None] = None


class Asserted(Contract):
    """The actor says that `a` is the same as each of `others`, or never one with any of them.

    It binds these customers, outlives every model, and ends on `expires` or by `AssertionEnded`.
    """

    TYPE = "identity.asserted"
    a: General[Id]
    others: General[tuple[Id, ...]]
    says: General[Literal["same", "never"]]
    reason: General[Word]
    expires: General[Instant | None] = None


class AssertionEnded(Contract):
    """What was asserted of `a` and each of `others` holds no longer.

    Withdrawn by a person, expired, or overruled by the assertion that is told next.
    """

    TYPE = "identity.assertion_ended"
    a: General[Id]
    others: General[tuple[Id, ...]]
    says: General[Literal["same", "never"]]
    because: General[Literal["withdrawn", "expired", "overruled"]]
    reason: General[Word | None] = None


class ReviewOpened(Contract):
    """Whether `a` and `b` are one is for a person to say.

    `why`: "weight" if the evidence is too weak to merge and too strong to forget, "never" if an assertion between
    others of the two identities keeps them apart, else the guard that held the merge back. Questions with one `vector`
    look the same to the model.
    """

    TYPE = "identity.review_opened"
    a: General[Id]
    b: General[Id]
    why: General[Code]
    weight: General[int]
    model: General[Code]
    evidence: General[tuple[Code, ...]] = ()
    vector: General[Code | None] = None


class ReviewClosed(Contract):
    """The question is out of the queue: answered by the actor, or "gone" because nothing asks it any more.

    "unsure" is remembered until the evidence changes; "same" and "never" are asserted besides.
    """

    TYPE = "identity.review_closed"
    a: General[Id]
    b: General[Id]
    answer: General[Literal["same", "never", "unsure", "gone"]]
    reason: General[Word | None] = None


class ApprovalRequested(Contract):
    """The actor wants to assert this of `a` and `b`; it touches so many customers that a second person decides."""

    TYPE = "identity.approval_requested"
    request_id: General[Id]
    a: General[Id]
    b: General[Id]
    says: General[Literal["same", "never"]]
    reason: General[Word]
    size: General[int]
    expires: General[Instant | None] = None
    overrule: General[bool] = False
    alone: General[bool] = False


class ApprovalDecided(Contract):
    """A second person approved what was requested, and it was carried out with this event; or refused it."""

    TYPE = "identity.approval_decided"
    request_id: General[Id]
    approved: General[bool]
    reason: General[Word | None] = None
