"""What the next records of a log add to its tree and to its map of heads. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from shared.audit import tiles
from shared.audit.heads import COUNT_BYTES, Head, bucket_of
from shared.audit.leaf import Link, leaves
from shared.audit.merkle import HASH_BYTES, leaf_hash
from shared.audit.tiles import Tile

_COUNT_END = HASH_BYTES + COUNT_BYTES
_ENTRY_BYTES = _COUNT_END + HASH_BYTES


class Growth(NamedTuple):
    """What changes: the tree's size and root, whole tiles, the ends of chains, the hashes of their buckets."""

    size: int
    root: bytes
    tiles: Mapping[Tile, bytes]
    heads: Mapping[bytes, Head]
    buckets: Mapping[int, bytes]


def touched(links: Iterable[Link]) -> set[int]:
    """The buckets of the records' chains: `grow` needs what is in them."""
    return {bucket_of(each.key) for each in links}


def grow(size: int, edge_tiles: Mapping[Tile, bytes], buckets: Mapping[int, bytes], links: Sequence[Link]) -> Growth:
    """Adds records to a tree of this size. `buckets` has the touched buckets, packed; an empty one may be missing.

    Buckets are believed: compare their hashes before. Raises BadTile, as tiles.grow.
    """
    entries = {number: _entries(packed) for number, packed in buckets.items()}
    before = {key: entry for key in {each.key for each in links} if (entry := entries.get(bucket_of(key), {}).get(key))}
    made = leaves(links, {key: _head(entry) for key, entry in before.items()})
    heads = {leaf.key: Head(leaf.count, leaf.hash) for leaf in made}
    changed = defaultdict[int, dict[bytes, bytes]](dict, entries)
    for key, head in heads.items():
        changed[bucket_of(key)][key] = key + head.count.to_bytes(COUNT_BYTES) + head.leaf
    grown = tiles.grow(size, edge_tiles, [leaf.hash for leaf in made])
    new_size = size + len(made)
    return Growth(
        new_size,
        tiles.root(new_size, lambda _: {**edge_tiles, **grown}),
        grown,
        heads,
        {number: leaf_hash(_packed(bucket)) for number, bucket in changed.items()},
    )


def _entries(packed: bytes) -> dict[bytes, bytes]:
    """The entries of a bucket by their keys, not taken apart: most of them stay as they are."""
    starts = range(0, len(packed), _ENTRY_BYTES)
    return {packed[at : at + HASH_BYTES]: packed[at : at + _ENTRY_BYTES] for at in starts}


def _packed(entries: Mapping[bytes, bytes]) -> bytes:
    return b"".join([entries[key] for key in sorted(entries)])


def _head(entry: bytes) -> Head:
    return Head(int.from_bytes(entry[HASH_BYTES:_COUNT_END]), entry[_COUNT_END:])
