"""An inspection of a log in memory: what an operator with all rights to the database may do to it is found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.audit import tiles
from shared.audit.checkpoint import Checkpoint
from shared.audit.inspection import Inspection
from shared.audit.note import Note
from shared.audit.recount import Raw, Recount
from shared.audit.signer import Cosigner, Signer
from shared.audit.tiles import Tile
from tests.shared.test_audit_recount import edited, hashes_of, map_of, rows

ORIGIN = "custlog/test/customer"
LOG = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32)))
WITNESS = Cosigner("witness.test", Ed25519PrivateKey.from_private_bytes(b"w" * 32))


@dataclass
class Books:
    """A log with its tree, as a sequencer keeps it."""

    records: list[Raw] = field(default_factory=list)
    signed: dict[int, bytes] = field(default_factory=dict)
    kept: dict[Tile, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, records: list[Raw], sizes: Sequence[int]) -> "Books":
        recount, kept, signed = Recount(), dict[Tile, bytes](), dict[int, bytes]()
        for size in sizes:
            before = recount.size
            kept.update(tiles.grow(before, kept, hashes_of(records[:size])[before:]))
            recount.take(records[before:size])
            text = Checkpoint(ORIGIN, size, tiles.root(size, lambda _: kept), map_of(recount)).text
            signed[size] = Note(text).signed(LOG.sign(text), WITNESS.sign(text, 1)).encode()
        return cls(list(records), signed, kept)

    @property
    def note(self) -> bytes:
        return self.signed[max(self.signed)]

    def notes(self, after: int) -> Iterable[tuple[int, bytes]]:
        return [(size, note) for size, note in sorted(self.signed.items()) if size > after]

    def raw(self, after: int, last: int) -> Iterable[Sequence[tuple[int, bytes]]]:
        return [[row for row in self.records if after < row.position <= last]]

    def tiles(self, wanted: Sequence[Tile]) -> Mapping[Tile, bytes]:
        return {tile: self.kept[tile] for tile in wanted if tile in self.kept}


def inspection() -> Inspection:
    return Inspection([LOG.key], [WITNESS.key])


def books(size: int = 700) -> Books:
    return Books.of(rows(size), [3, 256, 300, size])


def test_a_log_that_was_only_appended_to_passes_up_to_its_newest_checkpoint() -> None:
    verdict = inspection().advance(books())
    assert (verdict.ok, verdict.size, verdict.checkpoints, verdict.cosigned) == (True, 700, 4, True)


def test_an_inspection_goes_on_where_it_ended() -> None:
    following = inspection()
    assert following.advance(books(400)).ok
    grown = Books.of(rows(900), [3, 256, 300, 400, 900])
    verdict = following.advance(grown)
    assert (verdict.ok, verdict.size, verdict.checkpoints) == (True, 900, 5)


def test_an_empty_log_passes() -> None:
    assert inspection().advance(Books.of([], [0])).ok


def test_an_edited_row_is_found_though_all_else_was_left_as_it_was() -> None:
    altered = books()
    altered.records = edited(altered.records)
    verdict = inspection().advance(altered)
    assert (verdict.first, verdict.last) == (100, 100)


def test_an_edited_row_is_found_though_its_leaf_was_rewritten_too() -> None:
    altered = books()
    forged = Books.of(edited(altered.records), [3, 256, 300, 700])
    altered.records, altered.kept = forged.records, forged.kept
    verdict = inspection().advance(altered)
    assert (verdict.first, verdict.last) == (4, 256)


def test_cut_rows_are_found_while_a_checkpoint_has_them() -> None:
    altered = books()
    del altered.records[650:]
    verdict = inspection().advance(altered)
    assert (verdict.first, verdict.last, verdict.size) == (651, 700, 650)


def test_a_log_rolled_back_with_its_tree_is_found_by_a_checkpoint_kept_elsewhere() -> None:
    whole = books()
    back = Books.of(whole.records[:300], [3, 256, 300])
    assert inspection().advance(back).ok
    verdict = inspection().advance(back, since=whole.note)
    assert verdict.reason.startswith("the log was rolled back")
    assert (verdict.first, verdict.last) == (301, 700)


def test_another_history_of_the_same_size_is_found_by_a_checkpoint_kept_elsewhere() -> None:
    whole = books()
    forged = Books.of(edited(whole.records), [3, 256, 300, 700])
    assert inspection().advance(forged).ok
    verdict = inspection().advance(forged, since=whole.signed[256])
    assert (verdict.first, verdict.last) == (4, 256)


def test_a_checkpoint_that_nobody_signed_is_believed_in_nothing() -> None:
    altered = books()
    stranger = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"x" * 32))
    text = Note.parse(altered.note).text
    altered.signed[700] = Note(text).signed(stranger.sign(text)).encode()
    assert "no known key" in inspection().advance(altered).reason


def test_a_checkpoint_that_no_witness_saw_is_told() -> None:
    alone = books()
    text = Note.parse(alone.note).text
    alone.signed[700] = Note(text).signed(LOG.sign(text)).encode()
    verdict = inspection().advance(alone)
    assert (verdict.ok, verdict.cosigned) == (True, False)


@pytest.mark.parametrize("missing", [(0, 0), (1, 0)])
def test_a_missing_tile_is_told(missing: Tile) -> None:
    damaged = books()
    del damaged.kept[missing]
    verdict = inspection().advance(damaged)
    assert verdict.ok == (missing != (0, 0))  # only leaves are read; what is above them is computed anew
