"""Which customers stand in the document of which identity: one rule for every view that has members.

A customer begins in the identity of its own id. Linked and separated events carry moves; per customer the move with
the highest position holds, so the order in which the partitions are read does not matter. A move may come before the
customer's first own event: its member then stands there with nothing but its id.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import msgspec

from services.projections.views.view import Document, Filter, Fold, WorkingSet
from shared.events.envelope import Recorded
from shared.events.identity import Linked, Move, Separated

NewMember: TypeAlias = Callable[[str], Document]
"""customer -> its empty member. `customer` and `since` (position of the move that holds, 0 for none) are in it."""
MemberFold: TypeAlias = Callable[[Document, Any, Recorded], None]
"""Changes a member by the data of one event of its customer."""

MEMBERS = "members.customer"
MOVES = (Linked.TYPE, Separated.TYPE)


def member_folds(new_member: NewMember, folds: Mapping[str, MemberFold]) -> dict[str, Fold]:
    """The folds of a view with members: those of one member, and the moves."""

    def on_member(change: MemberFold) -> Fold:
        def fold(working: WorkingSet, event: Recorded) -> None:
            home = working.homes.get(event.customer)
            if home is None:
                home = _join(working, new_member(event.customer), event.customer)
            document, member = home
            working.changed.add(document["_id"])
            change(member, event.data, event)

        return fold

    def move(working: WorkingSet, event: Recorded) -> None:
        if event.position is None:
            raise ValueError(f"event {event.id} has no position")
        for change in moves_of(event):
            _move(working, new_member, change.customer, change.identity, event.position)

    return {**{event_type: on_member(change) for event_type, change in folds.items()}, **dict.fromkeys(MOVES, move)}


def moves_of(event: Recorded) -> tuple[Move, ...]:
    """The memberships that an event changes."""
    # By type, not by class: isinstance of a pydantic class costs more than everything else here.
    return cast("Linked | Separated", event.data).moves if event.type in MOVES else ()


def members_at(moving: Iterable[Recorded], customer: str) -> frozenset[str]:
    """The customers of the identity to which this customer belongs after these linked and separated events.

    Of an event without a position nothing is known; the others hold as in the views, whatever their order.
    """
    held: dict[str, tuple[int, str]] = {}
    for event in moving:
        for change in moves_of(event):
            known = held.get(change.customer, (0, change.customer))
            held[change.customer] = max(known, (event.position or 0, change.identity))
    _, identity = held.get(customer, (0, customer))
    members = {member for member, (_, its) in held.items() if its == identity}
    if identity not in held:
        members.add(identity)
    return frozenset(members)


def only_moves_of(event: Recorded, members: Collection[str]) -> Recorded:
    """The event as far as it moves these customers."""
    moves = tuple(change for change in moves_of(event) if change.customer in members)
    return msgspec.structs.replace(event, data=event.data.model_copy(update={"moves": moves}))


def members_wanted(
    handled: Iterable[str], *, field: str = MEMBERS, prefix: str = ""
) -> Callable[[Sequence[Recorded]], Filter | None]:
    """The filter of the documents in which the customers of a batch stand, or to which they go.

    `field` is the indexed one that holds the customers of a document, each behind `prefix`.
    """
    types = frozenset(handled) | frozenset(MOVES)

    def wanted(events: Sequence[Recorded]) -> Filter | None:
        customers = {event.customer for event in events if event.type in types and event.type not in MOVES}
        identities = set()
        for event in events:
            for change in moves_of(event):
                customers.add(change.customer)
                identities.add(change.identity)
        if not customers:
            return None
        # The document of a customer's own id may exist before the customer is known: others moved there first.
        return {
            "$or": [
                {"_id": {"$in": list(identities | customers)}},
                {field: {"$in": [f"{prefix}{customer}" for customer in customers]}},
            ]
        }

    return wanted


def of_subject(subject: str) -> Filter:
    """The document that has this customer as a member."""
    return {MEMBERS: subject}


def _move(working: WorkingSet, new_member: NewMember, customer: str, identity: str, position: int) -> None:
    home = working.homes.get(customer)
    if home is None:
        member = new_member(customer)
        member["since"] = position
        _join(working, member, identity)
        return
    document, member = home
    if position <= member["since"]:
        return
    member["since"] = position
    working.changed.add(document["_id"])
    if document["_id"] == identity:
        return
    document["members"].remove(member)
    if not document["members"]:
        working.delete(document["_id"])
    _join(working, member, identity)


def _join(working: WorkingSet, member: Document, identity: str) -> tuple[Document, Document]:
    document = working.get(identity)
    if document is None:
        document = {"_id": identity, "members": [member]}
    else:
        document["members"].append(member)
        document["members"].sort(key=_customer)
    working.put(document)
    home = working.homes[member["customer"]] = (document, member)
    return home


def _customer(member: Document) -> str:
    customer: str = member["customer"]
    return customer
