"""What a file says about itself, with no labels: how often its duplicates agree, and how often strangers do.

Strangers are drawn at random; duplicates are the candidate pairs, each counted by its probability under the model so
far (expectation maximisation, as in Winkler 1988), with the shipped shares as a prior that a small file cannot shake.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from math import log2
from types import MappingProxyType

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.identity.matching.compare import compare
from services.identity.matching.model import FIELDS, LEVELS, Field, Level, Limits, Model
from services.identity.matching.record import Normal
from services.identity.matching.vectors import Sums, Vectors, stack, totals

ROUNDS = 12
STRANGERS = 30_000
SAME_PRIOR = 200.0
"""Pairs that the shipped shares of duplicates count for."""
APART_PRIOR = 2000.0
"""Pairs that the shipped shares of strangers count for."""
PRIORS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"household": (8.0, 24.0), "twins": (48.0, 2.0), "namesakes": (48.0, 4.0), "names": (24.0, 8.0)}
)
"""Pairs with the evidence of a limit that are one person, and that are not, which are added to those of the file."""
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


def fit(vectors: Vectors, rows: Sequence[tuple[str, Normal]], model: Model) -> Model:
    """The model fitted to a file: prior, shares and the household limit. Deterministic."""
    if len(rows) < 2 or not len(vectors.codes):
        return model
    strangers = _shares(_strangers(rows, model).codes, None)
    base = model
    for _ in range(ROUNDS):
        sums = totals(vectors, model)
        limits = _limits(model, vectors, sums)
        same = 1.0 / (1.0 + np.exp2(-np.clip(sums.weights / 1000.0, -60, 60)))
        model = _refit(base, _shares(vectors.codes, same), strangers, same, limits, len(rows))
    return model


def _strangers(rows: Sequence[tuple[str, Normal]], model: Model) -> Vectors:
    """Pairs drawn at random: nearly all are of different customers."""
    draw = random.Random(len(rows))  # noqa: S311 a sample, not a secret
    number = min(STRANGERS, len(rows) * 20)
    pairs = [(draw.randrange(len(rows)), draw.randrange(len(rows))) for _ in range(number)]
    return stack(compare(rows[a][1], rows[b][1], model) for a, b in pairs if a != b)


def _shares(codes: NDArray[np.int8], counts: NDArray[np.float64] | None) -> list[NDArray[np.float64]]:
    """Of each field: the sum of counts at each level."""
    return [np.bincount(codes[:, i], counts, len(LEVELS[name])) for i, name in enumerate(FIELDS)]


def _refit(
    model: Model,
    same: list[NDArray[np.float64]],
    apart: list[NDArray[np.float64]],
    chances: NDArray[np.float64],
    limits: Limits,
    records: int,
) -> Model:
    fields = tuple(
        field if field.name in FIXED else _field(field, same[number], apart[number])
        for field in model.fields
        for number in (FIELDS.index(field.name),)
    )
    expected = float(chances.sum()) + 0.2 * records**0.5
    prior = round(1000 * log2(expected / (records * (records - 1) / 2)))
    return msgspec.structs.replace(model, fields=fields, prior=min(prior, -1000), limits=limits)


def _field(field: Field, same: NDArray[np.float64], apart: NDArray[np.float64]) -> Field:
    """Moves every weight by what the file says against the shipped shares, so that calibrated weights stay so."""
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
        levels.append(Level(old.name, weight, max(round(1e6 * m), 1), max(round(1e6 * u), 1), old.rare))
    return Field(field.name, tuple(levels))


def _limits(model: Model, vectors: Vectors, sums: Sums) -> Limits:
    """How many pairs with the evidence of a limit are one person, told by what the limit does not speak of.

    A household by given name and birth date, and in it those with one birth date by the given name (twins), those with
    one given name by the birth date (father and son); those with one name by everything but the name.
    """
    shared = vectors.codes[sums.shared > STRONG]
    ratios = {
        name: (_same_shares(model, name) / np.array(apart))[shared[:, FIELDS.index(name)]]
        for name, apart in RELATIVES.items()
    }
    one_birth, one_given = (shared[:, FIELDS.index(name)] == 1 for name in ("birth", "given"))
    named = sums.named > STRONG
    rest = sums.parts[named].sum(axis=1) - sums.parts[named][:, NAME_FIELDS].sum(axis=1)
    found = {
        "household": _share(ratios["given"] * ratios["birth"], PRIORS["household"]),
        "twins": _share(ratios["given"][one_birth], PRIORS["twins"]),
        "namesakes": _share(ratios["birth"][one_given], PRIORS["namesakes"]),
        "names": _share(np.exp2(np.clip(rest / 1000, -20, 20)), PRIORS["names"]),
    }
    return msgspec.structs.replace(model.limits, **{name: round(1000 * bits) for name, bits in found.items()})


def _share(ratio: NDArray[np.float64], prior: tuple[float, float]) -> float:
    """The share of pairs that are one, as bits, where each has this likelihood ratio."""
    yes, no = prior
    one = yes / (yes + no)
    for _ in range(ROUNDS):
        chances = one * ratio / (one * ratio + 1 - one)
        one = (float(chances.sum()) + yes) / (len(ratio) + yes + no)
    return log2(one / (1 - one))


def _same_shares(model: Model, name: str) -> NDArray[np.float64]:
    """How often one person reaches each level of a field; 1 for unknown."""
    known = {level.name: level.same / 1e6 for field in model.fields if field.name == name for level in field.levels}
    return np.array([known.get(level, 1.0) for level in LEVELS[name]])
