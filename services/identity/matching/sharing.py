"""Whom a record of the service is compared with: not everybody who shares a key, for a door or a birthday is no reason.

A rule of the keys that two share and of how many others have those, so that who shares little is not even opened.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

from services.identity.matching.fingerprint import KINDS, Evidence

COMMON = 50
"""A key that more customers share says nothing about who they are, and is not used."""
ALONE: Mapping[int, int] = MappingProxyType(
    {KINDS["name"]: 8, KINDS["birth"]: 2, KINDS["word-day"]: 2, KINDS["door"]: 2, KINDS["head-place"]: 2}
)
"""Others up to which a key of a kind brings people together by itself, COMMON for the kinds that are not named here.

Where more have it, it takes two keys. Of 16,600 pairs of one customer that share a key, among a million made-up
records, 690 are not compared for that: 50 would have merged, 190 been questions. Of 615,000 pairs of others 514,000 are
not: 49 would have merged, 2,600 been questions.
"""
UNLED: Mapping[int, int] = MappingProxyType({**ALONE, KINDS["birth"]: 8, KINDS["word-day"]: 8})
"""The same of somebody to whom no phone, no e-mail address and no identifier leads."""

_LEADING = frozenset({KINDS["id"], KINDS["phone"], KINDS["email"]})


class Brought(NamedTuple):
    """Who is to be compared, those under the first keys first; and how many keys too many share to be used."""

    customers: list[str]
    common: int


def brought(customer: str, evidence: Evidence, holders: Mapping[bytes, Collection[str]]) -> Brought:
    """Those whom its keys bring together with a customer. `holders` may have the customer itself, or not yet."""
    alone = _alone(evidence)
    found: dict[str, None] = {}
    once: set[str] = set()
    common = 0
    for key, kind in evidence.items():
        sharing = holders[key]
        if len(sharing) > COMMON:
            common += 1
        elif len(sharing) - (customer in sharing) <= alone.get(kind, COMMON):
            found.update(dict.fromkeys(sharing))
        else:
            found.update(dict.fromkeys(other for other in sharing if other in once))
            once.update(sharing)
    found.pop(customer, None)
    return Brought(list(found), common)


def counting(one: Evidence, other: Evidence, holders: Mapping[bytes, Collection[str]]) -> list[bytes]:
    """Of the keys that two customers share those that bring them together; `holders` has both under each."""
    used = [key for key in one if key in other and len(holders[key]) <= COMMON]
    if len(used) == 1:
        kind, others = one[used[0]], len(holders[used[0]]) - 1
        return used if others <= max(_alone(each).get(kind, COMMON) for each in (one, other)) else []
    return used


def _alone(evidence: Evidence) -> Mapping[int, int]:
    return UNLED if _LEADING.isdisjoint(evidence.values()) else ALONE
