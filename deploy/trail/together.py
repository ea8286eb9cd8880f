"""Who is, and who ever was, one person with a customer, by the moves that the identity log tells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from deploy.trail.question import Question
from deploy.trail.search import Search
from shared.events.identity import Linked, Separated

Moves: TypeAlias = Sequence[tuple[str, str]]
"""What one event moved: customer and the identity that it belongs to from then on."""

_MOVING = Question(types=frozenset({Linked.TYPE, Separated.TYPE}), logs=("identity",))


def moves(search: Search) -> list[Moves]:
    """Of every event that moved customers between identities, in log order."""
    places = sorted(search.places(_MOVING, "oldest"), key=lambda place: place.position)
    return [
        [(move["customer"], move["identity"]) for move in found.record.data["moves"]]
        for found in search.records(places, _MOVING)
    ]


def members(moved: Iterable[Moves], customer: str) -> frozenset[str]:
    """The customers of the identity that this customer belongs to after these moves, itself included."""
    identity_of = {each: identity for event in moved for each, identity in event}
    identity = identity_of.get(customer, customer)
    found = {each for each, its in identity_of.items() if its == identity}
    # The customer that an identity is named for belongs to it until it is moved away.
    if identity_of.get(identity, identity) == identity:
        found.add(identity)
    return frozenset(found)


def ever_together(moved: Iterable[Moves], customer: str) -> frozenset[str]:
    """Everybody who ever was of one identity with the customer, or with one who was, itself included."""
    groups: dict[str, set[str]] = {}
    for event in moved:
        touched = {each for move in event for each in move}
        joined = touched.union(*(groups.get(each, ()) for each in touched))
        groups.update(dict.fromkeys(joined, joined))
    return frozenset(groups.get(customer, set()) | {customer})
