"""The map of heads: for every chain of a log how many records it has and the leaf hash of the last one.

It makes completeness provable: whoever knows a checkpoint's map root learns from one bucket and 16 hashes how many
records a customer has, or that there is none. The keys fall into 2^16 buckets by their first two bytes; the map is the
tree of RFC 9162 over the leaf hashes of all buckets, empty ones included. Pure.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

import msgspec

from shared.audit.merkle import HASH_BYTES, check_hashes, leaf_hash, node_hash, verify_inclusion

DEPTH = 16
BUCKETS = 1 << DEPTH
EMPTY_BUCKET = leaf_hash(b"")
COUNT_BYTES = 8
_ENTRY_BYTES = HASH_BYTES + COUNT_BYTES + HASH_BYTES


class BadBucket(ValueError):
    """Bytes are no bucket, or not the one that a map root promises. Fate: the proof is refused; as stored data: stop,
    the map was altered and has to be built anew from the log."""


class Head(msgspec.Struct, frozen=True, gc=False):
    """The end of a chain: how many records it has, and the leaf hash of the last one."""

    count: int
    leaf: bytes


def bucket_of(key: bytes) -> int:
    """The bucket, 0 to 65535, of a chain's key (a SHA-256)."""
    return int.from_bytes(key[:2])


def pack(heads: Mapping[bytes, Head]) -> bytes:
    """The bytes of a bucket, as they are stored, hashed and proved: sorted by key, each key(32) count(8, big endian)
    leaf(32). The hash of a bucket is the leaf hash of these bytes."""
    return b"".join(key + heads[key].count.to_bytes(COUNT_BYTES) + heads[key].leaf for key in sorted(heads))


def unpack(packed: bytes) -> dict[bytes, Head]:
    """The heads in a bucket. Raises BadBucket unless `pack` could have made the bytes for one bucket."""
    if len(packed) % _ENTRY_BYTES:
        raise BadBucket(f"a bucket of {len(packed)} bytes is cut: its entries have {_ENTRY_BYTES} bytes each")
    heads = {}
    last = b""
    for start in range(0, len(packed), _ENTRY_BYTES):
        key = packed[start : start + HASH_BYTES]
        if key <= last:
            raise BadBucket("the entries of a bucket are not sorted by key, or one is there twice")
        end = start + HASH_BYTES + COUNT_BYTES
        heads[key] = Head(int.from_bytes(packed[start + HASH_BYTES : end]), packed[end : start + _ENTRY_BYTES])
        last = key
    if heads and bucket_of(packed) != bucket_of(last):
        raise BadBucket("the entries of a bucket belong to more than one bucket")
    if not all(head.count for head in heads.values()):
        raise BadBucket("a bucket has the head of a chain without records")
    return heads


def verify(root: bytes, key: bytes, packed: bytes, siblings: Sequence[bytes]) -> Head | None:
    """The head that a map with this root has for the key, None if it has none: both are proved.

    `packed` is the whole bucket of the key, `siblings` the 16 hashes of `HeadTree.siblings`. Raises BadBucket if they
    prove nothing.
    """
    bucket = bucket_of(key)
    if len(key) != HASH_BYTES or not verify_inclusion(bucket, BUCKETS, leaf_hash(packed), siblings, root):
        raise BadBucket(f"the map root does not promise these entries for bucket {bucket}")
    heads = unpack(packed)
    if heads and bucket_of(packed) != bucket:
        raise BadBucket(f"the entries for bucket {bucket} belong to another one")
    return heads.get(key)


class HeadTree:
    """The tree over the hashes of all buckets, in 4 MiB of memory. Not thread-safe."""

    def __init__(self, hashes: Mapping[int, bytes] | None = None) -> None:
        """The tree of an empty map, or of one whose buckets have these hashes; those left out are empty."""
        levels = [EMPTY_BUCKET]
        for _ in range(DEPTH):
            levels.append(node_hash(levels[-1], levels[-1]))
        # A heap: node 1 is the root, the children of n are 2n and 2n + 1, the buckets are the last 2^16 nodes.
        filled = (level * (1 << depth) for depth, level in enumerate(reversed(levels)))
        self._nodes = bytearray(b"".join((bytes(HASH_BYTES), *filled)))
        self.update(hashes or {})

    @property
    def root(self) -> bytes:
        return self._node(1)

    def update(self, hashes: Mapping[int, bytes]) -> None:
        """Gives buckets their new hashes; each node above them is hashed once. Raises ValueError, with nothing changed,
        for what is no bucket or no hash."""
        check_hashes([*hashes.values()])
        if not all(0 <= bucket < BUCKETS for bucket in hashes):
            raise ValueError(f"a bucket is a number from 0 to {BUCKETS - 1}")
        nodes = self._nodes
        for bucket, bucket_hash in hashes.items():
            start = (BUCKETS + bucket) * HASH_BYTES
            nodes[start : start + HASH_BYTES] = bucket_hash
        changed = {BUCKETS + bucket for bucket in hashes}
        for _ in range(DEPTH):
            changed = {node >> 1 for node in changed}
            for node in changed:
                start = node * HASH_BYTES
                children = nodes[2 * start : 2 * start + 2 * HASH_BYTES]
                nodes[start : start + HASH_BYTES] = sha256(b"\x01" + children).digest()

    def bucket(self, number: int) -> bytes:
        """The hash of a bucket."""
        return self._node(BUCKETS + number)

    def siblings(self, bucket: int) -> list[bytes]:
        """The proof that a bucket is under the root: 16 hashes, from the bucket's neighbour upwards."""
        node = BUCKETS + bucket
        return [self._node((node >> height) ^ 1) for height in range(DEPTH)]

    def _node(self, node: int) -> bytes:
        return bytes(self._nodes[node * HASH_BYTES : (node + 1) * HASH_BYTES])
