"""A whole file at once: frequencies, then pairs, then the model fitted to them, then clusters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from services.identity.matching.blocks import Candidates, Keyed, Numbers, Skipped, candidates, joined, keyed
from services.identity.matching.clusters import Clusters, Held, Pair, cluster, components, united
from services.identity.matching.compare import compare, likely
from services.identity.matching.counting import Counted, counted, learn_file
from services.identity.matching.estimate import fit, spread
from services.identity.matching.model import Model
from services.identity.matching.record import Normal
from services.identity.matching.rows import ById, Rows
from services.identity.matching.spans import over
from services.identity.matching.vectors import Vectors, concatenate, stack, totals

CHUNK = 50_000
"""Pairs that are compared at once."""
RECORDS = 20_000
"""Records whose keys are made at once."""
COMPONENTS = 5_000
"""Groups of linked records that are clustered at once."""


class Resolution(NamedTuple):
    """`clusters` with more than one member; `pairs` from the review threshold on, the strongest first.

    `held` are pairs that would have merged and the guard that kept them apart. `model` is the one that weighed: the
    given one with the frequencies and shares of this file. `compared` pairs shared a key; `skipped` are the keys that
    were too common to be used, and `weak` pairs shared too little beside the others to be compared.
    """

    clusters: tuple[tuple[str, ...], ...]
    pairs: tuple[Pair, ...]
    held: tuple[Held, ...]
    model: Model
    compared: int
    skipped: tuple[Skipped, ...]
    weak: int = 0


def resolve(
    records: Sequence[tuple[str, Normal]], model: Model, *, adapt: bool = True, processes: int = 1
) -> Resolution:
    """Resolves a file. The same records in any order give the same clusters. Ids must be distinct.

    With `adapt`, prior, shares of levels and limits are estimated from the file, the model being the first guess.
    `records` may be `Packed` (rows.py), which a million records should be. More `processes` change no result.
    """
    rows = Rows(records)
    parts = over(_surveyed, (rows,), len(rows), RECORDS, processes)
    model = model.fitted(len(rows), learn_file([part.counted for part in parts], rows, model.frequencies))
    found = candidates(joined([part.keyed for part in parts]), len(rows), model)
    del parts
    strong = None
    if adapt:
        step = spread(len(found.left))
        some = found.every(step)
        vectors = concatenate(over(_compare, (rows, some, model), len(some.left), CHUNK, processes))
        # Pairs without a key are strangers, and so many that sparse ones among them would pass for duplicates.
        model = fit(vectors if some.keyless is None else vectors.of(~some.keyless), rows, model, step)
        if step == 1:
            strong = _strong(np.arange(len(found.left)), vectors, model)
    if strong is None:
        strong = _all(over(_weigh, (rows, found, model), len(found.left), CHUNK, processes))
    left, right = found.left[strong.places].tolist(), found.right[strong.places].tolist()
    weights = strong.weights.tolist()
    pairs = [Pair(rows.ids[a], rows.ids[b], weight) for a, b, weight in zip(left, right, weights, strict=True)]
    pairs.sort(key=lambda pair: (-pair.weight, pair.a, pair.b))
    wanted = {rows.ids[row]: row for row in {*left, *right}}
    linked = components([pair for pair in pairs if pair.weight >= model.merge])
    result = united(over(_cluster, (linked, ById(rows, wanted), model), len(linked), COMPONENTS, processes))
    return Resolution(result.clusters, tuple(pairs), result.held, model, len(found.left), found.skipped, found.weak)


class _Strong(NamedTuple):
    """The pairs from the review threshold on: their places among all, and their weights."""

    places: Numbers
    weights: Numbers


def _strong(places: Numbers, vectors: Vectors, model: Model) -> _Strong:
    weights = totals(vectors, model).weights
    kept = weights >= min(model.review, model.merge)
    return _Strong(places[kept], weights[kept])


def _all(parts: Sequence[_Strong]) -> _Strong:
    none = np.zeros(0, np.int64)
    return _Strong(
        np.concatenate([none, *(part.places for part in parts)]),
        np.concatenate([none, *(part.weights for part in parts)]),
    )


class _Surveyed(NamedTuple):
    keyed: Keyed
    counted: Counted


def _surveyed(start: int, end: int, rows: Rows) -> _Surveyed:
    normals = list(rows.normals(start, end))
    return _Surveyed(keyed(normals, start), counted(normals, start))


def _compare(start: int, end: int, rows: Rows, found: Candidates, model: Model) -> Vectors:
    return stack(compare(a, b, model) for a, b in _normals(start, end, rows, found))


def _weigh(start: int, end: int, rows: Rows, found: Candidates, model: Model) -> _Strong:
    """Most pairs are given up at their names; those need no array."""
    least = min(model.review, model.merge)
    places, levels = [], []
    for place, (a, b) in enumerate(_normals(start, end, rows, found), start):
        told = likely(a, b, model, least)
        if told is not None:
            places.append(place)
            levels.append(told)
    return _strong(np.array(places, np.int64), stack(levels), model)


def _cluster(start: int, end: int, linked: Sequence[Sequence[Pair]], normals: ById, model: Model) -> Clusters:
    return cluster(chain.from_iterable(linked[start:end]), normals, model)


def _normals(start: int, end: int, rows: Rows, found: Candidates) -> Iterator[tuple[Normal, Normal]]:
    """Pairs are sorted by their left record, which is looked up once."""
    last, normal = -1, Normal()
    for a, b in zip(found.left[start:end].tolist(), found.right[start:end].tolist(), strict=True):
        if a != last:
            last, normal = a, rows.normal(a)
        yield normal, rows.normal(b)
