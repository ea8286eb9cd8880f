"""How far evidence goes that is not independent: a household shares an address, a phone and a family name.

The weights of single fields add up as if each spoke for itself. Where they do not, a limit takes back what was counted
twice, as a bar of its own, so that the sum stays exact and the reason can be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.identity.matching.model import FIELDS, LEVELS, PLACE, Model

NAMES: tuple[str, ...] = ("moved", "household", "twins", "namesakes", "names", "branches")
"""The limits in the order in which they are applied."""

_PLACE = [FIELDS.index(name) for name in PLACE]
_KIND, _GIVEN, _FAMILY, _MIDDLE = (FIELDS.index(name) for name in ("kind", "given", "family", "middle"))
_BIRTH, _COMPANY, _EMAIL, _PHONE = (FIELDS.index(name) for name in ("birth", "company", "email", "phone"))
_OTHER_GIVEN = LEVELS["given"].index("differ")
_SIMILAR_COMPANY, _OTHER_COMPANY = (LEVELS["company"].index(level) for level in ("similar", "differ"))


def limits(codes: Sequence[int], parts: Sequence[int], model: Model) -> tuple[int, ...]:
    """What each limit of NAMES takes back or gives, for the levels of a pair and the weights of its fields."""
    most, prior = model.limits, model.prior
    place = parts[_PLACE[0]] + parts[_PLACE[1]] + parts[_PLACE[2]] + parts[_PLACE[3]] + parts[_PLACE[4]]
    moved = max(most.moved - place, 0)
    place = max(place + moved, 0)
    company, phone = max(parts[_COMPANY], 0), max(parts[_PHONE], 0)
    firm = codes[_COMPANY] > 0
    theirs = _of_both(codes)
    email = max(parts[_EMAIL], 0)
    shared = prior + place + phone + max(parts[_FAMILY], 0) + (email if theirs else 0)
    household = min(most.household - shared, 0)
    shared += household
    if firm:
        known = shared + company + (0 if theirs else email)
        bound = most.household if codes[_COMPANY] == _SIMILAR_COMPANY else most.branches
        return moved, household, 0, 0, 0, 0 if place else min(bound - known, 0)
    birth = max(parts[_BIRTH], 0)
    given = max(parts[_GIVEN], 0) + max(parts[_MIDDLE], 0)
    twins = min(most.twins - shared - birth, 0) if birth else 0
    namesakes = min(most.namesakes - shared - given, 0) if given else 0
    names = min(most.names + place + phone - shared - given - namesakes, 0) if given else 0
    return moved, household, twins, namesakes, names, 0


def highest(codes: Sequence[int], parts: Sequence[int], model: Model) -> int:
    """No pair with these first fields, those before the phone, weighs more, whatever the others say.

    What is shared reaches the limit of a household at most; with a birth date that of twins, with a given name that of
    namesakes. What was taken back for one of them is not given back by another.
    """
    most = model.limits
    own = sum(parts) - max(parts[_FAMILY], 0)
    firm = codes[_COMPANY] > 0
    if _of_both(codes):
        own -= max(parts[_EMAIL], 0)
    bound = most.household
    if not firm:
        birth = max(parts[_BIRTH], 0)
        given = max(parts[_GIVEN], 0) + max(parts[_MIDDLE], 0)
        if birth:
            bound = min(bound, most.twins - birth)
        if given:
            bound = min(bound, most.namesakes - given)
    return bound + own


def _of_both(codes: Sequence[int]) -> bool:
    """Whether the names say that these are two, so that an e-mail address they share is one they both use."""
    company = codes[_COMPANY]
    return company == _OTHER_COMPANY if company else codes[_GIVEN] == _OTHER_GIVEN


class Limited(NamedTuple):
    """Of many pairs: the sum of what all limits take back, and the evidence that fitting them looks at."""

    sums: NDArray[np.int64]
    shared: NDArray[np.int64]
    named: NDArray[np.int64]


def limited(codes: NDArray[np.int8], parts: NDArray[np.int64], model: Model) -> Limited:
    """The same integers for many pairs at once. `shared` and `named` are before they are limited."""
    most, prior = model.limits, model.prior
    place = parts[:, _PLACE].sum(axis=1)
    moved = np.maximum(most.moved - place, 0)
    place = np.maximum(place + moved, 0)
    family, birth, company = (np.maximum(parts[:, i], 0) for i in (_FAMILY, _BIRTH, _COMPANY))
    email, phone = np.maximum(parts[:, _EMAIL], 0), np.maximum(parts[:, _PHONE], 0)
    given = np.maximum(parts[:, _GIVEN], 0) + np.maximum(parts[:, _MIDDLE], 0)
    firm = codes[:, _COMPANY] > 0
    theirs = np.where(firm, codes[:, _COMPANY] == _OTHER_COMPANY, codes[:, _GIVEN] == _OTHER_GIVEN)
    shared = prior + place + phone + family + np.where(theirs, email, 0)
    household = np.minimum(most.household - shared, 0)
    after = shared + household
    known = after + company + np.where(theirs, 0, email)
    bound = np.where(codes[:, _COMPANY] == _SIMILAR_COMPANY, most.household, most.branches)
    branches = np.where(place > 0, 0, np.minimum(bound - known, 0))
    twins = np.where(birth > 0, np.minimum(most.twins - after - birth, 0), 0)
    namesakes = np.where(given > 0, np.minimum(most.namesakes - after - given, 0), 0)
    names = np.where(given > 0, np.minimum(most.names + place + phone - after - given - namesakes, 0), 0)
    sums = moved + household + np.where(firm, branches, twins + namesakes + names)
    return Limited(sums, shared, np.where(given > 0, prior + family + given, 0))
