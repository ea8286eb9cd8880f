"""The Merkle tree of RFC 9162, section 2.1, over a list of leaf hashes: its root, its proofs and their verification.

A tree of n > 1 leaves splits at the largest power of two below n; no node is ever doubled. Hashes are SHA-256,
32 bytes; leaves are counted from 0. Pure.
"""

from collections.abc import Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256().digest()

# The leaves first <= index < last of a subtree.
Range = tuple[int, int]


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of the node over two subtrees. Raises ValueError unless both are hashes."""
    check_hashes((left, right))
    return sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """The root hash of the tree; EMPTY_ROOT of no leaves. Raises ValueError for what is no hash."""
    check_hashes(leaf_hashes)
    level = list(leaf_hashes)
    # A node without a sibling rises as it is: that is the same as splitting at powers of two.
    while len(level) > 1:
        pairs = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = pairs + level[2 * len(pairs) :]
    return level[0] if level else EMPTY_ROOT


def inclusion_path(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """The proof that the leaf at the index is in the tree (PATH of section 2.1.3.1). Raises ValueError if there is none
    at the index."""
    return _roots(leaf_hashes, inclusion_ranges(index, len(leaf_hashes)))


def consistency_path(leaf_hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """The proof that the tree began with the tree of its first old_size leaves (PROOF of section 2.1.4.1).

    Empty for old_size 0, which the RFC leaves open: every tree began with the empty one. Raises ValueError for a size
    beyond the tree.
    """
    return _roots(leaf_hashes, consistency_ranges(old_size, len(leaf_hashes)))


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The subtrees whose roots are the inclusion path, in its order. Raises ValueError unless 0 <= index < size."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf at index {index}")
    first, last = 0, size
    ranges = []
    while last - first > 1:
        middle = _middle(first, last)
        if index < middle:
            ranges.append((middle, last))
            last = middle
        else:
            ranges.append((first, middle))
            first = middle
    return ranges[::-1]


def consistency_ranges(old_size: int, new_size: int) -> list[Range]:
    """The subtrees whose roots are the consistency path, in its order. Raises ValueError unless
    0 <= old_size <= new_size."""
    if not 0 <= old_size <= new_size:
        raise ValueError(f"a tree of {new_size} leaves never had {old_size}")
    if old_size == 0:
        return []
    first, last = 0, new_size
    ranges = []
    while last > old_size:
        middle = _middle(first, last)
        if old_size <= middle:
            ranges.append((middle, last))
            last = middle
        else:
            ranges.append((first, middle))
            first = middle
    # From 0 on it is the old tree itself, whose root the verifier has.
    return [*([(first, last)] if first else []), *ranges[::-1]]


def verify_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the path proves that the leaf hash is at the index of the tree with this size and root (2.1.3.2).

    Size and root have to come from a checkpoint that is believed. False for everything malformed; never raises.
    """
    if not 0 <= index < size or not _are_hashes((leaf, root, *path)):
        return False
    ends = _climb(index, size - 1, leaf, path)
    return ends is not None and ends[1] == root


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the path proves that the new tree began with the old one (2.1.4.2).

    Trees of one size are consistent if they are the same, and the empty tree with every tree; both with no path. False
    for everything malformed; never raises.
    """
    if not 0 <= old_size <= new_size or not _are_hashes((old_root, new_root, *path)):
        return False
    if old_size == new_size:
        return not path and old_root == new_root and (new_size > 0 or new_root == EMPTY_ROOT)
    if old_size == 0:
        return not path and old_root == EMPTY_ROOT
    if not path:
        return False
    # The climb begins at the largest subtree that ends where the old tree does.
    height = (old_size & -old_size).bit_length() - 1
    start, *rest = path if old_size != 1 << height else (old_root, *path)
    return _climb(old_size - 1 >> height, new_size - 1 >> height, start, rest) == (old_root, new_root)


def check_hashes(hashes: Sequence[bytes]) -> None:
    """Raises ValueError unless each is as long as a hash."""
    if not _are_hashes(hashes):
        raise ValueError(f"every hash of the tree has {HASH_BYTES} bytes; one of {len(hashes)} given has not")


def _roots(leaf_hashes: Sequence[bytes], ranges: Sequence[Range]) -> list[bytes]:
    check_hashes(leaf_hashes)
    return [root(leaf_hashes[first:last]) for first, last in ranges]


def _climb(index: int, last: int, start: bytes, path: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """From a node of a level whose last node is at `last` up to the root: the hash of the nodes up to ours alone, and
    of all. None if the path has another length than the way."""
    before = whole = start
    for sibling in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            before, whole = node_hash(sibling, before), node_hash(sibling, whole)
            # A node without a sibling rises as it is.
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            whole = node_hash(whole, sibling)
        index, last = index >> 1, last >> 1
    return (before, whole) if last == 0 else None


def _middle(first: int, last: int) -> int:
    return first + (1 << (last - first - 1).bit_length() - 1)


def _are_hashes(hashes: Sequence[bytes]) -> bool:
    return all(len(each) == HASH_BYTES for each in hashes)
