"""A log and its audit trail at one instant, read in one transaction: what proofs and inspections are made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from typing import TypeVar

import psycopg

from shared.audit import tables
from shared.audit.checkpoint import Checkpoint
from shared.audit.heads import BadBucket, HeadTree
from shared.audit.note import Note, VerifierKey
from shared.audit.tiles import Tile
from shared.errors import Unavailable
from shared.ids import is_uuid

R = TypeVar("R")

COSIGNED_SECONDS = 2.0
_ASK_SECONDS = 0.02
_PORTION = 1000
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class NotSigned(Exception):
    """The log has no checkpoint yet: its service has not run since audit keys were given to it. Fate: try later."""


class Snapshot:
    """Made by `snapshot`, of no use after it.

    Its methods block, and raise Unavailable (retry) when PostgreSQL is away. What they give is not verified.
    """

    def __init__(self, cursor: tables.Rows, log: str, note: bytes) -> None:
        self._cursor = cursor
        self._log = log
        self.note = note
        self.checkpoint = Checkpoint.parse(Note.parse(note).text)

    def tiles(self, wanted: Sequence[Tile]) -> Mapping[Tile, bytes]:
        """Those of the tiles that there are."""
        return self._ask(lambda: tables.tiles(self._cursor, wanted))

    def buckets(self, numbers: Sequence[int]) -> Mapping[int, bytes]:
        """What is in these buckets, packed; b"" for an empty one."""
        found = self._ask(lambda: tables.buckets(self._cursor, numbers))
        return {number: found.get(number, b"") for number in numbers}

    def siblings(self, numbers: Sequence[int]) -> Mapping[int, list[bytes]]:
        """The proofs that these buckets are under the map root. Raises BadBucket (stop) if the stored map has another
        root than the checkpoint."""
        return {number: self._map.siblings(number) for number in numbers}

    def records(self, chains: Sequence[str]) -> list[tuple[int, bytes]]:
        """(position, stored bytes) of all records of these chains, by position: a chain is a customer, or a stream of
        records without a customer."""
        customers = [chain for chain in chains if is_uuid(chain)]
        found = self._ask(lambda: tables.records_of(self._cursor, customers, list(chains), self.checkpoint.size))
        return sorted(found)

    def note_at(self, size: int) -> bytes | None:
        """The note of the checkpoint of a size, None if there was none."""
        return self._ask(lambda: tables.note_at(self._cursor, size))

    def notes(self, after: int) -> list[tuple[int, bytes]]:
        """(size, note) of all checkpoints of sizes above `after`, rising, the newest included."""
        return self._ask(lambda: tables.notes(self._cursor, after))

    def raw(self, after: int, last: int) -> Iterator[Sequence[tuple[int, bytes]]]:
        """(position, stored bytes) of after < position <= last, by position, in batches."""
        while rows := self._ask(lambda: tables.records(self._cursor, after + 1, last, _PORTION)):  # noqa: B023 - at once
            yield rows
            after = rows[-1][0]

    def unsigned(self) -> tuple[int, bytes] | None:
        """Position and stored bytes of the first record behind the checkpoint, None if it has all."""
        after = self.checkpoint.size + 1
        return next(iter(self._ask(lambda: tables.records(self._cursor, after, after, 1))), None)

    @cached_property
    def _map(self) -> HeadTree:
        size = self.checkpoint.size
        try:
            tree = HeadTree(self._ask(lambda: tables.bucket_hashes(self._cursor, -1, size)))
        except ValueError as error:
            raise BadBucket(f"the stored hashes of the map of heads were altered: {error}") from None
        if tree.root != self.checkpoint.heads:
            raise BadBucket(f"the stored map of heads is not the one that was signed at size {size}")
        return tree

    def _ask(self, question: Callable[[], R]) -> R:
        with _answering(self._log):
            return question()


@contextmanager
def snapshot(
    url: str, log: str, *, witnesses: Sequence[VerifierKey] = (), seconds: float = COSIGNED_SECONDS
) -> Iterator[Snapshot]:
    """The log at its newest checkpoint, cosigned by one of these witnesses if that comes about within `seconds`.

    Raises Unavailable (retry), NotSigned (try later).
    """
    deadline = time.monotonic() + seconds
    with _answering(log):
        connection = tables.connect(url, f"audit snapshot {log}")
    # Closing it ends the transaction.
    with closing(connection), connection.cursor(binary=True) as cursor:
        while True:
            with _answering(log):
                cursor.execute(_BEGIN)
                note = _newest(cursor, log)
                if not witnesses or _is_cosigned(note, witnesses) or time.monotonic() > deadline:
                    break
                cursor.execute("ROLLBACK")
            time.sleep(_ASK_SECONDS)
        yield Snapshot(cursor, log, note)


def _newest(cursor: tables.Rows, log: str) -> bytes:
    try:
        newest = tables.newest(cursor)
    except psycopg.errors.UndefinedTable:
        newest = None
    if newest is None:
        raise NotSigned(f"the {log} log has no checkpoint yet: start its service with audit keys, then try again")
    return newest[1]


def _is_cosigned(note: bytes, witnesses: Sequence[VerifierKey]) -> bool:
    known = {(witness.name, witness.key_id) for witness in witnesses}
    return any(each[:2] in known for each in Note.parse(note).signatures)


@contextmanager
def _answering(log: str) -> Iterator[None]:
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise Unavailable(f"the database of the {log} log does not answer") from error
