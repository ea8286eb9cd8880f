from collections.abc import Iterator
from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree, InvalidProof
from pymerkle import verify_inclusion as peer_verifies

from shared.audit import merkle
from shared.audit.merkle import (
    EMPTY_ROOT,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

DATA = [b"record %d" % index for index in range(260)]
LEAVES = [leaf_hash(data) for data in DATA]
OTHER = sha256(b"no hash of the tree").digest()
SIZES = [*range(1, 36), 63, 64, 65, 100, 127, 128, 129, 200, 255, 256, 257]

Path = list[bytes]


def split(size: int) -> int:
    """The largest power of two below."""
    k = 1
    while 2 * k < size:
        k *= 2
    return k


@cache
def rfc_root(first: int, last: int) -> bytes:
    """MTH(D[first:last]), in the words of section 2.1.1."""
    if last - first == 0:
        return sha256(b"").digest()
    if last - first == 1:
        return sha256(b"\x00" + DATA[first]).digest()
    middle = first + split(last - first)
    return sha256(b"\x01" + rfc_root(first, middle) + rfc_root(middle, last)).digest()


def rfc_path(index: int, first: int, last: int) -> Path:
    """PATH(index, D[first:last]), in the words of section 2.1.3.1; the index counts from `first`."""
    if last - first == 1:
        return []
    k = split(last - first)
    if index < k:
        return [*rfc_path(index, first, first + k), rfc_root(first + k, last)]
    return [*rfc_path(index - k, first + k, last), rfc_root(first, first + k)]


def rfc_subproof(old_size: int, first: int, last: int, *, known: bool) -> Path:
    """SUBPROOF(old_size, D[first:last], known), in the words of section 2.1.4.1."""
    if old_size == last - first:
        return [] if known else [rfc_root(first, last)]
    k = split(last - first)
    if old_size <= k:
        return [*rfc_subproof(old_size, first, first + k, known=known), rfc_root(first + k, last)]
    return [*rfc_subproof(old_size - k, first + k, last, known=False), rfc_root(first, first + k)]


def broken_paths(path: Path, *ends: bytes) -> Iterator[tuple[str, Path]]:
    for name, extra in (
        ("nothing", b""),
        ("a short hash", OTHER[:-1]),
        ("a long hash", OTHER + b"\0"),
        ("other", OTHER),
    ):
        yield f"{name} at the end", [*path, extra]
        yield f"{name} at the front", [extra, *path]
    for end in ends:
        yield "a root or leaf at the end", [*path, end]
        yield "a root or leaf at the front", [end, *path]
    if path:
        yield "no path", []
        yield "without its last", path[:-1]
        yield "without its first", path[1:]
        yield "its first twice", [path[0], *path]
        yield "its last twice", [*path, path[-1]]
        yield "one inserted", [path[0], OTHER, *path[1:]]
    if len(path) > 1:
        yield "backwards", path[::-1]
    for at, each in enumerate(path):
        yield f"a bit of {at}", [*path[:at], bytes([each[0] ^ 8]) + each[1:], *path[at + 1 :]]
        yield f"a byte less of {at}", [*path[:at], each[:-1], *path[at + 1 :]]
        yield f"nothing at {at}", [*path[:at], b"", *path[at + 1 :]]
        if at:
            yield f"{at} swapped", [*path[: at - 1], each, path[at - 1], *path[at + 1 :]]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert root([]) == EMPTY_ROOT == sha256(b"").digest()


def test_roots_never_change() -> None:
    assert root(LEAVES[:7]).hex() == "6650979f6c878aad85f380ec89c9e2a7af10d2a64aa96a8918aa7f507b20f98e"
    assert root(LEAVES).hex() == "0646479560ded7fcfce1608b72d3f400dbb04b6141aad6657d6ba4cca4fd9484"


def test_no_node_is_doubled() -> None:
    assert root(LEAVES[:3]) == node_hash(node_hash(LEAVES[0], LEAVES[1]), LEAVES[2])
    assert root(LEAVES[:3]) != root([*LEAVES[:3], LEAVES[2]])


def test_a_leaf_never_passes_for_a_node() -> None:
    left, right = LEAVES[:2]

    assert leaf_hash(left + right) != node_hash(left, right)
    assert leaf_hash(b"\x01" + left + right) != node_hash(left, right)


@pytest.mark.parametrize("size", SIZES)
def test_roots_and_paths_are_those_of_the_rfc(size: int) -> None:
    leaves = LEAVES[:size]

    assert root(leaves) == rfc_root(0, size)
    for at in range(size):
        assert inclusion_path(leaves, at) == rfc_path(at, 0, size)
        assert consistency_path(leaves, at + 1) == rfc_subproof(at + 1, 0, size, known=True)


def test_another_implementation_has_the_same_roots_and_inclusion_paths() -> None:
    peer = InmemoryTree(algorithm="sha256")
    peer.append_entries(DATA)

    for size in range(len(DATA) + 1):
        assert root(LEAVES[:size]) == peer.get_root(size)
    for size in SIZES:
        for index in {0, size // 3, size // 2, size - 1}:
            own, of_peer = inclusion_path(LEAVES[:size], index), peer.prove_inclusion(index + 1, size)
            assert of_peer.path == [LEAVES[index], *own]
            assert verify_inclusion(index, size, LEAVES[index], of_peer.path[1:], peer.get_root(size))


@given(st.data())
def test_another_implementation_judges_inclusion_alike(data: st.DataObject) -> None:
    peer = InmemoryTree(algorithm="sha256")
    size = data.draw(st.integers(1, 40))
    peer.append_entries(DATA[:size])
    index, said = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
    proof = peer.prove_inclusion(index + 1, size)
    own = inclusion_path(LEAVES[:size], index)
    own[:1] = data.draw(st.sampled_from([own[:1], own[:1], [OTHER], [LEAVES[0]], [b""], []]))
    proof.path = [LEAVES[index], *own]

    try:
        peer_verifies(LEAVES[index], peer.get_root(), proof, index=said + 1, size=size)
    except InvalidProof:
        holds = False
    else:
        holds = True

    assert verify_inclusion(said, size, LEAVES[index], own, root(LEAVES[:size])) == holds


@pytest.mark.parametrize("size", SIZES)
def test_every_leaf_is_proven(size: int) -> None:
    top = root(LEAVES[:size])

    for index in range(size):
        assert verify_inclusion(index, size, LEAVES[index], inclusion_path(LEAVES[:size], index), top)


@pytest.mark.parametrize("size", SIZES)
def test_every_earlier_tree_is_proven(size: int) -> None:
    top = root(LEAVES[:size])

    for old in range(size + 1):
        path = consistency_path(LEAVES[:size], old)
        assert verify_consistency(old, size, root(LEAVES[:old]), top, path)


@pytest.mark.parametrize("size", SIZES)
def test_a_broken_inclusion_is_refused(size: int) -> None:
    top = root(LEAVES[:size])
    for index in {*range(min(size, 9)), size // 2, size - 1}:
        leaf, path = LEAVES[index], inclusion_path(LEAVES[:size], index)
        for wrong in (index - 1, index + 1, index ^ 2, -1, size, index + (1 << 64)):
            assert not verify_inclusion(wrong, size, leaf, path, top), (index, wrong)
        for wrong in (size * 2, size // 2, 0, -1, -size, size + (1 << 64)):
            assert not verify_inclusion(index, wrong, leaf, path, top), (index, wrong)
        for end in (OTHER, EMPTY_ROOT, b"", b"WrongLeaf", leaf[:-1], leaf + b"\0", top[::-1]):
            assert not verify_inclusion(index, size, end, path, top)
            assert not verify_inclusion(index, size, leaf, path, end)
        assert size == 1 or not verify_inclusion(index, size, top, path, leaf)
        for name, broken in broken_paths(path, leaf, top):
            assert not verify_inclusion(index, size, leaf, broken, top), (index, name)


@pytest.mark.parametrize("size", [2, 3, 4, 5, 7, 8, 9, 16, 21])
def test_no_node_within_the_tree_passes_for_a_leaf(size: int) -> None:
    top = root(LEAVES[:size])
    for index in range(size):
        path, node = inclusion_path(LEAVES[:size], index), LEAVES[index]
        for used, (first, _) in enumerate(merkle.inclusion_ranges(index, size)):
            node = node_hash(path[used], node) if first < index else node_hash(node, path[used])
            assert not verify_inclusion(index, size, node, path[used + 1 :], top)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 0), (1, 1), (2, 1), (-1, 0), (-1, 1), (0, -1)])
@pytest.mark.parametrize("leaf", [OTHER, b"", EMPTY_ROOT], ids=["other", "no", "empty"])
@pytest.mark.parametrize("top", [OTHER, b"", EMPTY_ROOT], ids=["other", "no", "empty"])
def test_a_place_outside_the_tree_is_never_proven(index: int, size: int, leaf: bytes, top: bytes) -> None:
    assert not verify_inclusion(index, size, leaf, [], top)


def test_in_a_tree_of_one_the_leaf_is_the_root_if_it_is_a_hash() -> None:
    assert verify_inclusion(0, 1, OTHER, [], OTHER)
    for leaf, top in [(OTHER, b""), (b"", OTHER), (b"", b""), (OTHER[:31], OTHER[:31]), (OTHER, EMPTY_ROOT)]:
        assert not verify_inclusion(0, 1, leaf, [], top)


def test_a_path_does_not_prove_the_size() -> None:
    path, top = inclusion_path(LEAVES[:5], 0), root(LEAVES[:5])

    assert verify_inclusion(0, 6, LEAVES[0], path, top), "the RFC's proof is of the root: the size is the checkpoint's"


@pytest.mark.parametrize("size", [*range(2, 18), 31, 32, 33, 100, 129])
def test_a_broken_consistency_is_refused(size: int) -> None:
    new = root(LEAVES[:size])
    for old_size in {*range(1, min(size, 17)), size // 2, size - 1}:
        old, path = root(LEAVES[:old_size]), consistency_path(LEAVES[:size], old_size)
        for wrong in {old_size - 1, old_size + 1, old_size ^ 2, 0, -1, size, size + 1}:
            assert not verify_consistency(wrong, size, old, new, path), (old_size, wrong)
        for wrong in {size * 2, size // 2, old_size, old_size - 1, 0, -1}:
            assert not verify_consistency(old_size, wrong, old, new, path), (old_size, wrong)
        for end in (OTHER, EMPTY_ROOT, b"", b"WrongRoot", old[:-1], old + b"\0", old[::-1]):
            assert not verify_consistency(old_size, size, end, new, path)
            assert not verify_consistency(old_size, size, old, end, path)
        assert not verify_consistency(old_size, size, new, old, path)
        assert not verify_consistency(old_size, size, old, old, path)
        assert not verify_consistency(old_size, size, new, new, path)
        for name, broken in broken_paths(path, old, new):
            assert not verify_consistency(old_size, size, old, new, broken), (old_size, name)


@pytest.mark.parametrize("changed", [0, 3, 5])
def test_a_tree_with_another_past_is_never_consistent(changed: int) -> None:
    forged = [*LEAVES[:changed], OTHER, *LEAVES[changed + 1 : 13]]

    for old in range(changed + 1, 14):
        assert not verify_consistency(old, 13, root(LEAVES[:old]), root(forged), consistency_path(forged, old))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 8])
def test_a_tree_is_consistent_with_itself_alone_at_its_size(size: int) -> None:
    top = root(LEAVES[:size])

    assert consistency_path(LEAVES[:size], size) == []
    assert verify_consistency(size, size, top, top, [])
    assert not verify_consistency(size, size, top, OTHER, [])
    assert not verify_consistency(size, size, OTHER, top, [])
    assert not verify_consistency(size, size, top, top, [top])
    assert not verify_consistency(size, size, b"", b"", [])


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_every_tree_began_with_the_empty_one(size: int) -> None:
    top = root(LEAVES[:size])

    assert consistency_path(LEAVES[:size], 0) == []
    assert verify_consistency(0, size, EMPTY_ROOT, top, [])
    assert not verify_consistency(0, size, EMPTY_ROOT, top, [EMPTY_ROOT])
    assert not verify_consistency(0, size, OTHER, top, [])
    assert not verify_consistency(0, size, b"", top, [])
    assert not verify_consistency(0, size, EMPTY_ROOT, b"", [])
    assert not verify_consistency(size, 0, top, EMPTY_ROOT, [])
    assert not verify_consistency(size, 0, EMPTY_ROOT, EMPTY_ROOT, [])


def test_an_empty_tree_has_no_other_root() -> None:
    assert not verify_consistency(0, 0, OTHER, OTHER, [])


@pytest.mark.parametrize("bad", [b"", OTHER[:31], OTHER + b"\0"], ids=["empty", "short", "long"])
def test_only_hashes_make_a_tree(bad: bytes) -> None:
    for make in (
        lambda: root([bad]),
        lambda: root([OTHER, bad, OTHER]),
        lambda: node_hash(bad, OTHER),
        lambda: node_hash(OTHER, bad),
        lambda: inclusion_path([OTHER, bad], 0),
        lambda: consistency_path([OTHER, bad, OTHER], 2),
    ):
        with pytest.raises(ValueError, match="32 bytes"):
            make()


def test_there_is_no_proof_of_what_is_not_in_the_tree() -> None:
    for index in (-1, 3, 4):
        with pytest.raises(ValueError, match="no leaf at index"):
            inclusion_path(LEAVES[:3], index)
    for size in (-1, 4):
        with pytest.raises(ValueError, match="never had"):
            consistency_path(LEAVES[:3], size)
