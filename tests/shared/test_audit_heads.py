"""The map of heads: what a customer's bucket proves, and what it cannot be made to prove."""

import random
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.audit.heads import (
    BUCKETS,
    EMPTY_BUCKET,
    BadBucket,
    Head,
    HeadTree,
    bucket_of,
    pack,
    unpack,
    verify,
)
from shared.audit.merkle import leaf_hash, root


def digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


CUSTOMERS = {digest(f"customer {number}"): Head(number, digest(f"leaf {number}")) for number in range(1, 300)}
NEIGHBOUR = (b"\x00\x07" + bytes(30), Head(3, digest("neighbour")))
COMPANION = (b"\x00\x07" + bytes(29) + b"\x01", Head(2**40, digest("companion")))
BUCKET = pack(dict([COMPANION, NEIGHBOUR]))


def tree_of(heads: dict[bytes, Head]) -> HeadTree:
    buckets: dict[int, dict[bytes, Head]] = {}
    for key, head in heads.items():
        buckets.setdefault(bucket_of(key), {})[key] = head
    return HeadTree({bucket: leaf_hash(pack(inside)) for bucket, inside in buckets.items()})


TREE = tree_of({**CUSTOMERS, **dict([COMPANION, NEIGHBOUR])})


def test_the_bytes_of_a_bucket_are_its_entries_in_the_order_of_their_keys() -> None:
    neighbour = bytes.fromhex("0007" + "00" * 30 + "0000000000000003") + digest("neighbour")
    companion = bytes.fromhex("0007" + "00" * 29 + "01" + "0000010000000000") + digest("companion")

    assert neighbour + companion == BUCKET


def test_the_root_is_that_of_the_audit_tree_over_all_buckets() -> None:
    hashes = [EMPTY_BUCKET] * BUCKETS
    assert HeadTree().root == root(hashes)

    hashes[0], hashes[BUCKETS - 1] = digest("first"), digest("last")
    assert HeadTree({0: hashes[0], BUCKETS - 1: hashes[-1]}).root == root(hashes)


def test_the_root_does_not_tell_in_which_order_buckets_changed() -> None:
    changes = [(number * 977 % BUCKETS, digest(str(number))) for number in range(500)]
    at_once, one_by_one = HeadTree(dict(changes)), HeadTree()
    random.Random(1).shuffle(changes)
    for bucket, bucket_hash in changes:
        one_by_one.update({bucket: bucket_hash})

    assert at_once.root == one_by_one.root
    one_by_one.update(dict.fromkeys(dict(changes), EMPTY_BUCKET))
    assert one_by_one.root == HeadTree().root


def test_a_bucket_proves_the_head_of_each_customer_in_it() -> None:
    siblings = TREE.siblings(7)

    for key, head in (NEIGHBOUR, COMPANION):
        assert verify(TREE.root, key, BUCKET, siblings) == head


def test_a_bucket_proves_that_a_customer_is_absent() -> None:
    assert verify(TREE.root, b"\x00\x07" + digest("nobody")[2:], BUCKET, TREE.siblings(7)) is None

    absent = b"\x00\x08" + digest("nobody")[2:]
    assert verify(TREE.root, absent, b"", TREE.siblings(8)) is None


def test_every_customer_is_found_and_none_can_be_left_out() -> None:
    for key, head in CUSTOMERS.items():
        siblings = TREE.siblings(bucket_of(key))
        assert verify(TREE.root, key, pack({key: head}), siblings) == head
        with pytest.raises(BadBucket):
            verify(TREE.root, key, b"", siblings)


@given(st.data())
def test_a_flipped_bit_anywhere_in_a_proof_is_refused(data: st.DataObject) -> None:
    key = NEIGHBOUR[0]
    pieces = [TREE.root, key[:2], BUCKET, *TREE.siblings(7)]
    at = data.draw(st.integers(0, len(pieces) - 1))
    altered = bytearray(pieces[at])
    altered[data.draw(st.integers(0, len(altered) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    pieces[at] = bytes(altered)
    root_, prefix, packed, *siblings = pieces

    with pytest.raises(BadBucket):
        verify(root_, prefix + key[2:], packed, siblings)


@pytest.mark.parametrize("siblings", [[], TREE.siblings(7)[:-1], [*TREE.siblings(7), bytes(32)], TREE.siblings(6)])
def test_the_wrong_siblings_prove_nothing(siblings: list[bytes]) -> None:
    with pytest.raises(BadBucket):
        verify(TREE.root, NEIGHBOUR[0], BUCKET, siblings)


@pytest.mark.parametrize("key", [b"", NEIGHBOUR[0][:-1], NEIGHBOUR[0] + b"\x00"])
def test_what_is_no_key_is_refused(key: bytes) -> None:
    with pytest.raises(BadBucket):
        verify(TREE.root, key, BUCKET, TREE.siblings(7))


@given(st.dictionaries(st.binary(min_size=30, max_size=30), st.integers(1, 2**63 - 1), max_size=5))
def test_an_unpacked_bucket_packs_to_the_same_bytes(counts: dict[bytes, int]) -> None:
    heads = {b"\x01\x02" + key: Head(count, digest(str(count))) for key, count in counts.items()}

    assert unpack(pack(heads)) == heads


ONE, TWO = BUCKET[:72], BUCKET[72:]


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (BUCKET[:-1], "cut"),
        (TWO + ONE, "sorted"),
        (ONE + ONE, "twice"),
        (ONE + b"\x01" + TWO[1:], "more than one bucket"),
        (ONE[:32] + bytes(8) + ONE[40:], "without records"),
    ],
)
def test_a_bucket_that_was_not_packed_by_us_is_refused_even_under_a_signed_root(packed: bytes, reason: str) -> None:
    tree = HeadTree({7: leaf_hash(packed)})

    with pytest.raises(BadBucket, match=reason):
        verify(tree.root, NEIGHBOUR[0], packed, tree.siblings(7))


def test_the_entries_of_another_bucket_are_refused_even_under_a_signed_root() -> None:
    foreign = pack({b"\x00\x08" + bytes(30): Head(1, digest("foreign"))})
    tree = HeadTree({7: leaf_hash(foreign)})

    with pytest.raises(BadBucket, match="another one"):
        verify(tree.root, NEIGHBOUR[0], foreign, tree.siblings(7))


@pytest.mark.parametrize("hashes", [{-1: bytes(32)}, {BUCKETS: bytes(32)}, {0: bytes(31)}, {0: bytes(32), 1: b""}])
def test_a_refused_update_changes_nothing(hashes: dict[int, bytes]) -> None:
    tree = HeadTree({5: digest("five")})
    before = tree.root

    with pytest.raises(ValueError, match=r"bucket|hash"):
        tree.update(hashes)
    tree.update({})

    assert tree.root == before == HeadTree({5: digest("five")}).root
