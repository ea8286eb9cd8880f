"""What people say of two customers, and what it does to what was said before. Pure.

The answers are the events of the assertions alone; `deciding.decide` finds what follows of them for identities. An
assertion binds the two customers it names. It is inherited by whatever identities they come into, beats any weight, and
holds until it is withdrawn, expires or is overruled. What would contradict others is refused with the path that shows
it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from itertools import pairwise
from typing import Literal

from services.identity.domain.identities import (
    Banned,
    Identities,
    Pair,
    across,
    ban_between,
    check_two,
    connected,
    pair,
    path,
    told,
)
from shared.errors import Conflict
from shared.events.envelope import Contract
from shared.events.identity import Asserted, AssertionEnded

Says = Literal["same", "never"]


class Contradiction(Conflict):
    """Assertions that hold say otherwise, on the path that the detail shows. Fate: rejected; withdraw one of them."""

    code = "contradiction"
    title = "Contradicts other decisions"


def assert_same(
    state: Identities, a: str, b: str, reason: str, *, expires: datetime | None = None, overrule: bool = False
) -> list[Contract]:
    """The events by which a and b are the same; none if that was said already. Raises NotFound, Invalid, Banned.

    It is told of two who are one already as well: from then on they stay one when their evidence goes. `overrule` ends
    the assertions of "never" between the two identities.
    """
    check_two(a, b)
    left, right = state.family(a), state.family(b)
    if pair(a, b) in state.same:
        return []
    bans = sorted(across(state.bans, left, right)) if left is not right else []
    if bans and not overrule:
        raise Banned(f"{told(ban_between(state, a, b))}; lift that ban to link {a} and {b}")
    ended = [AssertionEnded(a=one, others=(other,), says="never", because="overruled") for one, other in bans]
    return [*ended, Asserted(a=a, others=(b,), says="same", reason=reason, expires=expires)]


def assert_never(
    state: Identities, a: str, b: str, reason: str, *, expires: datetime | None = None, alone: bool = False
) -> list[Contract]:
    """The events by which a and b are never one; none if that was said already.

    Between two who are one it undoes the merge by hand that lies on the way between them, if there is one, and else
    leaves it to the weights where their identity parts. `alone` says it of a and everybody it is one with. Raises
    NotFound, Invalid, Contradiction.
    """
    check_two(a, b)
    left, right = state.family(a), state.family(b)
    others = sorted(left - {a}) if alone and left is right else [b]
    others = [other for other in others if pair(a, other) not in state.bans]
    if not others:
        return []
    if left is not right:
        return [Asserted(a=a, others=tuple(others), says="never", reason=reason, expires=expires)]
    undone = (
        [said for said in sorted(state.same) if a in said and left.issuperset(said)] if alone else _undone(state, a, b)
    )
    for one, other in [*((a, each) for each in others), *undone]:
        _check_nothing_else(state.same - set(undone), one, other)
    ended = [AssertionEnded(a=one, others=(other,), says="same", because="overruled") for one, other in undone]
    said: list[Contract] = [Asserted(a=a, others=tuple(others), says="never", reason=reason, expires=expires)]
    if not alone:
        said += [
            Asserted(a=one, others=(other,), says="never", reason=reason, expires=expires)
            for one, other in undone
            if (one, other) != pair(a, b)
        ]
    return [*ended, *said]


def _undone(state: Identities, a: str, b: str) -> list[Pair]:
    """The one assertion of "same" that is overruled when a and b part: their own, or the merge on the way."""
    if pair(a, b) in state.same:
        return [pair(a, b)]
    way = path(state.links, a, b)
    steps = [pair(one, other) for one, other in pairwise(way)]
    said = [step for step in steps if step in state.same]
    # Of several, nobody could tell which one was meant; without any other link they are the contradiction.
    return said if len(said) == 1 and len(steps) > 1 else []


def _check_nothing_else(same: Collection[Pair], a: str, b: str) -> None:
    if connected(same, a, b):
        way = " and ".join(path(same, a, b))
        raise Contradiction(f"{way} are the same by decision, each with the next; separate two of these first")


def withdraw(state: Identities, a: str, b: str, says: Says, reason: str) -> list[Contract]:
    """The event by which an assertion holds no longer. Raises NotFound, Invalid, and Conflict if there is none."""
    check_two(a, b)
    state.identity(a), state.identity(b)
    if pair(a, b) not in (state.same if says == "same" else state.bans):
        raise Conflict(f"nobody says {says} of customers {a} and {b}; there is nothing to withdraw")
    return [AssertionEnded(a=a, others=(b,), says=says, because="withdrawn", reason=reason)]


def expire(state: Identities, a: str, b: str) -> list[Contract]:
    """The events by which what was asserted of a and b is over; none if it is so already."""
    found: list[tuple[Says, set[Pair]]] = [("same", state.same), ("never", state.bans)]
    return [
        AssertionEnded(a=a, others=(b,), says=says, because="expired") for says, pairs in found if pair(a, b) in pairs
    ]
