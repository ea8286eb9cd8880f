from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.audit import merkle, tiles
from shared.audit.tiles import WIDTH, BadTile, Tile, grow

LEAVES = [merkle.leaf_hash(b"record %d" % index) for index in range(70_000)]
EDGES = [255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_792, 69_999, 70_000]


@dataclass
class Rows:
    """A table of tiles that notes what is read."""

    tiles: dict[Tile, bytes] = field(default_factory=dict, repr=False)
    reads: list[list[Tile]] = field(default_factory=list, repr=False)

    def read(self, wanted: Sequence[Tile]) -> Mapping[Tile, bytes]:
        self.reads.append(list(wanted))
        return {tile: self.tiles[tile] for tile in wanted if tile in self.tiles}

    def grow(self, size: int, new: Sequence[bytes]) -> dict[Tile, bytes]:
        changed = grow(size, {tile: self.tiles[tile] for tile in tiles.edge(size)}, new)
        self.tiles.update(changed)
        return changed


def grown(*sizes: int) -> Rows:
    """A tree that grew to each size in turn."""
    rows = Rows()
    for old, new in pairwise((0, *sizes)):
        rows.grow(old, LEAVES[old:new])
    return rows


@pytest.fixture(scope="module")
def small() -> Rows:
    return grown(*range(601))


@pytest.fixture(scope="module")
def large() -> Rows:
    return grown(1000, 65_000, 70_000)


def test_every_tree_of_the_past_has_its_root_in_the_present_tiles(small: Rows) -> None:
    for size in range(601):
        assert tiles.root(size, small.read) == merkle.root(LEAVES[:size])


