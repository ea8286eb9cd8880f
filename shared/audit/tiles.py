"""The Merkle tree of RFC 9162 stored as tiles (C2SP tlog-tiles, height 8), so that a proof reads a handful of rows.

The tile (level, number) holds the hashes of up to 256 neighbouring complete subtrees of 256**level leaves. Only the
rightmost tile of a level is partial, and tiles only ever grow: the tree of any earlier size is in the present tiles,
as the first hashes of each. The caller reads and writes the tiles; every function here calls `read` at most once. Pure.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from hashlib import sha256
from typing import NamedTuple

from shared.audit.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    Range,
    check_hashes,
    consistency_ranges,
    inclusion_ranges,
    node_hash,
)

HEIGHT = 8
WIDTH = 1 << HEIGHT
TILE_BYTES = WIDTH * HASH_BYTES

# The level, 0 for the leaf hashes, and the number in it from the left.
Tile = tuple[int, int]
# Gives the tiles asked for; may give others too. One that it leaves out is missing.
TileRead = Callable[[Sequence[Tile]], Mapping[Tile, bytes]]


class BadTile(Exception):
    """A tile is missing or has another length than the size of the tree says. Fate: stop; the tiles were damaged or
    are not of this tree, and an operator has to compare them with the records."""


class _Slice(NamedTuple):
    """Some neighbouring hashes of a tile: start <= place < stop."""

    tile: Tile
    start: int
    stop: int


def edge(size: int) -> list[Tile]:
    """The partial tiles of a tree, at most one a level: what `grow` and `root` need of it."""
    counts = enumerate(_counts(size))
    return [(level, count // WIDTH) for level, count in counts if count % WIDTH]


def grow(size: int, edge_tiles: Mapping[Tile, bytes], leaf_hashes: Sequence[bytes]) -> dict[Tile, bytes]:
    """The tiles that change when leaves are appended to a tree of this size, each in full.

    `edge_tiles` has the tiles of `edge(size)` and may have earlier ones. The next edge is in the two together.
    Raises BadTile when an edge tile is not as long as the size says, as when the tree has grown meanwhile.
    """
    check_hashes(leaf_hashes)
    changed: dict[Tile, bytes] = {}
    level, grown = 0, b"".join(leaf_hashes)
    while grown:
        number, held = divmod(size >> HEIGHT * level, WIDTH)
        data = _partial(edge_tiles, (level, number), held) + grown
        tiles = [data[at : at + TILE_BYTES] for at in range(0, len(data), TILE_BYTES)]
        changed.update(((level, number + at), tile) for at, tile in enumerate(tiles))
        grown = b"".join([_fold(tile) for tile in tiles if len(tile) == TILE_BYTES])
        level += 1
    return changed


def root(size: int, read: TileRead) -> bytes:
    """The root hash of the tree's first `size` leaves. For the present size it reads the tiles of `edge` alone.

    Raises BadTile, ValueError for a negative size.
    """
    return _roots([(0, _checked(size))], read)[0] if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read: TileRead) -> list[bytes]:
    """The inclusion path of a leaf in the tree's first `size` leaves. Raises BadTile, ValueError as
    merkle.inclusion_ranges."""
    return _roots(inclusion_ranges(index, size), read)


def consistency_proof(old_size: int, new_size: int, read: TileRead) -> list[bytes]:
    """The consistency path from the tree's first `old_size` to its first `new_size` leaves. Raises BadTile, ValueError
    as merkle.consistency_ranges."""
    return _roots(consistency_ranges(old_size, new_size), read)


def leaf_hashes(first: int, last: int, read: TileRead) -> list[bytes]:
    """The hashes of the leaves first <= index < last. Raises BadTile, ValueError unless 0 <= first <= last."""
    if not 0 <= first <= last:
        raise ValueError(f"no leaves from {first} to {last}: give 0 <= first <= last")
    if first == last:
        return []
    slices = []
    for begin in range(first - first % WIDTH, last, WIDTH):
        start, stop = max(first - begin, 0), min(last - begin, WIDTH)
        slices.append(_Slice((0, begin // WIDTH), start, stop))
    hashes = b"".join(_read(slices, read))
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def _roots(ranges: Sequence[Range], read: TileRead) -> list[bytes]:
    """The roots of subtrees, each of which begins where a subtree of its height does."""
    parts = [list(_complete(first, last)) for first, last in ranges]
    hashes = iter(_read([part for each in parts for part in each], read))
    return [_joined([_fold(next(hashes)) for _ in each]) for each in parts]


def _complete(first: int, last: int) -> Iterator[_Slice]:
    """The complete subtrees that a subtree is made of, from the left and so the largest first."""
    while first < last:
        height = (last - first).bit_length() - 1
        level, rest = divmod(height, HEIGHT)
        number, start = divmod(first >> HEIGHT * level, WIDTH)
        yield _Slice((level, number), start, start + (1 << rest))
        first += 1 << height


def _joined(roots: Sequence[bytes]) -> bytes:
    return reduce(lambda right, left: node_hash(left, right), reversed(roots))


def _fold(hashes: bytes) -> bytes:
    """The root over neighbouring hashes, whose number is a power of two. This is where the time goes."""
    while len(hashes) > HASH_BYTES:
        nodes = range(0, len(hashes), 2 * HASH_BYTES)
        hashes = b"".join([sha256(b"\x01" + hashes[at : at + 2 * HASH_BYTES]).digest() for at in nodes])
    return hashes


def _read(slices: Sequence[_Slice], read: TileRead) -> list[bytes]:
    wanted = sorted({part.tile for part in slices})
    tiles = read(wanted) if wanted else {}
    return [_cut(tiles, part) for part in slices]


def _cut(tiles: Mapping[Tile, bytes], part: _Slice) -> bytes:
    tile = tiles.get(part.tile, b"")
    end = part.stop * HASH_BYTES
    if len(tile) < end:
        raise BadTile(f"tile {part.tile} has {len(tile)} bytes, and {end} are needed")
    return tile[part.start * HASH_BYTES : end]


def _partial(tiles: Mapping[Tile, bytes], tile: Tile, held: int) -> bytes:
    data = tiles.get(tile, b"")
    if len(data) != held * HASH_BYTES:
        raise BadTile(f"tile {tile} has {len(data)} bytes, and {held * HASH_BYTES} at this size of the tree")
    return data


def _counts(size: int) -> Iterator[int]:
    """The number of hashes at each level."""
    count = _checked(size)
    while count:
        yield count
        count >>= HEIGHT


def _checked(size: int) -> int:
    if size < 0:
        raise ValueError(f"a tree has no size of {size}")
    return size
