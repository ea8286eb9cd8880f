"""Tree, map of heads and checkpoints of one log, grown in its own PostgreSQL database.

A pass is one transaction: at every commit the tables belong together, and nothing is ever rebuilt. What a pass builds
on is compared with what was signed; where it does not fit, nothing is signed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import psycopg

from shared.audit import tables, tiles
from shared.audit.checkpoint import BadCheckpoint, Checkpoint
from shared.audit.growth import grow, touched
from shared.audit.heads import EMPTY_BUCKET, HeadTree
from shared.audit.leaf import Link, NotARecord, link
from shared.audit.merkle import EMPTY_ROOT, leaf_hash, verify_consistency
from shared.audit.note import BadNote, Note, Verifier, VerifierKey
from shared.audit.signer import Signer
from shared.audit.tiles import BadTile, Tile

PASS_RECORDS = 20_000
PASS_BYTES = 16 * 1024 * 1024
_PORTION = 1000
_NOTHING = -1

Kind = Literal["cut", "hole", "not_a_record", "state", "rolled_back"]


class Discrepancy(Exception):
    """The log, or what is stored beside it, is not what was signed. Fate: held; nothing more is signed until an
    operator has put back what belongs there."""

    def __init__(self, kind: Kind, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


class Signed(NamedTuple):
    """A checkpoint and its note. `more` says that the log went on behind it."""

    checkpoint: Checkpoint
    note: bytes
    more: bool = False


class _Base(NamedTuple):
    """What a pass builds on: tree and map at the newest checkpoint. `signed` is None before the first one."""

    signed: Signed | None
    checkpoint: Checkpoint
    edge: Mapping[Tile, bytes]
    map: HeadTree


class Store:
    """One per process and log. Several processes may grow one log's tree: they take turns, pass by pass.

    Every method blocks, and raises psycopg.Error (retry) when PostgreSQL is away.
    """

    def __init__(
        self, url: str, log: str, *, origin: str, signers: Sequence[Signer], verifiers: Sequence[VerifierKey]
    ) -> None:
        """`verifiers` are the keys that may have signed what is stored, under earlier origins too."""
        self.log = log
        self._origin = origin
        self._signers = signers
        self._verifier = Verifier(verifiers)
        self._passes = _Connection(url, f"audit {log}")
        self._questions = _Connection(url, f"audit {log}")
        self._known: Checkpoint | None = None
        self._map: tuple[int, HeadTree] | None = None

    def open(self) -> None:
        """Makes missing tables."""
        with self._passes.transaction() as cursor:
            cursor.execute(tables.LOCK)
            tables.create(cursor)

    def close(self) -> None:
        self._passes.close()
        self._questions.close()

    def advance(self, limit: int = PASS_RECORDS) -> Signed:
        """Adds the next records, at most `limit`, and signs; gives the newest checkpoint if there are none.

        Raises Discrepancy (held), with nothing written.
        """
        try:
            with self._passes.transaction() as cursor:
                cursor.execute(tables.LOCK)
                base = self._base(cursor)
                links, more = _next(cursor, base.checkpoint.size, limit)
                signed = base.signed
                if links or signed is None or signed.checkpoint.origin != self._origin:
                    signed = self._grow(cursor, base, links)
        except BadTile as error:
            raise Discrepancy("state", f"the stored tree was altered: {error}") from None
        self._known = signed.checkpoint
        self._map = signed.checkpoint.size, base.map
        return signed._replace(more=more)

    def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """The proof that the tree of the new size began with that of the old one. Raises BadTile, ValueError."""
        with self._questions.transaction() as cursor:
            return tiles.consistency_proof(old_size, new_size, lambda wanted: tables.tiles(cursor, wanted))

    def cosign(self, note: bytes) -> None:
        """Keeps the signatures that the note of a checkpoint has got; nothing happens if that was replaced."""
        cosigned = Note.parse(note)
        with self._questions.transaction() as cursor:
            size = Checkpoint.parse(cosigned.text).size
            stored = tables.note_to_replace(cursor, size)
            before = Note.parse(stored) if stored else None
            if before is None or before.text != cosigned.text:
                return
            known = {each[:2] for each in before.signatures}
            more = [each for each in cosigned.signatures if each[:2] not in known]
            if more:
                tables.replace_note(cursor, size, before.signed(*more).encode())

    def size(self) -> int:
        """The size of the newest checkpoint, 0 before the first."""
        with self._questions.transaction() as cursor:
            newest = tables.newest(cursor)
            return newest[0] if newest else 0

    def _base(self, cursor: tables.Rows) -> _Base:
        """Raises Discrepancy unless tree and map are what the newest checkpoint signs, and go on from the one that
        this process knows."""
        stored = tables.newest(cursor)
        signed = None if stored is None else Signed(self._opened(*stored), stored[1])
        size = signed.checkpoint.size if signed else 0
        root, heads = (signed.checkpoint.root, signed.checkpoint.heads) if signed else (EMPTY_ROOT, HeadTree().root)
        checkpoint = Checkpoint(self._origin, size, root, heads)
        if self._known is not None:
            _check_growth(cursor, self._known, checkpoint)
        edge = tables.tiles(cursor, tiles.edge(size))
        if tiles.root(size, lambda _: edge) != root:
            raise Discrepancy("state", f"the stored tree is not the one signed at size {size}")
        return _Base(signed, checkpoint, edge, self._heads(cursor, checkpoint))

    def _heads(self, cursor: tables.Rows, checkpoint: Checkpoint) -> HeadTree:
        # It comes back when the pass is committed. One that failed leaves it half changed: then it is loaded anew.
        known, self._map = self._map, None
        size, tree = known or (_NOTHING, HeadTree())
        try:
            if size != checkpoint.size:
                tree.update(tables.bucket_hashes(cursor, size, checkpoint.size))
        except ValueError as error:
            raise Discrepancy("state", f"the stored hashes of the map of heads were altered: {error}") from None
        if tree.root != checkpoint.heads:
            raise Discrepancy("state", f"the stored map of heads is not the one signed at size {checkpoint.size}")
        return tree

    def _grow(self, cursor: tables.Rows, base: _Base, links: Sequence[Link]) -> Signed:
        wanted = touched(links)
        packed = tables.buckets(cursor, sorted(wanted))
        for number in wanted:
            stored = leaf_hash(packed[number]) if number in packed else EMPTY_BUCKET
            if stored != base.map.bucket(number):
                raise Discrepancy("state", f"the stored heads of bucket {number} are not those that were signed")
        growth = grow(base.checkpoint.size, base.edge, packed, links)
        base.map.update(growth.buckets)
        checkpoint = Checkpoint(self._origin, growth.size, growth.root, base.map.root)
        note = Note(checkpoint.text, tuple(signer.sign(checkpoint.text) for signer in self._signers)).encode()
        if links:
            tables.put_tiles(cursor, growth.tiles)
            tables.put_heads(cursor, growth.heads)
            tables.put_bucket_hashes(cursor, growth.buckets, growth.size)
        tables.put_note(cursor, growth.size, note)
        return Signed(checkpoint, note)

    def _opened(self, size: int, note: bytes) -> Checkpoint:
        try:
            checkpoint = Checkpoint.parse(self._verifier.open(note).text)
        except (BadNote, BadCheckpoint) as error:
            raise Discrepancy("state", f"the checkpoint that is stored for size {size} is not ours: {error}") from None
        if checkpoint.size != size:
            raise Discrepancy("state", f"a checkpoint of size {checkpoint.size} is stored for size {size}")
        return checkpoint


class _Connection:
    """A connection that is made when it is needed, and anew after it failed; one transaction at a time."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._lock = threading.Lock()
        self._open: psycopg.Connection[tuple[Any, ...]] | None = None

    @contextmanager
    def transaction(self) -> Iterator[tables.Rows]:
        with self._lock:
            if self._open is None:
                self._open = tables.connect(self._url, self._name)
            try:
                with self._open.transaction(), self._open.cursor(binary=True) as cursor:
                    yield cursor
            except psycopg.Error:
                self._close()
                raise

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def _next(cursor: tables.Rows, size: int, limit: int) -> tuple[list[Link], bool]:
    """The records after the tree's, and whether there may be more of them.

    Raises Discrepancy unless they follow on the last one of the tree without a hole.
    """
    links: list[Link] = []
    expected, last, taken = max(size, 1), size + limit, 0
    while True:
        rows = tables.records(cursor, expected, last, _PORTION)
        for position, stored in rows:
            if position != expected:
                raise _missing(expected, position)
            if position > size:
                links.append(_link(position, stored))
                taken += len(stored)
            expected += 1
        if expected <= size:
            raise _missing(size, tables.head(cursor))
        if len(rows) < _PORTION:
            return links, len(links) == limit
        if taken > PASS_BYTES:
            return links, True


def _missing(expected: int, found: int) -> Discrepancy:
    if found < expected:
        return Discrepancy("cut", f"the log ends at position {found}, and was signed up to {expected}")
    return Discrepancy("hole", f"there is no record at position {expected}, and the log goes on at {found}")


def _link(position: int, stored: bytes) -> Link:
    try:
        return link(position, stored)
    except NotARecord as error:
        raise Discrepancy("not_a_record", str(error)) from None


def _check_growth(cursor: tables.Rows, known: Checkpoint, stored: Checkpoint) -> None:
    if stored.size < known.size:
        said = f"the newest stored checkpoint has size {stored.size}, and {known.size} were signed"
        raise Discrepancy("rolled_back", said)
    proof = tiles.consistency_proof(known.size, stored.size, lambda wanted: tables.tiles(cursor, wanted))
    if not verify_consistency(known.size, stored.size, known.root, stored.root, proof):
        said = f"the stored tree of size {stored.size} does not go on from the one signed at size {known.size}"
        raise Discrepancy("rolled_back", said)
