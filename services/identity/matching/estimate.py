"""What a file says about itself, with no labels: how often its duplicates agree, and how often strangers do.

Strangers are drawn at random; duplicates are the candidate pairs, each counted by its probability under the model so
far (expectation maximisation, as in Winkler 1988), with the shipped shares as a prior that a small file cannot shake.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from math import log2
from types import MappingProxyType

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.identity.matching.compare import compare
from services.identity.matching.model import FIELDS, LEVELS, Field, Level, Limits, Model
from services.identity.matching.rows import Rows
from services.identity.matching.vectors import Sums, Vectors, stack, totals

ROUNDS = 12
MOST_PAIRS = 200_000
"""Pairs that a model is fitted to; of more, evenly spread ones."""
STRANGERS = 20_000
SAME_PRIOR = 200.0
"""Pairs that the shipped shares of duplicates count for."""
APART_PRIOR = 2000.0
"""Pairs that the shipped shares of strangers count for."""
LIMIT_PRIOR = 32.0
"""Pairs with the evidence of a limit that the first guess counts for."""
NAMESAKES = 0
"""The first guess of how many with one name are one, in thousandths of a bit: half of them, until a file says more."""
NAME_FIELDS = [FIELDS.index(name) for name in ("given", "family", "order", "middle")]
RELATIVES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "given": (1.0, 0.03, 0.002, 0.005, 0.05, 0.01, 0.06, 0.84),
        "birth": (1.0, 0.015, 0.05, 0.01, 0.01, 0.03, 0.35, 0.55),
    }
)
"""How often two people of one household reach each level: twins, father and son."""
STRONG = 3000
"""Thousandths of a bit from which on evidence of a limit counts as there."""
FIXED = frozenset({"kind", "order", "suffix", "branch", "extra"})
"""Fields whose shares are not estimated: too rare, or not known well enough."""


def spread(pairs: int) -> int:
    """Every how many of a file's pairs are enough to fit a model to it."""
    return max(-(-pairs // MOST_PAIRS), 1)


def fit(vectors: Vectors, rows: Rows, model: Model, step: int = 1) -> Model:
    """The model fitted to a file: prior, shares and limits. Deterministic.

    `vectors` are every `step`th of the file's pairs.
    """
    if len(rows) < 2 or not len(vectors.codes):
        return model
    strangers = _shares(_strangers(rows, model).codes, None)
    base = model
    for _ in range(ROUNDS):
        sums = totals(vectors, model)
        limits = _limits(base, model, vectors, sums)
        same = 1.0 / (1.0 + np.exp2(-np.clip(sums.weights / 1000.0, -60, 60)))
        prior = base.prior + _denser(float(same.sum()) * step, len(rows))
        fields = _fields(base, _shares(vectors.codes, same), strangers)
        model = msgspec.structs.replace(base, fields=fields, prior=prior, limits=limits)
    return model


def _strangers(rows: Rows, model: Model) -> Vectors:
    """Pairs drawn at random: nearly all are of different customers."""
    draw = random.Random(len(rows))  # noqa: S311 a sample, not a secret
    number = min(STRANGERS, len(rows) * 20)
    pairs = [(draw.randrange(len(rows)), draw.randrange(len(rows))) for _ in range(number)]
    return stack(compare(rows.normal(a), rows.normal(b), model) for a, b in pairs if a != b)


def _denser(same: float, records: int) -> int:
    """How much more pairs of one customer there are than the models are made for: one for two records.

    A small file has some, even if none was seen yet.
    """
    return round(1000 * log2((same + 0.2 * records**0.5) / (0.5 * records)))


def _shares(codes: NDArray[np.int8], counts: NDArray[np.float64] | None) -> list[NDArray[np.float64]]:
    """Of each field: the sum of counts at each level."""
    weights = np.ones(len(codes)) if counts is None else counts
    shares = (np.bincount(codes[:, i], weights, len(LEVELS[name])) for i, name in enumerate(FIELDS))
    return [share.astype(np.float64) for share in shares]


def _fields(model: Model, same: list[NDArray[np.float64]], apart: list[NDArray[np.float64]]) -> tuple[Field, ...]:
    numbers = [FIELDS.index(field.name) for field in model.fields]
    return tuple(
        field if field.name in FIXED else _field(field, same[number], apart[number])
        for field, number in zip(model.fields, numbers, strict=True)
    )


def _field(field: Field, same: NDArray[np.float64], apart: NDArray[np.float64]) -> Field:
    """Moves every weight by what the file says against the shipped shares, so that calibrated weights stay so.

    What speaks against a pair never comes to speak for it: in a file of junk, candidates differ more than strangers do.
    """
    places = LEVELS[field.name]
    matched, strange = float(same[1:].sum()), float(apart[1:].sum())
    shipped = sum(level.same for level in field.levels) / 1e6
    levels = []
    for old in field.levels:
        place = places.index(old.name)
        before = max(old.same, 1) / 1e6 / shipped
        m = (float(same[place]) + SAME_PRIOR * before) / (matched + SAME_PRIOR)
        moved = log2(m / before)
        u = max(old.apart, 1) / 1e6
        if not old.rare:
            u = (float(apart[place]) + APART_PRIOR * u) / (strange + APART_PRIOR)
            moved -= log2(u / (max(old.apart, 1) / 1e6))
        weight = old.weight + round(1000 * moved)
        if old.weight <= 0 and not old.rare:
            weight = min(weight, 0)
        levels.append(Level(old.name, weight, max(round(1e6 * m), 1), max(round(1e6 * u), 1), old.rare))
    return Field(field.name, tuple(levels))


def _limits(base: Model, model: Model, vectors: Vectors, sums: Sums) -> Limits:
    """How many pairs with a household's evidence are one person, told by given name and birth date alone.

    The limits of twins and namesakes move with it: where nobody lives together, nobody has a twin. And how many of
    those with one name are one, told by everything but the name.
    """
    shared = vectors.codes[sums.shared > STRONG]
    ratio = np.ones(len(shared))
    for name, apart in RELATIVES.items():
        ratio *= (_same_shares(model, name) / np.array(apart))[shared[:, FIELDS.index(name)]]
    household = round(1000 * _share(ratio, base.limits.household))
    named = sums.named > STRONG
    rest = sums.parts[named].sum(axis=1) - sums.parts[named][:, NAME_FIELDS].sum(axis=1)
    names = round(1000 * _share(np.exp2(np.clip(rest / 1000, -20, 20)), NAMESAKES))
    up = household - base.limits.household
    return msgspec.structs.replace(
        base.limits,
        household=household,
        twins=base.limits.twins + up,
        namesakes=base.limits.namesakes + up,
        names=names,
    )


def _share(ratio: NDArray[np.float64], guess: int) -> float:
    """The share of pairs that are one, as bits, where each has this likelihood ratio; `guess` is in thousandths."""
    before = 1 / (1 + 2 ** (-guess / 1000))
    one = before
    for _ in range(ROUNDS):
        chances = one * ratio / (one * ratio + 1 - one)
        one = (float(chances.sum()) + LIMIT_PRIOR * before) / (len(ratio) + LIMIT_PRIOR)
    return log2(one / (1 - one))


def _same_shares(model: Model, name: str) -> NDArray[np.float64]:
    """How often one person reaches each level of a field; 1 for unknown."""
    known = {level.name: level.same / 1e6 for field in model.fields if field.name == name for level in field.levels}
    return np.array([known.get(level, 1.0) for level in LEVELS[name]])