def test_every_tree_of_the_past_proves_its_leaves_from_the_present_tiles(small: Rows) -> None:
    for size in range(1, 601):
        for index in {0, size // 2, size - 1}:
            path = tiles.inclusion_proof(index, size, small.read)
            assert merkle.verify_inclusion(index, size, LEAVES[index], path, tiles.root(size, small.read))


def test_every_two_trees_of_the_past_are_proven_consistent_from_the_present_tiles(small: Rows) -> None:
    roots = [tiles.root(size, small.read) for size in range(601)]
    for new in range(601):
        for old in {0, 1, new // 3, max(new - 1, 0), new} & set(range(new + 1)):
            path = tiles.consistency_proof(old, new, small.read)
            assert merkle.verify_consistency(old, new, roots[old], roots[new], path)


@pytest.mark.parametrize("size", [*range(1, 20), 255, 256, 257, 300, 511, 512, 513, 600])
def test_proofs_are_those_of_the_list(small: Rows, size: int) -> None:
    for at in {0, size // 3, size // 2, size - 1}:
        assert tiles.inclusion_proof(at, size, small.read) == merkle.inclusion_path(LEAVES[:size], at)
        assert tiles.consistency_proof(at, size, small.read) == merkle.consistency_path(LEAVES[:size], at)


@pytest.mark.parametrize("size", EDGES)
def test_roots_of_large_trees_are_those_of_the_list(large: Rows, size: int) -> None:
    assert tiles.root(size, large.read) == merkle.root(LEAVES[:size])


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_large_trees_prove_every_leaf_and_every_past(large: Rows, data: st.DataObject) -> None:
    size = data.draw(st.sampled_from(EDGES) | st.integers(1, len(LEAVES)))
    at = data.draw(st.integers(0, size - 1))
    top = tiles.root(size, large.read)

    inclusion = tiles.inclusion_proof(at, size, large.read)
    consistency = tiles.consistency_proof(at, size, large.read)

    assert merkle.verify_inclusion(at, size, LEAVES[at], inclusion, top)
    assert merkle.verify_consistency(at, size, tiles.root(at, large.read), top, consistency)


@given(st.lists(st.integers(0, 700), max_size=8))
@settings(max_examples=60, deadline=None)
def test_the_tiles_do_not_tell_in_which_steps_the_tree_grew(steps: list[int]) -> None:
    sizes = [sum(steps[: at + 1]) for at in range(len(steps))]

    assert grown(*sizes).tiles == grown(sum(steps)).tiles


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 600, 65_536, 65_537, 70_000])
def test_tiles_are_those_of_the_specification(size: int) -> None:
    found = grown(size).tiles
    expected = {}
    level = 0
    while count := size // WIDTH**level:
        width = WIDTH**level
        nodes = [merkle.root(LEAVES[at * width : (at + 1) * width]) for at in range(count)]
        for number in range(-(-count // WIDTH)):
            expected[level, number] = b"".join(nodes[number * WIDTH : (number + 1) * WIDTH])
        level += 1

    assert found == expected


def test_only_tiles_that_change_are_written_and_they_only_grow() -> None:
    rows = Rows()
    for old, new in pairwise([0, 1, 255, 256, 256, 257, 700, 65_535, 65_536, 66_000]):
        before = dict(rows.tiles)
        for tile, content in rows.grow(old, LEAVES[old:new]).items():
            assert content.startswith(before.get(tile, b""))
            assert content != before.get(tile)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000])
def test_the_edge_is_enough_for_the_root(size: int) -> None:
    rows = grown(size)
    present = {tile: rows.tiles[tile] for tile in tiles.edge(size)}

    assert all(0 < len(tile) < tiles.TILE_BYTES for tile in present.values())
    assert tiles.root(size, lambda _: present) == merkle.root(LEAVES[:size])


def test_a_proof_is_one_read_of_few_tiles(large: Rows) -> None:
    large.reads.clear()
    for at in range(0, 70_000, 1237):
        tiles.inclusion_proof(at, 70_000, large.read)
        tiles.consistency_proof(at + 1, 70_000, large.read)

    levels = 3
    assert len(large.reads) == 2 * len(range(0, 70_000, 1237))
    assert all(len(wanted) == len(set(wanted)) <= 2 * levels for wanted in large.reads)


def test_what_needs_no_tile_reads_none() -> None:
    rows = Rows()

    assert tiles.root(0, rows.read) == merkle.EMPTY_ROOT
    assert tiles.inclusion_proof(0, 1, rows.read) == []
    assert tiles.consistency_proof(0, 9, rows.read) == []
    assert tiles.consistency_proof(9, 9, rows.read) == []
    assert tiles.leaf_hashes(7, 7, rows.read) == []
    assert rows.reads == []


@given(st.integers(0, 600), st.integers(0, 600))
def test_leaf_hashes_are_given_back_in_one_read(small: Rows, one: int, other: int) -> None:
    first, last = sorted((one, other))
    small.reads.clear()

    assert tiles.leaf_hashes(first, last, small.read) == LEAVES[first:last]
    assert len(small.reads) == (first < last)


def test_a_missing_or_short_tile_is_told() -> None:
    rows = grown(600)
    proofs = (
        lambda: tiles.root(600, rows.read),
        lambda: tiles.inclusion_proof(3, 600, rows.read),
        lambda: tiles.consistency_proof(3, 600, rows.read),
        lambda: tiles.leaf_hashes(512, 600, rows.read),
    )
    rows.tiles[0, 2] = rows.tiles[0, 2][:-1]
    for prove in proofs:
        with pytest.raises(BadTile, match=r"tile \(0, 2\) has 2815 bytes"):
            prove()
    del rows.tiles[0, 2]
    for prove in proofs:
        with pytest.raises(BadTile, match=r"tile \(0, 2\) has 0 bytes"):
            prove()


def test_a_tree_beyond_the_tiles_has_no_root() -> None:
    rows = grown(600)

    for size in (601, 700, 1024, 65_536):
        with pytest.raises(BadTile):
            tiles.root(size, rows.read)


@pytest.mark.parametrize("content", [b"", b"\0" * 32, b"\0" * 32 * 45, b"\0" * (32 * 44 - 1)], ids=len)
def test_a_tree_does_not_grow_from_an_edge_of_another_size(content: bytes) -> None:
    rows = grown(300)

    with pytest.raises(BadTile, match=r"tile \(0, 1\)"):
        grow(300, rows.tiles | {(0, 1): content}, LEAVES[300:301])
    with pytest.raises(BadTile, match=r"tile \(0, 1\)"):
        grow(256, rows.tiles, LEAVES[256:257])


def test_a_tree_grows_by_hashes_alone() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        grow(0, {}, [LEAVES[0], LEAVES[1][:-1]])


def test_places_outside_the_tree_are_refused() -> None:
    rows = grown(3)
    for ask in (
        lambda: tiles.root(-1, rows.read),
        lambda: tiles.edge(-1),
        lambda: tiles.inclusion_proof(3, 3, rows.read),
        lambda: tiles.inclusion_proof(-1, 3, rows.read),
        lambda: tiles.consistency_proof(4, 3, rows.read),
        lambda: tiles.leaf_hashes(2, 1, rows.read),
        lambda: tiles.leaf_hashes(-1, 1, rows.read),
    ):
        with pytest.raises(ValueError, match=r"-1|3|2"):
            ask()
