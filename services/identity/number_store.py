"""The tables of numbering, read and written inside the caller's transaction. Derived from the identity log."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import orjson
from psycopg import Cursor

from services.identity.numbering.rulebook import RuleBook, RuleSet
from shared.eventlog.mapper import parse
from shared.events.envelope import moment
from shared.events.numbering import NumberingRulesSet, NumbersLeased

DDL = """
CREATE TABLE IF NOT EXISTS numbering (scope text PRIMARY KEY, next bigint NOT NULL);
ALTER TABLE numbering ADD COLUMN IF NOT EXISTS given bigint, ADD COLUMN IF NOT EXISTS since timestamptz;
CREATE TABLE IF NOT EXISTS numbering_rules (version bigint PRIMARY KEY, content bytea NOT NULL);
CREATE TABLE IF NOT EXISTS numbering_leases (
    lease uuid PRIMARY KEY, scope text NOT NULL, content bytea NOT NULL, expires_at timestamptz NOT NULL,
    is_open boolean NOT NULL);
CREATE INDEX IF NOT EXISTS numbering_leases_open ON numbering_leases (scope, expires_at) WHERE is_open;
"""

_COUNTERS = "SELECT scope, next FROM numbering WHERE scope = ANY(%s)"
_PUT_COUNTERS = """
INSERT INTO numbering AS counter (scope, next, given, since)
SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::timestamptz[])
ON CONFLICT (scope) DO UPDATE
SET next = greatest(counter.next, excluded.next), given = counter.given + excluded.given,
    since = least(counter.since, excluded.since)"""
_PUT_LEASE = """
INSERT INTO numbering_leases (lease, scope, content, expires_at, is_open) VALUES (%s, %s, %s, %s, true)"""
_LEASE = "SELECT content, is_open FROM numbering_leases WHERE lease = %s FOR UPDATE"
_VERSION = "SELECT coalesce(max(originator_version), 0) AS version FROM events WHERE originator_id = %s"
_EXPIRED = """
SELECT content FROM numbering_leases WHERE is_open AND expires_at <= %s ORDER BY expires_at, lease LIMIT %s"""


@dataclass(frozen=True, slots=True)
class Given:
    """How many numbers were given, and when the first of them was."""

    count: int
    since: datetime


NOTHING: Mapping[str, Given] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Counter:
    """How far a scope is: the lowest serial that nobody was given yet, and what was given.

    An import raises `next` and gives nothing. Of a counter that an older build began, `given` is not known.
    """

    next: int
    given: int | None
    since: datetime | None


def rule_book(cursor: Cursor[Any]) -> RuleBook:
    """All rules that were ever set, the built-in ones first."""
    rows = cursor.execute("SELECT content FROM numbering_rules ORDER BY version").fetchall()
    return read_book(tuple(bytes(row["content"]) for row in rows))


@lru_cache(maxsize=2)
def read_book(contents: tuple[bytes, ...]) -> RuleBook:
    """From stored rule sets, oldest first. They change rarely and are asked for with every batch."""
    return RuleBook([RuleSet.of(NumberingRulesSet.model_validate(orjson.loads(content))) for content in contents])


def put_rules(cursor: Cursor[Any], event: NumberingRulesSet) -> None:
    """Keeps one more set of rules."""
    cursor.execute("INSERT INTO numbering_rules (version, content) VALUES (%s, %s)", (event.version, content(event)))


def content(event: NumberingRulesSet | NumbersLeased) -> bytes:
    """An event as it stands in these tables."""
    return orjson.dumps(event.model_dump(mode="json"))


def counters(cursor: Cursor[Any], scopes: Collection[str]) -> dict[str, int]:
    """Per scope the lowest serial that nobody was given yet; a scope that was never used is missing."""
    found = cursor.execute(_COUNTERS, (list(scopes),)).fetchall()
    return {row["scope"]: int(row["next"]) for row in found}


def all_counters(cursor: Cursor[Any]) -> dict[str, Counter]:
    """The counter of every scope that was ever used."""
    found = cursor.execute("SELECT scope, next, given, since FROM numbering ORDER BY scope").fetchall()
    return {row["scope"]: Counter(row["next"], row["given"], row["since"]) for row in found}


def put_counters(cursor: Cursor[Any], next_of: Mapping[str, int], given: Mapping[str, Given] = NOTHING) -> None:
    """Raises the counters of scopes, none of which ever goes back, and counts what was given there meanwhile."""
    if next_of:
        counted = [given.get(scope) for scope in next_of]
        columns = (
            list(next_of),
            list(next_of.values()),
            [0 if each is None else each.count for each in counted],
            [None if each is None else each.since for each in counted],
        )
        cursor.execute(_PUT_COUNTERS, columns)


def began(cursor: Cursor[Any]) -> datetime | None:
    """When the first event of the log was recorded; None if it has none."""
    row = cursor.execute("SELECT state FROM events ORDER BY notification_id LIMIT 1").fetchone()
    return None if row is None else moment(parse(bytes(row["state"])).recorded_at)


def put_lease(cursor: Cursor[Any], event: NumbersLeased) -> None:
    """Keeps a lease that was just given."""
    cursor.execute(_PUT_LEASE, (event.lease, event.scope, content(event), event.expires_at))


def close_leases(cursor: Cursor[Any], leases: Sequence[str]) -> None:
    """What is left of these leases is void."""
    cursor.execute("UPDATE numbering_leases SET is_open = false WHERE lease = ANY(%s::uuid[])", (list(leases),))


def lease(cursor: Cursor[Any], lease_id: str) -> tuple[NumbersLeased, bool] | None:
    """A lease and whether it is open; None if it was never given."""
    row = cursor.execute(_LEASE, (lease_id,)).fetchone()
    return None if row is None else (_leased(row["content"]), bool(row["is_open"]))


def open_leases(cursor: Cursor[Any], scope: str) -> list[NumbersLeased]:
    """The leases of a scope of which numbers may still be given out."""
    found = cursor.execute("SELECT content FROM numbering_leases WHERE scope = %s AND is_open ORDER BY lease", (scope,))
    return [_leased(row["content"]) for row in found.fetchall()]


def version(cursor: Cursor[Any], stream: str) -> int:
    """At which version a stream of rules or of a scope is; 0 if it is new."""
    row = cursor.execute(_VERSION, (stream,)).fetchone()
    return int(row["version"]) if row else 0


def expired(cursor: Cursor[Any], now: datetime, limit: int) -> list[NumbersLeased]:
    """Open leases whose time is over, the longest first."""
    return [_leased(row["content"]) for row in cursor.execute(_EXPIRED, (now, limit)).fetchall()]


def _leased(stored: bytes) -> NumbersLeased:
    return NumbersLeased.model_validate(orjson.loads(bytes(stored)))


def names(cursor: Cursor[Any]) -> list[str]:
    """Every number and alias that leads to somebody. Reads the whole table: for rare questions."""
    found = cursor.execute("SELECT key FROM reservations WHERE key LIKE 'number:%%' ORDER BY key", ()).fetchall()
    return [row["key"].removeprefix("number:") for row in found]
