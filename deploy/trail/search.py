"""Finds the records that a question asks for: by the index of each log, and what it does not have yet by reading on."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
from psycopg.sql import SQL, Composed

from deploy.embedded.errors import EmbeddedError
from deploy.trail.question import Order, Place, Question
from shared.audit.trail import filled
from shared.eventlog.mapper import DecodeError, Record, parse

PORTION = 2_000

_PLACES = "SELECT at, position FROM audit_trail WHERE {where} ORDER BY {order} LIMIT %(limit)s"
_ORDERS: Mapping[Order, SQL] = {"newest": SQL("at DESC, position DESC"), "oldest": SQL("at, position")}
_CONDITIONS: Mapping[str, SQL] = {
    "actor": SQL("actor = %(actor)s"),
    "customers": SQL("position IN (SELECT notification_id FROM events WHERE customer = ANY(%(customers)s::uuid[]))"),
    "types": SQL("type = ANY(%(types)s)"),
    "since": SQL("at >= %(since)s"),
    "until": SQL("at < %(until)s"),
    "command": SQL("command = %(command)s::uuid"),
    "correlation": SQL("correlation = %(correlation)s"),
}
# Of the same log those behind the cursor; of a log that comes later at one instant this instant too.
_BEHIND: Mapping[tuple[Order, int], SQL] = {
    ("newest", 0): SQL("(at, position) < (%(at)s, %(position)s)"),
    ("newest", -1): SQL("at <= %(at)s"),
    ("newest", 1): SQL("at < %(at)s"),
    ("oldest", 0): SQL("(at, position) > (%(at)s, %(position)s)"),
    ("oldest", -1): SQL("at > %(at)s"),
    ("oldest", 1): SQL("at >= %(at)s"),
}
_AFTER = "SELECT notification_id, state FROM events WHERE notification_id > %s ORDER BY notification_id LIMIT %s"
_AT = "SELECT notification_id, state FROM events WHERE notification_id = ANY(%s)"
_SETTINGS = ("SET enable_seqscan = off", "SET jit = off")


class Found(NamedTuple):
    """A record, and where it stands. It is still sealed."""

    place: Place
    record: Record


@dataclass(frozen=True, slots=True)
class Search:
    """All logs of a system, read only. `whole` does without the indexes and reads every record."""

    connections: Mapping[str, psycopg.Connection[tuple[Any, ...]]]
    whole: bool = False

    def places(
        self, question: Question, order: Order = "newest", limit: int | None = None, after: Place | None = None
    ) -> list[Place]:
        """Where the records are that the question asks for, at most `limit`, those behind `after`, in order."""
        found = [
            place
            for log in question.logs
            for place in self._of_log(log, question, order=order, limit=limit, after=after)
        ]
        return _first(found, order, limit)

    def records(self, places: Sequence[Place], question: Question) -> Iterator[Found]:
        """The records at these places, in their order. EmbeddedError if an index is not that of its log."""
        for start in range(0, len(places), PORTION):
            part = places[start : start + PORTION]
            wanted: dict[str, list[int]] = defaultdict(list)
            for place in part:
                wanted[place.log].append(place.position)
            stored = {
                (log, position): state
                for log, positions in wanted.items()
                for position, state in self.connections[log].execute(_AT, (positions,), binary=True)
            }
            for place in part:
                yield Found(place, _as_asked(stored.get((place.log, place.position)), place, question))

    def page(self, question: Question, order: Order, limit: int, after: Place | None = None) -> list[Found]:
        """The records of one page."""
        return list(self.records(self.places(question, order, limit, after), question))

    def _of_log(
        self, log: str, question: Question, *, order: Order, limit: int | None, after: Place | None
    ) -> list[Place]:
        connection = self.connections[log]
        upto = 0 if self.whole else filled(connection)
        found = list(self._later(log, upto, question, order, after))
        if upto:
            for setting in _SETTINGS:
                connection.execute(setting)
            statement, given = _statement(log, upto, question, order, after)
            rows = connection.execute(statement, {**given, "limit": limit}, binary=True)
            found += [Place(at, log, position) for at, position in rows]
        return _first(found, order, limit)

    def _later(
        self, log: str, after_position: int, question: Question, order: Order, after: Place | None
    ) -> Iterator[Place]:
        """What stands behind the index."""
        last = after_position
        while rows := self._raw(log, last):
            for position, state in rows:
                record = _parsed(state, log, position)
                place = Place.of(record, log, position) if question.matches(record) else None
                if place is not None and _is_behind(place, after, order):
                    yield place
            last = rows[-1][0]

    def _raw(self, log: str, after: int) -> list[tuple[int, bytes]]:
        try:
            return self.connections[log].execute(_AFTER, (after, PORTION), binary=True).fetchall()
        except psycopg.errors.UndefinedTable:
            return []


def _statement(
    log: str, upto: int, question: Question, order: Order, after: Place | None
) -> tuple[Composed, dict[str, Any]]:
    given: dict[str, Any] = {name: value for name in _CONDITIONS if (value := getattr(question, name)) is not None}
    where = [SQL("position <= %(upto)s"), *(_CONDITIONS[name] for name in given)]
    for name in ("customers", "types"):
        if name in given:
            given[name] = sorted(given[name])
    given["upto"] = upto
    if after is not None:
        where.append(_BEHIND[order, (log > after.log) - (log < after.log)])
        given |= {"at": after.at, "position": after.position}
    return SQL(_PLACES).format(where=SQL(" AND ").join(where), order=_ORDERS[order]), given


def _first(places: list[Place], order: Order, limit: int | None) -> list[Place]:
    if limit is None:
        return sorted(places, reverse=order == "newest")
    return heapq.nlargest(limit, places) if order == "newest" else heapq.nsmallest(limit, places)


def _is_behind(place: Place, after: Place | None, order: Order) -> bool:
    return after is None or (place < after if order == "newest" else place > after)


def _parsed(state: bytes, log: str, position: int) -> Record:
    try:
        return parse(state)
    except DecodeError:
        raise EmbeddedError(
            f"What is stored at position {position} of the {log} log is no record; run custlog audit verify."
        ) from None


def _as_asked(state: bytes | None, place: Place, question: Question) -> Record:
    record = None if state is None else _parsed(state, place.log, place.position)
    if record is None or not question.matches(record) or Place.of(record, place.log, place.position) != place:
        raise EmbeddedError(
            f"The index of the {place.log} log is not that of its records at position {place.position}: "
            "ask again with --whole, and run custlog audit verify."
        )
    return record
