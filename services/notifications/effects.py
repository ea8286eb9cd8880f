"""What consumed events do here: reminders planned and cancelled, memberships kept. One batch, one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from services.notifications import causes, store
from services.notifications.rules.permission import SAYING, words
from services.notifications.rules.planning import REACTIONS, react
from services.notifications.rules.timer import Book
from shared.clock import Clock
from shared.consumer import Unappliable
from shared.errors import CustlogError
from shared.eventlog.commit import Commit
from shared.eventlog.log import Transaction
from shared.eventlog.mapper import Record
from shared.events.customer import CustomerErased, CustomerRegistered, CustomerRestored
from shared.events.envelope import Recorded
from shared.events.identity import Linked, Separated
from shared.privacy.sealing import DataKey

Tally: TypeAlias = Counter[tuple[str, str]]
"""(event type, kind of reminder) -> how many were written."""

MEMBERSHIPS = frozenset({Linked.TYPE, Separated.TYPE})


def concerns(record: Record) -> bool:
    """Whether a record may lead to anything here, told by its type alone: the others are never opened."""
    if record.type == CustomerRegistered.TYPE:
        return any("birth_date" in part.fields for part in record.sealed.values())
    return record.type in REACTIONS or record.type in MEMBERSHIPS or record.type in SAYING


def subjects(record: Record) -> set[str]:
    """Whose keys are asked for: of the sealed parts, and of a customer for whom something may be sealed anew."""
    return {*record.sealed, record.customer} if record.type == CustomerRestored.TYPE else {*record.sealed}


@dataclass(frozen=True, slots=True)
class Effects:
    """Applies consumed events."""

    clock: Clock
    zone: str

    def take(self, tx: Transaction, events: Sequence[Recorded], keys: Mapping[str, DataKey]) -> Tally:
        """The effects of events, in their order, inside a transaction that holds the log's lock. Blocks.

        Raises Unappliable for the first one that cannot be applied; what was written must then be undone.
        """
        store.save_moves(tx.cursor, _moves(events))
        store.save_words(tx.cursor, words(events))
        reacting = [
            event
            for event in events
            if event.type in REACTIONS and (event.type != CustomerRestored.TYPE or event.customer in keys)
        ]
        tally = self._plan(tx, reacting)
        for event in events:
            if isinstance(event.data, CustomerErased):
                store.purge(tx.cursor, event.customer)
        return tally

    def _plan(self, tx: Transaction, events: Sequence[Recorded]) -> Tally:
        tally: Tally = Counter()
        if not events:
            return tally
        book = Book(store.timers_of(tx.cursor, {event.customer for event in events}), self.clock.now())
        for group in _groups(self._commits(book, events)):
            answers = tx.append([commit for _, commit in group])
            for (event, commit), answer in zip(group, answers, strict=True):
                if isinstance(answer, CustlogError):
                    raise _refused(event, answer)
                tally.update((news.TYPE, "birthday") for append in commit.appends for news in append.events)
        store.save_timers(tx.cursor, book.changed.values())
        return tally

    def _commits(self, book: Book, events: Iterable[Recorded]) -> Iterator[tuple[Recorded, Commit]]:
        for event in events:
            try:
                changes = react(book, self.zone, event)
            except CustlogError as error:
                raise _refused(event, error) from error
            if changes:
                yield event, causes.commit(causes.following("birthday", event), *changes)


def _refused(event: Recorded, error: CustlogError) -> Unappliable:
    return Unappliable(event, f"its reminders were refused: {type(error).__name__}")


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


def _groups(commits: Iterable[tuple[Recorded, Commit]]) -> Iterator[list[tuple[Recorded, Commit]]]:
    """Commits in as few groups as their order allows: one statement cannot write the same stream twice."""
    group: list[tuple[Recorded, Commit]] = []
    streams: set[str] = set()
    for event, commit in commits:
        touched = {append.stream for append in commit.appends}
        if not streams.isdisjoint(touched):
            yield group
            group, streams = [], set()
        group.append((event, commit))
        streams |= touched
    if group:
        yield group
