"""Blocks of a whole file: which pairs of records share a key, and which keys brought too many together to be used.

A large file has more such pairs than can be compared. Then those go first that share most: keys count by their rarity,
log2(records / records with the key), as in meta-blocking (Papadakis et al. 2014, weighted edge pruning). Last of all go
those that share a single key, of a kind that strangers share.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import product
from math import log2
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.identity.matching.keys import LAST, keys
from services.identity.matching.model import Model
from services.identity.matching.record import Normal

Numbers: TypeAlias = NDArray[np.int64]
Weights: TypeAlias = NDArray[np.int32]

ALL_PAIRS = 600
"""Below so many records every pair is compared."""
AFFORDABLE = 500_000
"""Pairs that are always compared, however few records there are."""
_BEYOND = 1 << 25
"""More than all keys of a pair count together: what stands above it is another number."""
TIES = 1.2
"""So much more than what can be afforded is compared rather than to cut between pairs that share equally much."""


class Skipped(NamedTuple):
    """Keys of one kind that were over the cap: how many keys, records under them, and records under the largest."""

    kind: str
    keys: int
    records: int
    largest: int


class Candidates(NamedTuple):
    """Pairs to compare, as row numbers left < right, sorted; and what was not compared.

    `skipped` are keys over the cap, by kind; `weak` counts pairs that share a key and too little to be compared.
    `keyless` says which of them share none, where all pairs of a small file are compared.
    """

    left: Numbers
    right: Numbers
    skipped: tuple[Skipped, ...]
    weak: int = 0
    keyless: NDArray[np.bool_] | None = None

    def every(self, step: int) -> Candidates:
        """Each of so many pairs."""
        keyless = None if self.keyless is None else self.keyless[::step]
        return self._replace(left=self.left[::step], right=self.right[::step], keyless=keyless)


class Keyed(NamedTuple):
    """One entry per record and key: a hash of the key, the record's row, and the number of the key's kind."""

    hashes: Numbers
    rows: NDArray[np.int32]
    kinds: NDArray[np.int8]
    names: tuple[str, ...]


def keyed(normals: Iterable[Normal], first: int = 0) -> Keyed:
    """The keys of records, which are numbered from `first`. Hashes are of this process alone: never store one."""
    hashes, rows, kinds = array("q"), array("i"), array("b")
    names: dict[str, int] = {}
    for row, normal in enumerate(normals, start=first):
        for key in keys(normal):
            hashes.append(hash(key))
            rows.append(row)
            kinds.append(names.setdefault(key.partition(":")[0], len(names)))
    return Keyed(
        np.frombuffer(hashes, np.int64), np.frombuffer(rows, np.int32), np.frombuffer(kinds, np.int8), tuple(names)
    )


def joined(parts: Sequence[Keyed]) -> Keyed:
    """The keys of all parts, each of which numbered the kinds for itself."""
    names = tuple(dict.fromkeys(name for part in parts for name in part.names))
    numbers = [np.array([names.index(name) for name in part.names], np.int8) for part in parts]
    return Keyed(
        np.concatenate([np.zeros(0, np.int64), *(part.hashes for part in parts)]),
        np.concatenate([np.zeros(0, np.int32), *(part.rows for part in parts)]),
        np.concatenate([np.zeros(0, np.int8), *(at[part.kinds] for at, part in zip(numbers, parts, strict=True))]),
        names,
    )


def candidates(found: Keyed, records: int, model: Model) -> Candidates:
    """All pairs that share a key under the cap; the cap gives way where a small file can afford more."""
    order = np.argsort(found.hashes, kind="stable")
    hashes, rows, kinds = found.hashes[order], found.rows[order], found.kinds[order]
    starts = np.flatnonzero(np.r_[True, hashes[1:] != hashes[:-1]]) if len(hashes) else np.zeros(0, np.int64)
    sizes = np.diff(np.r_[starts, len(hashes)])
    last = np.isin(kinds[starts], [number for number, name in enumerate(found.names) if name in LAST])
    if records <= ALL_PAIRS:
        left, right = (rows_.astype(np.int64) for rows_ in np.triu_indices(records, 1))
        sharing = _pairs(rows, starts[sizes > 1], sizes[sizes > 1], records, last[sizes > 1]).pairs
        return Candidates(left, right, (), keyless=~np.isin(left * records + right, sharing))
    cap = _cap(sizes, records, model)
    used = (sizes > 1) & (sizes <= cap)
    pairs, shared, enough = _pairs(rows, starts[used], sizes[used], records, last[used])
    strong = _strongest(shared + np.where(enough, _BEYOND, 0), max(model.caps.compared * records, AFFORDABLE))
    kept = pairs[strong]
    skipped = _skipped(kinds[starts], sizes, cap, found.names)
    return Candidates(kept // records, kept % records, skipped, len(pairs) - len(kept))


def _cap(sizes: Numbers, records: int, model: Model) -> int:
    """The largest block that keeps all comparisons within the model's pairs per record, never under half its cap."""
    ordered = np.sort(sizes)
    comparisons = np.cumsum(ordered * (ordered - 1) // 2)
    within = int(np.searchsorted(comparisons, max(model.caps.pairs * records, 200_000), side="right"))
    affordable = int(ordered[within - 1]) if within else 0
    return max(affordable, model.caps.block // 2)


class _Pairs(NamedTuple):
    """Distinct pairs, left * records + right, sorted; what the keys that each shares count; and whether that is enough.

    One key of the kinds that go last is not.
    """

    pairs: Numbers
    shared: Weights
    enough: NDArray[np.bool_]


def _pairs(rows: NDArray[np.int32], starts: Numbers, sizes: Numbers, records: int, last: NDArray[np.bool_]) -> _Pairs:
    codes, weights = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
    for size, goes_last in product(np.unique(sizes), (False, True)):
        block = (sizes == size) & (last == goes_last)
        a, b = np.triu_indices(int(size), 1)
        members = rows[starts[block][:, None] + np.arange(size)].astype(np.int64)
        codes.append((members[:, a] * records + members[:, b]).ravel())
        weight = round(1000 * log2(records / int(size))) + (_BEYOND if goes_last else 2 * _BEYOND)
        weights.append(np.full(len(codes[-1]), weight, np.int32))
    every, counted = np.concatenate(codes), np.concatenate(weights)
    if not len(every):
        return _Pairs(every, counted, np.zeros(0, np.bool_))
    order = np.argsort(every)
    every, counted = every[order], counted[order]
    del order  # a large file has tens of millions of pairs
    firsts = np.flatnonzero(np.r_[True, every[1:] != every[:-1]])
    sums = np.diff(np.cumsum(counted, dtype=np.int64)[np.r_[firsts[1:], len(every)] - 1], prepend=0)
    return _Pairs(every[firsts], (sums % _BEYOND).astype(np.int32), sums >= 2 * _BEYOND)


def _strongest(shared: Weights, most: int) -> NDArray[np.bool_]:
    """About as many of the pairs as can be afforded, those that share most; equal ones stay or go together."""
    if len(shared) <= most:
        return np.ones(len(shared), np.bool_)
    least = np.partition(shared, len(shared) - most)[len(shared) - most]
    kept: NDArray[np.bool_] = shared >= least
    return kept if kept.sum() <= TIES * most else shared > least


def _skipped(kinds: NDArray[np.int8], sizes: Numbers, cap: int, names: Sequence[str]) -> tuple[Skipped, ...]:
    over = sizes > cap
    found = []
    for number, name in enumerate(names):
        large = sizes[over & (kinds == number)]
        if len(large):
            found.append(Skipped(name, len(large), int(large.sum()), int(large.max())))
    return tuple(found)
