"""A whole file at once: frequencies, then pairs, then the model fitted to them, then clusters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.identity.matching.blocks import Candidates, Keyed, Numbers, Skipped, candidates, joined, keyed
from services.identity.matching.clusters import Held, Pair, cluster
from services.identity.matching.compare import Levels, compare
from services.identity.matching.estimate import fit
from services.identity.matching.frequencies import learn
from services.identity.matching.model import Model
from services.identity.matching.record import Normal
from services.identity.matching.rows import ById, Rows
from services.identity.matching.spans import over
from services.identity.matching.vectors import Vectors, concatenate, stack, totals

CHUNK = 50_000
"""Pairs that are compared at once."""
RECORDS = 20_000
"""Records whose keys are made at once."""


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
    model = model.fitted(len(rows), learn(rows.normals(), model.frequencies))
    found = candidates(joined(over(_keyed, (rows, model), len(rows), RECORDS, processes)), len(rows), model)
    vectors = concatenate(over(_compare, (rows, found, model), len(found.left), CHUNK, processes))
    if adapt:
        # Pairs without a key are strangers, and so many that sparse ones among them would pass for duplicates.
        model = fit(vectors if found.keyless is None else vectors.of(~found.keyless), rows, model)
    weights = _weights(vectors, model)
    keep = (weights >= min(model.review, model.merge)).nonzero()[0]
    left, right = found.left[keep].tolist(), found.right[keep].tolist()
    pairs = [
        Pair(rows.ids[a], rows.ids[b], weight) for a, b, weight in zip(left, right, weights[keep].tolist(), strict=True)
    ]
    pairs.sort(key=lambda pair: (-pair.weight, pair.a, pair.b))
    wanted = {rows.ids[row]: row for row in {*left, *right}}
    result = cluster(pairs, ById(rows, wanted), model)
    return Resolution(result.clusters, tuple(pairs), result.held, model, len(found.left), found.skipped, found.weak)


def _weights(vectors: Vectors, model: Model) -> NDArray[np.int64]:
    """Of all pairs, some at a time: the weights of their fields take much more room than their levels."""
    parts = [totals(vectors.part(at, at + CHUNK), model).weights for at in range(0, len(vectors.codes), CHUNK)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _keyed(start: int, end: int, rows: Rows, model: Model) -> Keyed:
    return keyed(rows.normals(start, end), model, start)


def _compare(start: int, end: int, rows: Rows, found: Candidates, model: Model) -> Vectors:
    return stack(_levels(rows, found.left[start:end], found.right[start:end], model))


def _levels(rows: Rows, left: Numbers, right: Numbers, model: Model) -> Iterator[Levels]:
    """Pairs are sorted by their left record, which is looked up once."""
    last, normal = -1, Normal()
    for a, b in zip(left.tolist(), right.tolist(), strict=True):
        if a != last:
            last, normal = a, rows.normal(a)
        yield compare(normal, rows.normal(b), model)
