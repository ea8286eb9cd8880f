"""Many compared pairs at once, as arrays: the same integers as compare.total, for whole files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.identity.matching.compare import Levels
from services.identity.matching.limits import limited
from services.identity.matching.model import FIELDS, Model


class Vectors(NamedTuple):
    """codes[pair, field] and rarities[pair, field], in the order of FIELDS."""

    codes: NDArray[np.int8]
    rarities: NDArray[np.int16]

    def of(self, chosen: NDArray[np.bool_]) -> Vectors:
        """The chosen rows."""
        return Vectors(self.codes[chosen], self.rarities[chosen])


def stack(levels: Iterable[Levels]) -> Vectors:
    """Arrays of compared pairs, one row each."""
    codes = bytearray()
    rarities: list[int] = []
    for level in levels:
        codes.extend(level.codes)
        rarities.extend(level.rarities)
    shape = (-1, len(FIELDS))
    return Vectors(np.frombuffer(bytes(codes), np.int8).reshape(shape), np.array(rarities, np.int16).reshape(shape))


def concatenate(parts: Sequence[Vectors]) -> Vectors:
    """The rows of all parts."""
    if not parts:
        return stack(())
    return Vectors(np.concatenate([part.codes for part in parts]), np.concatenate([part.rarities for part in parts]))


def parts(vectors: Vectors, model: Model) -> NDArray[np.int64]:
    """The weight of each pair and field, in thousandths of a bit."""
    found = np.empty(vectors.codes.shape, np.int64)
    for i in range(len(FIELDS)):
        codes = vectors.codes[:, i]
        found[:, i] = np.array(model.weights[i])[codes]
        found[:, i] += np.where(np.array(model.rare[i])[codes], vectors.rarities[:, i], 0)
    return found


class Sums(NamedTuple):
    """Of each pair: its weight, and the evidence of a household and of names before it was limited."""

    weights: NDArray[np.int64]
    shared: NDArray[np.int64]
    named: NDArray[np.int64]
    parts: NDArray[np.int64]


def totals(vectors: Vectors, model: Model) -> Sums:
    """The weights of all pairs, equal to compare.total of each."""
    found = parts(vectors, model)
    bounds = limited(vectors.codes, found, model)
    return Sums(model.prior + found.sum(axis=1) + bounds.sums, bounds.shared, bounds.named, found)
