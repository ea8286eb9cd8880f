"""Weights from labelled pairs: regularised logistic regression over levels and limits, with the given model as prior.

A pair's probability is 1 / (1 + 2^-weight). The weight is piecewise linear in the model's numbers, so its slope is
taken where it stands and Newton's steps are repeated; numbers that the labels say little about stay as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.identity.matching.compare import compare
from services.identity.matching.limits import NAMES
from services.identity.matching.model import Field, Model
from services.identity.matching.record import Normal
from services.identity.matching.vectors import Vectors, stack, totals

ROUNDS = 8
STEP = 200
"""Thousandths of a bit by which a number is moved to see the slope of the weight."""
SPREAD = 2000.0
"""How far from the given model a number usually is, in thousandths of a bit: the strength of the prior."""
LARGEST = 4000.0
"""The most that one round moves a number."""


class Labelled(NamedTuple):
    """Compared pairs, and for each whether the two records are one customer."""

    vectors: Vectors
    same: NDArray[np.bool_]


class TooFewLabels(ValueError):
    """There are not both pairs of one customer and of two. Reject: give labels of both."""


def labelled(pairs: Sequence[tuple[Normal, Normal, bool]], model: Model) -> Labelled:
    """Compares labelled pairs. The model gives the frequencies."""
    return Labelled(stack(compare(a, b, model) for a, b, _ in pairs), np.array([same for *_, same in pairs], np.bool_))


def calibrate(data: Labelled, model: Model, *, spread: float = SPREAD) -> Model:
    """The model with prior, weights and limits moved towards the labels. Deterministic.

    The pairs have to be those that the matcher would compare: candidates, hard ones among them, not random pairs.
    Raises TooFewLabels.
    """
    if not data.same.any() or data.same.all():
        raise TooFewLabels("labels of pairs that are one customer and of pairs that are two are both needed")
    start = numbers(model)
    now = start.copy()
    for _ in range(ROUNDS):
        current = with_numbers(model, now)
        weights = totals(data.vectors, current).weights
        slopes = (
            np.stack([totals(data.vectors, moved).weights - weights for moved in _moved(model, now)], axis=1) / STEP
        )
        now = now + np.clip(_step(weights, slopes, data.same, now - start, spread), -LARGEST, LARGEST)
    return with_numbers(model, now)


def _moved(model: Model, now: NDArray[np.float64]) -> Iterator[Model]:
    for i in range(len(now)):
        other = now.copy()
        other[i] += STEP
        yield with_numbers(model, other)


def _step(
    weights: NDArray[np.int64],
    slopes: NDArray[np.float64],
    same: NDArray[np.bool_],
    away: NDArray[np.float64],
    spread: float,
) -> NDArray[np.float64]:
    """One step of Newton's method on the penalised likelihood."""
    unit = np.log(2) / 1000
    chances = 1 / (1 + np.exp(-np.clip(weights * unit, -30, 30)))
    gradient = unit * slopes.T @ (same - chances) - away / spread**2
    curvature = unit**2 * (slopes * (chances * (1 - chances))[:, None]).T @ slopes
    curvature += np.eye(len(away)) / spread**2
    return np.asarray(np.linalg.solve(curvature, gradient), np.float64)


def numbers(model: Model) -> NDArray[np.float64]:
    """All numbers of a model that labels can move: prior, limits, weights of levels."""
    limits = [getattr(model.limits, name) for name in NAMES]
    return np.array([model.prior, *limits, *(level.weight for field in model.fields for level in field.levels)], float)


def with_numbers(model: Model, values: NDArray[np.float64]) -> Model:
    """The model with these numbers, rounded."""
    found = iter([int(value) for value in np.rint(values)])
    prior = next(found)
    limits = msgspec.structs.replace(model.limits, **{name: next(found) for name in NAMES})
    fields = tuple(
        Field(field.name, tuple(msgspec.structs.replace(level, weight=next(found)) for level in field.levels))
        for field in model.fields
    )
    return msgspec.structs.replace(model, prior=prior, limits=limits, fields=fields)
