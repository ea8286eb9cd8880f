"""A whole file at once: frequencies, then pairs, then the model fitted to them, then clusters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from services.identity.matching.blocks import Candidates, Skipped, candidates, keyed
from services.identity.matching.clusters import Clusters, Held, Pair, cluster
from services.identity.matching.compare import Levels, compare
from services.identity.matching.estimate import fit
from services.identity.matching.frequencies import learn
from services.identity.matching.model import Model
from services.identity.matching.record import Normal
from services.identity.matching.vectors import stack, totals

Records = Sequence[tuple[str, Normal]]


class Resolution(NamedTuple):
    """`clusters` with more than one member; `pairs` from the review threshold on, the strongest first.

    `model` is the one that weighed them: the given one with the frequencies and shares of this file. `compared` pairs
    shared a key; `skipped` are the keys that were too common to be used.
    """

    clusters: tuple[tuple[str, ...], ...]
    pairs: tuple[Pair, ...]
    held: tuple[Held, ...]
    model: Model
    compared: int
    skipped: tuple[Skipped, ...]


def resolve(records: Records, model: Model, *, adapt: bool = True) -> Resolution:
    """Resolves a file. The same records in any order give the same clusters. Ids must be distinct.

    With `adapt`, priors and shares of levels are estimated from the file, the model being the first guess.
    """
    ordered = sorted(range(len(records)), key=lambda row: records[row][0])
    rows = [records[row] for row in ordered]
    model = model.fitted(len(rows), learn(normal for _, normal in rows))
    found = candidates(keyed((normal for _, normal in rows), model), len(rows), model)
    vectors = stack(_compare(rows, found, model))
    if adapt:
        model = fit(vectors, rows, model)
    weights = totals(vectors, model).weights
    keep = (weights >= min(model.review, model.merge)).nonzero()[0]
    pairs = [
        Pair(rows[a][0], rows[b][0], weight)
        for a, b, weight in zip(
            found.left[keep].tolist(), found.right[keep].tolist(), weights[keep].tolist(), strict=True
        )
    ]
    pairs.sort(key=lambda pair: (-pair.weight, pair.a, pair.b))
    result: Clusters = cluster(pairs, dict(rows), model)
    return Resolution(result.clusters, tuple(pairs), result.held, model, len(found.left), found.skipped)


def _compare(rows: Records, found: Candidates, model: Model) -> Iterator[Levels]:
    for a, b in zip(found.left.tolist(), found.right.tolist(), strict=True):
        yield compare(rows[a][1], rows[b][1], model)
