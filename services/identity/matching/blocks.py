"""Blocks of a whole file: which pairs of records share a key, and which keys brought too many together to be used."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.identity.matching.keys import keys
from services.identity.matching.model import Model
from services.identity.matching.record import Normal

Numbers: TypeAlias = NDArray[np.int64]

ALL_PAIRS = 600
"""Below so many records every pair is compared."""


class Skipped(NamedTuple):
    """Keys of one kind that were over the cap: how many keys, records under them, and records under the largest."""

    kind: str
    keys: int
    records: int
    largest: int


class Candidates(NamedTuple):
    """Pairs to compare, as row numbers left < right, sorted; and what was not compared, by kind of key."""

    left: Numbers
    right: Numbers
    skipped: tuple[Skipped, ...]


class Keyed(NamedTuple):
    """One entry per record and key: a hash of the key, the record's row, and the number of the key's kind."""

    hashes: Numbers
    rows: NDArray[np.int32]
    kinds: NDArray[np.int8]
    names: tuple[str, ...]


def keyed(normals: Iterable[Normal], model: Model) -> Keyed:
    """The keys of all records. Hashes are of this process alone: never store one."""
    hashes, rows, kinds = array("q"), array("i"), array("b")
    names: dict[str, int] = {}
    for row, normal in enumerate(normals):
        for key in keys(normal, model):
            hashes.append(hash(key))
            rows.append(row)
            kinds.append(names.setdefault(key.partition(":")[0], len(names)))
    return Keyed(
        np.frombuffer(hashes, np.int64), np.frombuffer(rows, np.int32), np.frombuffer(kinds, np.int8), tuple(names)
    )


def candidates(found: Keyed, records: int, model: Model) -> Candidates:
    """All pairs that share a key under the cap; the cap gives way where a small file can afford more."""
    if records <= ALL_PAIRS:
        left, right = np.triu_indices(records, 1)
        return Candidates(left.astype(np.int64), right.astype(np.int64), ())
    order = np.argsort(found.hashes, kind="stable")
    hashes, rows, kinds = found.hashes[order], found.rows[order], found.kinds[order]
    starts = np.flatnonzero(np.r_[True, hashes[1:] != hashes[:-1]]) if len(hashes) else np.zeros(0, np.int64)
    sizes = np.diff(np.r_[starts, len(hashes)])
    cap = _cap(sizes, records, model)
    used = (sizes > 1) & (sizes <= cap)
    left, right = _pairs(rows, starts[used], sizes[used], records)
    return Candidates(left, right, _skipped(kinds[starts], sizes, cap, found.names))


def _cap(sizes: Numbers, records: int, model: Model) -> int:
    """The largest block that keeps all comparisons within the model's pairs per record, never under half its cap."""
    ordered = np.sort(sizes)
    comparisons = np.cumsum(ordered * (ordered - 1) // 2)
    within = int(np.searchsorted(comparisons, max(model.caps.pairs * records, 200_000), side="right"))
    affordable = int(ordered[within - 1]) if within else 0
    return max(affordable, model.caps.block // 2)


def _pairs(rows: NDArray[np.int32], starts: Numbers, sizes: Numbers, records: int) -> tuple[Numbers, Numbers]:
    """The distinct pairs of all blocks, by blocks of equal size at once."""
    codes: list[Numbers] = []
    for size in np.unique(sizes):
        first = starts[sizes == size]
        a, b = np.triu_indices(int(size), 1)
        members = rows[first[:, None] + np.arange(size)].astype(np.int64)
        codes.append(np.unique((members[:, a] * records + members[:, b]).ravel()))
    merged = np.unique(np.concatenate(codes)) if codes else np.zeros(0, np.int64)
    return merged // records, merged % records


def _skipped(kinds: NDArray[np.int8], sizes: Numbers, cap: int, names: Sequence[str]) -> tuple[Skipped, ...]:
    over = sizes > cap
    found = []
    for number, name in enumerate(names):
        large = sizes[over & (kinds == number)]
        if len(large):
            found.append(Skipped(name, len(large), int(large.sum()), int(large.max())))
    return tuple(found)
