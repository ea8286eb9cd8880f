"""How well records were put together: pairwise precision, recall and F1 after closure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class PairScore:
    """Of all pairs of records that ended in one cluster, and of all that belong together."""

    precision: float
    recall: float
    f1: float


def score(clusters: Mapping[K, str], truth: Mapping[K, str]) -> PairScore:
    """Compares a clustering with the truth over the same records; without any pair a figure is 1."""
    found = _pairs(Counter(clusters.values()))
    real = _pairs(Counter(truth[record] for record in clusters))
    both = _pairs(Counter((cluster, truth[record]) for record, cluster in clusters.items()))
    precision = both / found if found else 1.0
    recall = both / real if real else 1.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return PairScore(round(precision, 4), round(recall, 4), round(f1, 4))


def _pairs(sizes: Counter[str] | Counter[tuple[str, str]]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes.values())
