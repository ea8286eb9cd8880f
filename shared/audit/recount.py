"""The tree and the map of heads computed anew from raw records, and compared with what was promised. Pure.

What was stored beside the records is believed in nothing: it only tells sooner where they differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from shared.audit import tiles
from shared.audit.checkpoint import Checkpoint
from shared.audit.heads import Head, HeadTree, bucket_of, pack
from shared.audit.leaf import NotARecord, leaves, link
from shared.audit.merkle import leaf_hash

AT_ONCE = 5_000


class Raw(NamedTuple):
    """A record as it is stored, at its position."""

    position: int
    stored: bytes


class Broken(Exception):
    """The records are not those that were promised. Fate: alarm; `first` to `last` are the positions of which one at
    least was altered, `first` alone where it is known exactly."""

    def __init__(self, first: int, last: int, reason: str) -> None:
        super().__init__(reason)
        self.first = first
        self.last = last


class Recount:
    """Takes the records of a log in their order, from the first one or from where a believed checkpoint ended."""

    def __init__(
        self,
        size: int = 0,
        edge: Mapping[tiles.Tile, bytes] | None = None,
        heads: Mapping[bytes, Head] | None = None,
    ) -> None:
        """`edge` are the partial tiles of the tree of this size, `heads` the chains' ends among its records."""
        self.size = size
        self.heads: dict[bytes, Head] = dict(heads or {})
        self._edge = dict(edge or {})
        self._believed = size

    def take(self, rows: Sequence[Raw], told: Sequence[bytes] | None = None) -> None:
        """Adds the next records; `told` are the leaf hashes that are stored for them. Raises Broken."""
        for position, row in enumerate(rows, start=self.size + 1):
            if row.position != position:
                raise _misplaced(position, row.position)
        try:
            made = leaves([link(row.position, row.stored) for row in rows], self.heads)
        except NotARecord as wrong:
            raise self._not_a_record(rows, wrong) from None
        for leaf, promised in zip(made, told or (), strict=False):
            if leaf.hash != promised:
                raise Broken(leaf.position, leaf.position, f"the record at position {leaf.position} was altered")
        self.heads.update((leaf.key, Head(leaf.count, leaf.hash)) for leaf in made)
        changed = tiles.grow(self.size, self._edge, [leaf.hash for leaf in made])
        self.size += len(made)
        self._edge = {tile: changed.get(tile) or self._edge[tile] for tile in tiles.edge(self.size)}

    def check_root(self, *promised: Checkpoint) -> None:
        """Compares with all checkpoints that there are of this very size. Raises Broken."""
        for each in promised:
            if each.size != self.size:
                raise ValueError(f"the checkpoint of size {each.size} is compared with {self.size} records")
            if tiles.root(self.size, lambda _: self._edge) != each.root:
                span = f"positions {self._believed + 1} to {self.size}" if self.size else "the empty log"
                raise Broken(
                    self._believed + 1,
                    self.size,
                    f"{span} are not the history that the checkpoint of size {each.size} signs",
                )
        # Only now: of two that differ, the one that fits makes nothing believable.
        self._believed = self.size

    def check_heads(self, promised: Checkpoint) -> None:
        """Compares the map of heads with the checkpoint's; only after records from the first one. Raises Broken."""
        if HeadTree(bucket_hashes(self.heads)).root != promised.heads:
            reason = f"the map of heads of the checkpoint of size {promised.size} is not that of its records"
            raise Broken(1, self.size, reason)

    def _not_a_record(self, rows: Sequence[Raw], wrong: NotARecord) -> Broken:
        for row in rows:
            try:
                link(row.position, row.stored)
            except NotARecord:
                return Broken(row.position, row.position, str(wrong))
        raise AssertionError("one of them is no record")


def bucket_hashes(heads: Mapping[bytes, Head]) -> dict[int, bytes]:
    """The hashes of the buckets that are not empty."""
    buckets: defaultdict[int, dict[bytes, Head]] = defaultdict(dict)
    for key, head in heads.items():
        buckets[bucket_of(key)][key] = head
    return {number: leaf_hash(pack(entries)) for number, entries in buckets.items()}


def cut(rows: Iterable[Raw], sizes: Sequence[int]) -> Iterator[list[Raw]]:
    """The rows in lists, each of which ends where one of the rising sizes does, or is as long as is good to work on."""
    ends = iter(sizes)
    end = next(ends, None)
    waiting: list[Raw] = []
    for row in rows:
        waiting.append(row)
        while end is not None and end < row.position:
            end = next(ends, None)
        if end == row.position or len(waiting) == AT_ONCE:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _misplaced(expected: int, found: int) -> Broken:
    if found > expected:
        last = found - 1
        what = f"the record at position {expected} is" if last == expected else f"records {expected} to {last} are"
        return Broken(expected, last, f"{what} missing")
    return Broken(found, found, f"a record stands at position {found}, where there is one already")
