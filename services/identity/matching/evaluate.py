"""How well records were put together, compared with the truth.

Pairwise figures are over pairs of records that ended in one cluster, so they are after transitive closure; those of
`pair_scores` are over the pairs that were merged one by one. B-cubed is the mean over records of the precision and
recall of each record's own cluster (Bagga and Baldwin 1998). Intervals are percentiles of a bootstrap that draws whole
true entities, because pairs of one entity are not independent (Efron 1979; level 95 %).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Clusters = Mapping[str, str]
"""Record -> the name of its cluster."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares between 0 and 1; 1 where there is nothing to be wrong about."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Quality:
    """One clustering beside the truth over the same records.

    `closure` counts pairs in one cluster, `bcubed` records; `exact` is the share of true clusters of more than one
    record that were found exactly; `intervals` holds (low, high) of closure precision, recall, F1 and B-cubed F1.
    """

    records: int
    true_pairs: int
    found_pairs: int
    closure: Figures
    bcubed: Figures
    exact: float
    clusters: int
    true_clusters: int
    largest: int
    true_largest: int
    intervals: Mapping[str, tuple[float, float]]

    def to_json(self) -> dict[str, Any]:
        """Values of JSON."""
        return asdict(self)


def figures(both: float, found: float, real: float) -> Figures:
    """Precision, recall and F1 of counts."""
    precision = both / found if found else 1.0
    recall = both / real if real else 1.0
    return Figures(precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0)


def pair_scores(pairs: Iterable[tuple[str, str]], truth: Clusters) -> Figures:
    """Of pairs, each counted once whatever its order, how many are true, and how many of the true ones are there."""
    found = {(a, b) if a < b else (b, a) for a, b in pairs if a != b and a in truth and b in truth}
    both = sum(truth[a] == truth[b] for a, b in found)
    return figures(both, len(found), _pairs(Counter(truth.values()).values()))


def reached(pairs: Iterable[tuple[str, str]], truth: Clusters) -> float:
    """Blocking recall: the share of true pairs that were compared at all."""
    return pair_scores(pairs, truth).recall


def quality(clusters: Clusters, truth: Clusters, *, rounds: int = 200, seed: int = 0) -> Quality:
    """Compares over the records of the truth; a record without a cluster stands alone.

    `rounds` draws make the intervals, the same for the same `seed`; 0 leaves them out.
    """
    records = sorted(truth)
    placed = {record: clusters.get(record, f"\0{record}") for record in records}
    found, real = Counter(placed.values()), Counter(truth.values())
    both = Counter((placed[record], truth[record]) for record in records)
    contents = defaultdict(list)
    for (cluster, entity), shared in both.items():
        contents[entity].append((shared, found[cluster], real[entity]))
    exact = [
        len(parts) == 1 and parts[0][0] == parts[0][1] == parts[0][2] for parts in contents.values() if parts[0][2] > 1
    ]
    table = _table(contents.values())
    return Quality(
        len(records),
        _pairs(real.values()),
        _pairs(found.values()),
        figures(_pairs(both.values()), _pairs(found.values()), _pairs(real.values())),
        _bcubed(table),
        sum(exact) / len(exact) if exact else 1.0,
        len(found),
        len(real),
        max(found.values(), default=0),
        max(real.values(), default=0),
        _intervals(table, rounds, seed),
    )


def within(clusters: Clusters, truth: Clusters, records: Collection[str]) -> Quality:
    """The same over a part of the records, as if there were no others; without intervals."""
    return quality(clusters, {record: truth[record] for record in records if record in truth}, rounds=0)


def confused(clusters: Clusters, truth: Clusters, lookalikes: Iterable[tuple[str, str, str]]) -> dict[str, float]:
    """Of pairs of true entities that look alike, by reason, the share that share a cluster somewhere."""
    held: dict[str, set[str]] = defaultdict(set)
    for record, entity in truth.items():
        held[entity].add(clusters.get(record, f"\0{record}"))
    asked: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for a, b, reason in lookalikes:
        asked[reason] += 1
        wrong[reason] += not held[a].isdisjoint(held[b])
    return {reason: wrong[reason] / asked[reason] for reason in sorted(asked)}


def _pairs(sizes: Iterable[int]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes)


def _table(contents: Iterable[Sequence[tuple[int, int, int]]]) -> NDArray[np.float64]:
    """One row per true entity: its records, sums of B-cubed precision and recall, pairs both, found (its share), real.

    A found cluster of several entities counts for each by its share of the records, so that the sums are exact.
    """
    rows = []
    for parts in contents:
        size = parts[0][2]
        rows.append(
            (
                size,
                sum(shared * shared / cluster for shared, cluster, _ in parts),
                sum(shared * shared / size for shared, _, _ in parts),
                sum(shared * (shared - 1) / 2 for shared, _, _ in parts),
                sum(shared * (cluster - 1) / 2 for shared, cluster, _ in parts),
                size * (size - 1) / 2,
            )
        )
    return np.array(rows, dtype=np.float64).reshape(-1, 6)


def _bcubed(table: NDArray[np.float64]) -> Figures:
    size, precision, recall = (float(total) for total in table.sum(axis=0)[:3])
    return figures_of(precision / size, recall / size) if size else Figures(1.0, 1.0, 1.0)


def figures_of(precision: float, recall: float) -> Figures:
    """F1 of a precision and a recall."""
    return Figures(precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0)


def _intervals(table: NDArray[np.float64], rounds: int, seed: int) -> dict[str, tuple[float, float]]:
    if not rounds or not len(table):
        return {}
    drawn = []
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        # How often each entity is drawn: the multinomial of a sample with replacement.
        weights = rng.multinomial(len(table), np.full(len(table), 1 / len(table)))
        size, precise, recalled, both, found, real = (float(total) for total in weights @ table)
        pairs = figures(both, found, real)
        drawn.append((pairs.precision, pairs.recall, pairs.f1, figures_of(precise / size, recalled / size).f1))
    low, high = np.percentile(np.array(drawn), (2.5, 97.5), axis=0)
    names = ("closure_precision", "closure_recall", "closure_f1", "bcubed_f1")
    return {name: (float(low[n]), float(high[n])) for n, name in enumerate(names)}
