"""A log inspected from its raw rows: signatures, positions, leaves, roots and the map of heads, up to a checkpoint.

Nothing that was stored beside the rows is believed but what a signature of the given keys vouches for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from shared.audit import tiles
from shared.audit.checkpoint import BadCheckpoint, Checkpoint
from shared.audit.note import BadNote, Verifier, VerifierKey
from shared.audit.recount import Broken, Raw, Recount, cut
from shared.audit.tiles import BadTile, Tile


class History(Protocol):
    """A log and its tree at one instant. Reading raises Unavailable (retry)."""

    @property
    def note(self) -> bytes:
        """The newest checkpoint, signed."""
        ...

    def notes(self, after: int) -> Iterable[tuple[int, bytes]]:
        """(size, signed checkpoint) of all sizes above `after`, rising, the newest included."""
        ...

    def raw(self, after: int, last: int) -> Iterable[Sequence[tuple[int, bytes]]]:
        """(position, stored bytes) of after < position <= last, in order, in batches."""
        ...

    def tiles(self, wanted: Sequence[Tile]) -> Mapping[Tile, bytes]:
        """Those of the tiles that there are."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an inspection found. `first` and `last` are the positions around the first fault, 0 without one.

    ok           nothing was altered since it was signed
    size         so many records were inspected and are as promised
    checkpoints  so many signed checkpoints were compared
    cosigned     whether witnesses that were given vouch for the newest one; None if none was given
    """

    origin: str
    size: int
    checkpoints: int = 0
    cosigned: bool | None = None
    reason: str = ""
    first: int = 0
    last: int = 0

    @property
    def ok(self) -> bool:
        return not self.reason


class Inspection:
    """Follows one log: each `advance` goes on where the last one ended, in memory of its own."""

    def __init__(self, keys: Collection[VerifierKey], witnesses: Collection[VerifierKey] = ()) -> None:
        """`keys` are those of this log, of all its origins: their names."""
        self._keys = Verifier(keys)
        self._witnesses = Verifier(witnesses) if witnesses else None
        self._origin = ""
        self._recount = Recount()
        self._checkpoints = 0

    def advance(self, history: History, since: bytes | None = None) -> Verdict:
        """Up to the newest checkpoint. `since` is an older one that was kept elsewhere and has to be of this history.

        Raises Unavailable (retry).
        """
        try:
            newest = self._opened(history.note)
            self._origin = newest.origin
            kept = [] if since is None else [self._opened(since)]
            seen = max((self._recount.size, *(checkpoint.size for checkpoint in kept)))
            if newest.size < seen:
                raise _rolled_back(newest.size, seen)
            self._read(history, [*kept, newest])
            self._recount.check_heads(newest)
        except Broken as broken:
            return self._verdict(str(broken), broken.first, broken.last)
        except (BadNote, BadCheckpoint, BadTile) as bad:
            return self._verdict(str(bad), self._recount.size + 1, self._recount.size + 1)
        return self._verdict(cosigned=self._cosigned(history.note))

    def _opened(self, signed: bytes) -> Checkpoint:
        opened = self._keys.open(signed)
        checkpoint = Checkpoint.parse(opened.text)
        if checkpoint.origin not in {key.name for key in opened.by}:
            raise BadCheckpoint(f"a checkpoint of {checkpoint.origin} is signed by another log's key")
        return checkpoint

    def _read(self, history: History, kept: Sequence[Checkpoint]) -> None:
        """The records up to the last of the checkpoints kept, all of which they must lead to, and those stored too."""
        promised = defaultdict[int, set[Checkpoint]](set)
        for checkpoint in kept:
            promised[checkpoint.size].add(checkpoint)
        for size, note in history.notes(self._recount.size):
            promised[size].add(self._opened(note))
        sizes, end = sorted(promised), kept[-1].size
        rows = (Raw(*row) for row in chain.from_iterable(history.raw(self._recount.size, end)))
        for part in cut(rows, sizes):
            before = self._recount.size
            self._recount.take(part, tiles.leaf_hashes(before, before + len(part), history.tiles))
            self._compare(promised.get(self._recount.size, ()))
        if self._recount.size < end:
            first = self._recount.size + 1
            behind = sizes[bisect_right(sizes, self._recount.size)]
            reason = f"the records from position {first} on are gone; the checkpoint of size {behind} has them"
            raise Broken(first, end, reason)
        if not end:
            self._compare(kept)

    def _compare(self, promised: Collection[Checkpoint]) -> None:
        if promised:
            self._recount.check_root(*promised)
            self._checkpoints += len(promised)

    def _cosigned(self, signed: bytes) -> bool | None:
        if self._witnesses is None:
            return None
        try:
            self._witnesses.open(signed)
        except BadNote:
            return False
        return True

    def _verdict(self, reason: str = "", first: int = 0, last: int = 0, *, cosigned: bool | None = None) -> Verdict:
        return Verdict(self._origin, self._recount.size, self._checkpoints, cosigned, reason, first, last)


def _rolled_back(size: int, seen: int) -> Broken:
    return Broken(
        size + 1, seen, f"the log was rolled back: its newest checkpoint has size {size}, and {seen} was seen"
    )
