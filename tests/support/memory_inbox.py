"""The inbox without a server. tests/shared/test_inbox.py holds it to the promises of both real ones.

positions {(consumer, source): Stored}, parked {number: (consumer, ParkedRecord)}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from shared.inbox import Fenced, Inbox, ParkedRecord, Stored
from shared.streaming import Advance, Parked


class MemoryInbox(Inbox):
    """Positions and parked records of one consumer; a cursor is `Tables`."""

    def positions(self, cursor: Any, sources: Collection[str]) -> dict[str, Stored]:
        found = cursor["positions"]
        return {source: found[self._consumer, source] for source in sources if (self._consumer, source) in found}

    def advance(self, cursor: Any, moves: Mapping[str, Advance]) -> None:
        stored = self.positions(cursor, moves)
        stale = [name for name, move in moves.items() if stored.get(name, Stored(0, 0)).position != move.expected]
        if stale:
            raise Fenced(f"Consumer {self._consumer} lost {len(stale)} of {len(moves)} partitions.")
        for name, move in moves.items():
            cursor["positions"][self._consumer, name] = Stored(*move[1:])

    def park(self, cursor: Any, records: Sequence[Parked]) -> None:
        parked = cursor["parked"]
        known = {(record.source, record.position, record.offset) for record in self._parked(cursor).values()}
        for source, reason in records:
            if (source.name, source.position, source.offset) not in known:
                record = ParkedRecord(source.name, source.position, source.offset, source.key, reason, source.value)
                parked[max(parked, default=0) + 1] = (self._consumer, record)

    def blocked(self, cursor: Any, keys: Collection[str]) -> set[str]:
        return {record.key for record in self._parked(cursor).values()}.intersection(keys)

    def parked_count(self, cursor: Any) -> int:
        return len(self._parked(cursor))

    def parked_by_topic(self, cursor: Any) -> dict[str, int]:
        return dict(Counter(record.source.rpartition("/")[0] for record in self._parked(cursor).values()))

    def parked_keys(self, cursor: Any, limit: int = 1000) -> list[str]:
        return list(dict.fromkeys(record.key for record in self._parked(cursor).values()))[:limit]

    def take_parked(self, cursor: Any, key: str) -> list[ParkedRecord]:
        taken = {number: record for number, record in self._parked(cursor).items() if record.key == key}
        for number in taken:
            del cursor["parked"][number]
        return list(taken.values())

    def _parked(self, cursor: Any) -> dict[int, ParkedRecord]:
        return {n: record for n, (consumer, record) in cursor["parked"].items() if consumer == self._consumer}


class Awaited:
    """The same calls as coroutines, as MongoDB's side has them; without a session they stand for themselves."""

    def __init__(self, inbox: MemoryInbox, cursor: Any) -> None:
        self._inbox, self._cursor = inbox, cursor

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(session: Any = None, *given: Any, **named: Any) -> Any:
            return getattr(self._inbox, name)(session or self._cursor, *given, **named)

        return call
