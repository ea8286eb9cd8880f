"""What consumed events do here: reminders planned and cancelled, memberships kept. One batch, one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
from pydantic import ValidationError

from services.notifications import causes, store
from services.notifications.rules.planning import REACTIONS, react
from services.notifications.rules.timer import Book
from shared.clock import Clock
from shared.errors import CustlogError
from shared.eventlog.commit import Commit
from shared.eventlog.log import Log, Transaction
from shared.eventlog.mapper import Record, open_record, parse, subjects
from shared.events.catalogue import UnknownEvent
from shared.events.customer import CustomerRegistered, CustomerRestored
from shared.events.envelope import Recorded
from shared.events.identity import Linked, Separated
from shared.ids import is_uuid
from shared.privacy.sealing import BadSeal
from shared.streaming import Source

Tally: TypeAlias = Counter[tuple[str, str]]
"""(event type, kind of reminder) -> how many were written."""

MEMBERSHIPS = frozenset({Linked.TYPE, Separated.TYPE})


class Rejected(Exception):
    """A record that cannot be applied. Fate: parked with this reason, later records of its key behind it."""

    def __init__(self, source: Source, reason: str) -> None:
        super().__init__(reason)
        self.source = source
        self.reason = reason


class _Head(msgspec.Struct, frozen=True):
    type: str


_head = msgspec.json.Decoder(_Head)


@dataclass(frozen=True, slots=True)
class Effects:
    """Applies consumed records. What concerns nobody here is told by its type alone and never opened."""

    log: Log
    clock: Clock
    zone: str

    def take(self, tx: Transaction, sources: Sequence[Source]) -> Tally:
        """The effects of records, in their order, inside the transaction. Blocks.

        Raises Rejected for the first record that cannot be applied; the transaction must then not be committed.
        """
        concerning = [(source, record) for source in sources if (record := self._concerning(source)) is not None]
        if not concerning:
            return Counter()
        keys = self.log.keyring.fetch(_key_holders(record for _, record in concerning))
        events = []
        for source, record in concerning:
            try:
                events.append((source, open_record(record, keys, source.position)))
            except (UnknownEvent, ValidationError, BadSeal) as error:
                raise Rejected(source, f"it cannot be opened: {type(error).__name__}") from None
        store.save_moves(tx.cursor, _moves(event for _, event in events))
        restorable = keys.keys()
        return self._plan(
            tx,
            [
                (source, event)
                for source, event in events
                if event.type in REACTIONS and (event.type != CustomerRestored.TYPE or event.customer in restorable)
            ],
        )

    def _concerning(self, source: Source) -> Record | None:
        try:
            event_type = _head.decode(source.value).type
            if event_type not in REACTIONS and event_type not in MEMBERSHIPS:
                return None
            record = parse(source.value)
        except msgspec.MsgspecError as error:
            raise Rejected(source, f"it cannot be read: {type(error).__name__}") from None
        if not is_uuid(record.customer):
            raise Rejected(source, "its customer is not a UUID")
        if record.type == CustomerRegistered.TYPE and not any("birth_date" in p.fields for p in record.sealed.values()):
            return None
        return record

    def _plan(self, tx: Transaction, events: Sequence[tuple[Source, Recorded]]) -> Tally:
        tally: Tally = Counter()
        if not events:
            return tally
        tx.lock()
        book = Book(store.timers_of(tx.cursor, {event.customer for _, event in events}), self.clock.now())
        for group in _groups(self._commits(book, events)):
            answers = tx.append([commit for _, commit in group])
            for (source, commit), answer in zip(group, answers, strict=True):
                if isinstance(answer, CustlogError):
                    raise Rejected(source, f"its reminders were refused: {type(answer).__name__}")
                tally.update((news.TYPE, "birthday") for append in commit.appends for news in append.events)
        store.save_timers(tx.cursor, book.changed.values())
        return tally

    def _commits(self, book: Book, events: Iterable[tuple[Source, Recorded]]) -> Iterator[tuple[Source, Commit]]:
        for source, event in events:
            try:
                changes = react(book, self.zone, event)
            except CustlogError as error:
                raise Rejected(source, f"its reminders were refused: {type(error).__name__}") from None
            if changes:
                yield source, causes.commit(causes.following("birthday", event), *changes)


def _key_holders(records: Iterable[Record]) -> set[str]:
    """Whose keys are asked for: subjects of sealed parts, and customers for whom something may be sealed anew."""
    kept = list(records)
    return subjects(kept) | {record.customer for record in kept if record.type == CustomerRestored.TYPE}


def _moves(events: Iterable[Recorded]) -> dict[str, tuple[str, int]]:
    """Customer -> (identity, position): the highest position of the batch wins."""
    moves: dict[str, tuple[str, int]] = {}
    for event in events:
        if isinstance(event.data, Linked | Separated):
            position = event.position or 0
            for move in event.data.moves:
                if position >= moves.get(move.customer, ("", 0))[1]:
                    moves[move.customer] = (move.identity, position)
    return moves


def _groups(commits: Iterable[tuple[Source, Commit]]) -> Iterator[list[tuple[Source, Commit]]]:
    """Commits in as few groups as their order allows: one statement cannot write the same stream twice."""
    group: list[tuple[Source, Commit]] = []
    streams: set[str] = set()
    for source, commit in commits:
        touched = {append.stream for append in commit.appends}
        if not streams.isdisjoint(touched):
            yield group
            group, streams = [], set()
        group.append((source, commit))
        streams |= touched
    if group:
        yield group
