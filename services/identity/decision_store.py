"""The tables of what was decided: links, assertions, questions to people and requests for a second person.

All of it is a fold of the identity log: `changes_of` says what events change, `write` does it in the transaction that
appends them. It holds ids, codes and the reasons that people gave.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
from psycopg import Cursor

from services.identity import store
from services.identity.domain.identities import MANUAL, Pair, pair
from shared.events import identity as events
from shared.events.envelope import Contract, Recorded

DDL = """
ALTER TABLE links ADD COLUMN IF NOT EXISTS weight bigint DEFAULT 0;
ALTER TABLE IF EXISTS bans RENAME TO assertions;
CREATE TABLE IF NOT EXISTS assertions (a uuid NOT NULL, b uuid NOT NULL, PRIMARY KEY (a, b));
ALTER TABLE assertions ADD COLUMN IF NOT EXISTS says text NOT NULL DEFAULT 'never';
ALTER TABLE assertions ADD COLUMN IF NOT EXISTS author text NOT NULL DEFAULT '';
ALTER TABLE assertions ADD COLUMN IF NOT EXISTS reason text NOT NULL DEFAULT '';
ALTER TABLE assertions ADD COLUMN IF NOT EXISTS expires timestamptz;
ALTER TABLE assertions ADD COLUMN IF NOT EXISTS position bigint NOT NULL DEFAULT 0;
CREATE INDEX IF NOT EXISTS assertions_b ON assertions (b);
CREATE INDEX IF NOT EXISTS assertions_expires ON assertions (expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS reviews (
    a uuid NOT NULL, b uuid NOT NULL, why text NOT NULL, weight bigint NOT NULL, model text NOT NULL,
    evidence text NOT NULL, vector text, answer text, author text, position bigint NOT NULL, PRIMARY KEY (a, b));
CREATE INDEX IF NOT EXISTS reviews_b ON reviews (b);
CREATE INDEX IF NOT EXISTS reviews_open ON reviews (position) WHERE answer IS NULL;
CREATE TABLE IF NOT EXISTS approvals (
    request uuid PRIMARY KEY, a uuid NOT NULL, b uuid NOT NULL, says text NOT NULL, reason text NOT NULL,
    size integer NOT NULL, expires timestamptz, overrule boolean NOT NULL, alone boolean NOT NULL,
    author text NOT NULL, position bigint NOT NULL);
"""


class Assertion(msgspec.Struct, frozen=True):
    """What somebody said of two customers, and until when it holds."""

    says: str
    author: str
    reason: str
    expires: datetime | None
    position: int


class Review(msgspec.Struct, frozen=True):
    """A question to people; `answer` is None while it is open, `author` who answered."""

    why: str
    weight: int
    model: str
    evidence: tuple[str, ...]
    vector: str | None
    position: int
    answer: str | None = None
    author: str | None = None


class Request(msgspec.Struct, frozen=True):
    """What somebody wants to assert, and waits for a second person."""

    request: str
    a: str
    b: str
    says: str
    reason: str
    size: int
    expires: datetime | None
    overrule: bool
    alone: bool
    author: str
    position: int


Told: TypeAlias = tuple[int, str, Contract]
"""An event of the identity log with its position and who is behind it."""


@dataclass(slots=True)
class Changes:
    """What events change: per table the new rows, None for a row that goes."""

    members: dict[str, str] = field(default_factory=dict)
    links: dict[Pair, tuple[int, int | None] | None] = field(default_factory=dict)
    """Position, and the weight of a link that no person decided."""
    assertions: dict[Pair, Assertion | None] = field(default_factory=dict)
    reviews: dict[Pair, Review | None] = field(default_factory=dict)
    answers: dict[Pair, tuple[str, str]] = field(default_factory=dict)
    """Answer and author of a question that stays."""
    approvals: dict[str, Request | None] = field(default_factory=dict)


def told(recorded: Iterable[Recorded]) -> list[Told]:
    """From events that were read back."""
    return [(event.position or 0, event.actor.id, event.data) for event in recorded]


def changes_of(told: Iterable[Told]) -> Changes:
    """What these events change, in their order. Of events that decide nothing, nothing."""
    changes = Changes()
    for position, author, event in told:
        match event:
            case events.Linked():
                changes.members.update((move.customer, move.identity) for move in event.moves)
                weight = None if event.decided_by == MANUAL else event.weight or 0
                changes.links[pair(event.a, event.b)] = (position, weight)
            case events.Separated():
                changes.members.update((move.customer, move.identity) for move in event.moves)
                changes.links.update(dict.fromkeys((pair(ends.a, ends.b) for ends in event.links or ()), None))
            case events.Asserted():
                row = Assertion(event.says, author, event.reason, event.expires, position)
                changes.assertions.update(dict.fromkeys((pair(event.a, other) for other in event.others), row))
            case events.AssertionEnded():
                changes.assertions.update(dict.fromkeys((pair(event.a, other) for other in event.others), None))
            case _:
                _questions(changes, position, author, event)
    return changes


def _questions(changes: Changes, position: int, author: str, event: Contract) -> None:
    match event:
        case events.ReviewOpened():
            asked = pair(event.a, event.b)
            changes.answers.pop(asked, None)
            changes.reviews[asked] = Review(
                event.why, event.weight, event.model, event.evidence, event.vector, position
            )
        case events.ReviewClosed():
            asked = pair(event.a, event.b)
            if event.answer == "gone":
                changes.answers.pop(asked, None)
                changes.reviews[asked] = None
            else:
                changes.answers[asked] = (event.answer, author)
        case events.ApprovalRequested():
            changes.approvals[event.request_id] = Request(
                event.request_id,
                event.a,
                event.b,
                event.says,
                event.reason,
                event.size,
                event.expires,
                event.overrule,
                event.alone,
                author,
                position,
            )
        case events.ApprovalDecided():
            changes.approvals[event.request_id] = None
        case _:
            pass


REACH = 200
"""As many customers are looked at for one decision besides those of the identities themselves."""


def create_tables(cursor: Cursor[Any]) -> None:
    """Creates what is missing, behind the tables of `store`; what older builds kept is kept."""
    cursor.execute(DDL)


def write(cursor: Cursor[Any], changes: Changes) -> None:
    """Does what the changes say."""
    store.put_members(cursor, changes.members)
    _write(cursor, _DROP_LINK, _gone(changes.links))
    _write(cursor, _PUT_LINK, [(*ends, *row) for ends, row in changes.links.items() if row is not None])
    _write(cursor, _DROP_ASSERTION, _gone(changes.assertions))
    _write(cursor, _PUT_ASSERTION, [(*ends, *_row(row)) for ends, row in changes.assertions.items() if row is not None])
    _write(cursor, _DROP_REVIEW, _gone(changes.reviews))
    _write(cursor, _PUT_REVIEW, [(*ends, *_row(row)) for ends, row in changes.reviews.items() if row is not None])
    _write(cursor, _ANSWER, [(*answer, *ends) for ends, answer in changes.answers.items()])
    _write(cursor, _DROP_REQUEST, [(request,) for request, row in changes.approvals.items() if row is None])
    _write(cursor, _PUT_REQUEST, [_row(row) for row in changes.approvals.values() if row is not None])


def _write(cursor: Cursor[Any], statement: Any, rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        cursor.executemany(statement, rows)


def _gone(changed: dict[Pair, Any]) -> list[Pair]:
    return [ends for ends, row in changed.items() if row is None]


def _row(row: msgspec.Struct) -> tuple[Any, ...]:
    return tuple(" ".join(value) if isinstance(value, tuple) else value for value in msgspec.structs.astuple(row))


_DROP_LINK = "DELETE FROM links WHERE a = %s AND b = %s"
_PUT_LINK = """
INSERT INTO links (a, b, position, weight) VALUES (%s, %s, %s, %s)
ON CONFLICT (a, b) DO UPDATE SET position = excluded.position, weight = excluded.weight"""
_DROP_ASSERTION = "DELETE FROM assertions WHERE a = %s AND b = %s"
_PUT_ASSERTION = """
INSERT INTO assertions (a, b, says, author, reason, expires, position) VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (a, b) DO UPDATE SET says = excluded.says, author = excluded.author, reason = excluded.reason,
    expires = excluded.expires, position = excluded.position"""
_DROP_REVIEW = "DELETE FROM reviews WHERE a = %s AND b = %s"
_PUT_REVIEW = """
INSERT INTO reviews (a, b, why, weight, model, evidence, vector, position, answer, author)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (a, b) DO UPDATE SET why = excluded.why, weight = excluded.weight, model = excluded.model,
    evidence = excluded.evidence, vector = excluded.vector, position = excluded.position, answer = NULL,
    author = NULL"""
_ANSWER = "UPDATE reviews SET answer = %s, author = %s WHERE a = %s AND b = %s"
_DROP_REQUEST = "DELETE FROM approvals WHERE request = %s"
_PUT_REQUEST = """
INSERT INTO approvals (request, a, b, says, reason, size, expires, overrule, alone, author, position)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (request) DO NOTHING"""
_AMONG = " WHERE a = ANY(%s::uuid[]) AND b = ANY(%s::uuid[])"
_ASSERTIONS = "SELECT a::text, b::text, says, author, reason, expires, position FROM assertions"
_REVIEWS = "SELECT a::text, b::text, why, weight, model, evidence, vector, position, answer, author FROM reviews"
_TIED = """
WITH family AS (
    SELECT customer FROM members
    WHERE identity IN (SELECT identity FROM members WHERE customer = ANY(%s::uuid[])))
SELECT a::text, b::text FROM reviews WHERE answer IS NULL
AND (a IN (SELECT customer FROM family) OR b IN (SELECT customer FROM family))"""
_REQUESTS = """
SELECT request::text, a::text, b::text, says, reason, size, expires, overrule, alone, author, position
FROM approvals"""


def assertions(cursor: Cursor[Any], customers: Collection[str]) -> dict[Pair, Assertion]:
    """What is said of two of these customers."""
    everyone = list(customers)
    rows = cursor.execute(_ASSERTIONS + _AMONG, (everyone, everyone)).fetchall()
    return {(row.pop("a"), row.pop("b")): Assertion(**row) for row in rows}


def assertions_of(cursor: Cursor[Any], customers: Collection[str]) -> dict[Pair, Assertion]:
    """What is said of one of these customers and anybody."""
    everyone = list(customers)
    rows = cursor.execute(
        _ASSERTIONS + " WHERE a = ANY(%s::uuid[]) OR b = ANY(%s::uuid[]) ORDER BY position, a, b", (everyone, everyone)
    ).fetchall()
    return {(row.pop("a"), row.pop("b")): Assertion(**row) for row in rows}


def expired(cursor: Cursor[Any], now: datetime, limit: int) -> list[Pair]:
    """Pairs of which an assertion is over at `now`, the longest first."""
    rows = cursor.execute(
        "SELECT a::text, b::text FROM assertions WHERE expires <= %s ORDER BY expires, a, b LIMIT %s", (now, limit)
    ).fetchall()
    return [(row["a"], row["b"]) for row in rows]


def all_assertions(cursor: Cursor[Any], after: int, limit: int) -> dict[Pair, Assertion]:
    """What is said of anybody, from a position on, oldest first."""
    rows = cursor.execute(_ASSERTIONS + " WHERE position > %s ORDER BY position, a, b LIMIT %s", (after, limit))
    return {(row.pop("a"), row.pop("b")): Assertion(**row) for row in rows.fetchall()}


def reviews(cursor: Cursor[Any], customers: Collection[str]) -> dict[Pair, Review]:
    """The questions among these customers, answered ones too."""
    everyone = list(customers)
    return _reviews(cursor.execute(_REVIEWS + _AMONG, (everyone, everyone)).fetchall())


def open_reviews(cursor: Cursor[Any], limit: int) -> dict[Pair, Review]:
    """The open questions, the oldest first."""
    return _reviews(cursor.execute(_REVIEWS + " WHERE answer IS NULL ORDER BY position LIMIT %s", (limit,)).fetchall())


def open_review(cursor: Cursor[Any], position: int) -> tuple[Pair, Review] | None:
    """The question that was opened at this position, while it is open."""
    rows = cursor.execute(_REVIEWS + " WHERE answer IS NULL AND position = %s", (position,)).fetchall()
    return next(iter(_reviews(rows).items()), None)


def open_alike(cursor: Cursor[Any], model: str, vector: str) -> list[Pair]:
    """The open questions that look the same to a model, the oldest first."""
    rows = cursor.execute(
        _REVIEWS + " WHERE answer IS NULL AND model = %s AND vector = %s ORDER BY position", (model, vector)
    ).fetchall()
    return list(_reviews(rows))


def answered_reviews(cursor: Cursor[Any], limit: int) -> dict[Pair, Review]:
    """The questions that people answered, the oldest first."""
    return _reviews(
        cursor.execute(_REVIEWS + " WHERE answer IS NOT NULL ORDER BY position LIMIT %s", (limit,)).fetchall()
    )


def _reviews(rows: Iterable[dict[str, Any]]) -> dict[Pair, Review]:
    return {(row.pop("a"), row.pop("b")): Review(**{**row, "evidence": tuple(row["evidence"].split())}) for row in rows}


def reach(cursor: Cursor[Any], customers: Collection[str]) -> set[str]:
    """These customers and whoever is tied to their identities by open questions, and on so; some REACH besides them.

    What a decision about the first changes may settle those questions.
    """
    found, fresh = set(customers), set(customers)
    while fresh and len(found) - len(customers) < REACH:
        rows = cursor.execute(_TIED, (list(fresh),)).fetchall()
        fresh = {end for row in rows for end in (row["a"], row["b"])} - found
        found |= fresh
    return found


def request(cursor: Cursor[Any], request_id: str) -> Request | None:
    """A request that is still open."""
    row = cursor.execute(_REQUESTS + " WHERE request = %s", (request_id,)).fetchone()
    return None if row is None else Request(**row)


def requests(cursor: Cursor[Any], limit: int) -> list[Request]:
    """The open requests, the oldest first."""
    rows = cursor.execute(_REQUESTS + " ORDER BY position LIMIT %s", (limit,)).fetchall()
    return [Request(**row) for row in rows]


def sizes(cursor: Cursor[Any], customers: Collection[str]) -> dict[str, int]:
    """How many customers each one's identity has."""
    rows = cursor.execute(
        "SELECT m.customer::text, (SELECT count(*) FROM members o WHERE o.identity = m.identity) AS size "
        "FROM members m WHERE m.customer = ANY(%s::uuid[])",
        (list(customers),),
    ).fetchall()
    return {row["customer"]: row["size"] for row in rows}
