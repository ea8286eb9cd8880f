"""The tables of this service, read and written set by set inside the caller's transaction.

They are derived from the customer and identity logs. Personal data stands here only sealed (`profiles`) or as keyed
digests (`evidence`, `tokens`); the rest is ids.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from psycopg import Cursor

from services.identity import number_store
from services.identity.domain.identities import Identities, Pair, Question
from services.identity.matching import sharing
from services.identity.matching.lookup import Token
from shared.events.catalogue import CATALOGUE
from shared.events.envelope import SealedPart
from shared.events.identity import Linked, Separated

DDL = """
CREATE TABLE IF NOT EXISTS profiles (
    customer uuid PRIMARY KEY, version bigint NOT NULL, key text, nonce text, ct text);
ALTER TABLE profiles ADD COLUMN IF NOT EXISTS restricted boolean NOT NULL DEFAULT false;
CREATE TABLE IF NOT EXISTS evidence (
    key bytea NOT NULL, customer uuid NOT NULL, rule smallint NOT NULL, PRIMARY KEY (key, customer));
CREATE INDEX IF NOT EXISTS evidence_customer ON evidence (customer);
CREATE TABLE IF NOT EXISTS tokens (
    field smallint NOT NULL, token bytea NOT NULL, customer uuid NOT NULL, PRIMARY KEY (field, token, customer));
CREATE INDEX IF NOT EXISTS tokens_customer ON tokens (customer);
CREATE TABLE IF NOT EXISTS members (customer uuid PRIMARY KEY, identity uuid NOT NULL);
CREATE INDEX IF NOT EXISTS members_identity ON members (identity);
CREATE TABLE IF NOT EXISTS links (a uuid NOT NULL, b uuid NOT NULL, position bigint NOT NULL, PRIMARY KEY (a, b));
CREATE INDEX IF NOT EXISTS links_b ON links (b);
CREATE TABLE IF NOT EXISTS indexed (
    form smallint PRIMARY KEY, done boolean NOT NULL DEFAULT false,
    customer uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000');
"""

FIRST = "00000000-0000-0000-0000-000000000000"
"""Before every customer, where customers are read page by page."""

_PROFILES = "SELECT customer::text, version, key, nonce, ct, restricted FROM profiles WHERE customer = ANY(%s::uuid[])"
_VERSIONS = "SELECT customer::text, version FROM profiles WHERE customer = ANY(%s::uuid[])"
_COMPARABLE = """
SELECT customer::text, version, key, nonce, ct, restricted FROM profiles
WHERE customer > %s AND ct IS NOT NULL AND NOT restricted ORDER BY customer LIMIT %s"""
_HOLDERS = """
SELECT given.place, holder.customer::text
FROM unnest(%s::bytea[]) WITH ORDINALITY AS given (key, place)
CROSS JOIN LATERAL (
    SELECT e.customer FROM evidence e WHERE e.key = given.key ORDER BY e.customer LIMIT %s::int
) AS holder"""
_MEMBERSHIPS = """
SELECT m.customer::text, m.identity::text FROM members m
WHERE m.identity IN (SELECT identity FROM members WHERE customer = ANY(%s::uuid[]))"""
_SAID = "SELECT a::text, b::text, says FROM assertions WHERE a = ANY(%s::uuid[]) AND b = ANY(%s::uuid[])"
_LINKS = "SELECT a::text, b::text, weight FROM links WHERE a = ANY(%s::uuid[]) AND b = ANY(%s::uuid[])"
_ASKED = """
SELECT a::text, b::text, vector, answer FROM reviews
WHERE a = ANY(%s::uuid[]) AND b = ANY(%s::uuid[]) AND (answer IS NULL OR answer = 'unsure')"""
_ASKED_WITH = """
SELECT b::text AS other FROM reviews WHERE a = ANY(%s::uuid[]) AND (answer IS NULL OR answer = 'unsure')
UNION SELECT a::text FROM reviews WHERE b = ANY(%s::uuid[]) AND (answer IS NULL OR answer = 'unsure')"""
_INDEXED = """
SELECT to_regclass('audit_trail') IS NOT NULL AND to_regclass('audit_trail_moved') IS NOT NULL AS there"""
_FILLED = "SELECT coalesce(max(position), 0) AS position FROM audit_trail"
_MOVED = """
SELECT notification_id, state FROM events
WHERE notification_id IN (SELECT position FROM audit_trail_moved WHERE customer = %s::uuid AND position <= %s)"""
_MOVED_LATER = """
SELECT notification_id, state FROM events
WHERE notification_id > %s AND topic = ANY(%s) AND position(%s::bytea IN state) > 0"""
_MOVING = [each.stored_type() for (name, _), each in CATALOGUE.items() if name in {Linked.TYPE, Separated.TYPE}]
_EVIDENCE = """
SELECT key, rule, customer::text FROM evidence WHERE customer = ANY(%s::uuid[]) ORDER BY key, customer"""
_AFTER = "SELECT customer::text FROM profiles WHERE customer > %s::uuid ORDER BY customer LIMIT %s"
_PUT_PROFILES = """
INSERT INTO profiles (customer, version, key, nonce, ct, restricted)
SELECT * FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::boolean[])
ON CONFLICT (customer) DO UPDATE
SET version = excluded.version, key = excluded.key, nonce = excluded.nonce, ct = excluded.ct,
    restricted = excluded.restricted"""
_PUT_VERSION = "UPDATE profiles SET version = %s WHERE customer = %s"
_PUT_VERSIONS = """
UPDATE profiles p SET version = given.version FROM unnest(%s::uuid[], %s::bigint[]) AS given (customer, version)
WHERE p.customer = given.customer"""
_PUT_EVIDENCE = """
INSERT INTO evidence (key, customer, rule)
SELECT * FROM unnest(%s::bytea[], %s::uuid[], %s::smallint[])"""
_DROP_EVIDENCE = """
DELETE FROM evidence e USING unnest(%s::bytea[], %s::uuid[]) AS given (key, customer)
WHERE e.key = given.key AND e.customer = given.customer"""
_PUT_TOKENS = """
INSERT INTO tokens (field, token, customer)
SELECT * FROM unnest(%s::smallint[], %s::bytea[], %s::uuid[])
ON CONFLICT DO NOTHING"""
_DROP_TOKENS = """
DELETE FROM tokens t USING unnest(%s::smallint[], %s::bytea[], %s::uuid[]) AS given (field, token, customer)
WHERE t.field = given.field AND t.token = given.token AND t.customer = given.customer"""
_PUT_MEMBERS = """
INSERT INTO members (customer, identity)
SELECT * FROM unnest(%s::uuid[], %s::uuid[])
ON CONFLICT (customer) DO UPDATE SET identity = excluded.identity"""
_PUT_LINKS = """
INSERT INTO links (a, b, position)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[])
ON CONFLICT (a, b) DO UPDATE SET position = excluded.position"""


@dataclass(frozen=True, slots=True)
class Profile:
    """One customer: the version of its identity stream and its sealed features (None once purged or erased).

    `restricted` says that its data may only be kept.
    """

    customer: str
    version: int
    sealed: SealedPart | None
    restricted: bool = False


def create_tables(cursor: Cursor[Any]) -> None:
    """Creates what is missing."""
    cursor.execute(DDL)
    cursor.execute(number_store.DDL)


def _array(values: Iterable[str | int | None]) -> str:
    """A PostgreSQL array of ids, numbers or base64, which need no quotes: ten times faster than psycopg's own way."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def _bytes_array(values: Iterable[bytes]) -> str:
    return "{" + ",".join([f'"\\\\x{value.hex()}"' for value in values]) + "}"


def _run(cursor: Cursor[Any], statement: Any, parameters: Any) -> Cursor[Any]:
    """Executes with a plan made for these parameters: a prepared plan would keep to what suited an empty table."""
    return cursor.execute(statement, parameters, prepare=False)


def profiles(cursor: Cursor[Any], customers: Collection[str]) -> dict[str, Profile]:
    """The profiles of those customers that have one."""
    rows = _run(cursor, _PROFILES, (_array(customers),)).fetchall()
    return {row["customer"]: Profile(row["customer"], row["version"], _sealed(row), row["restricted"]) for row in rows}


def versions(cursor: Cursor[Any], customers: Collection[str]) -> dict[str, int]:
    """The versions of the identity streams of those customers that are known here."""
    return {row["customer"]: row["version"] for row in _run(cursor, _VERSIONS, (_array(customers),))}


def comparable(cursor: Cursor[Any], after: str, limit: int) -> list[Profile]:
    """The next profiles behind a customer, in the order of ids: of those who are neither purged nor restricted."""
    rows = _run(cursor, _COMPARABLE, (after, limit)).fetchall()
    return [Profile(row["customer"], row["version"], _sealed(row)) for row in rows]


def count_comparable(cursor: Cursor[Any]) -> int:
    """As many profiles `comparable` gives in all."""
    found = cursor.execute("SELECT count(*) AS found FROM profiles WHERE ct IS NOT NULL AND NOT restricted").fetchone()
    return int(found["found"]) if found else 0


def _sealed(row: Mapping[str, Any]) -> SealedPart | None:
    if row["ct"] is None:
        return None
    return SealedPart(row["key"], row["nonce"], row["ct"], ("features",))


def holders(cursor: Cursor[Any], keys: Collection[bytes], *, spare: int = 0) -> dict[bytes, list[str]]:
    """Per key the customers that have it, oldest first; at most one more than are looked at, and `spare` besides."""
    found: dict[bytes, list[str]] = {key: [] for key in keys}
    if found:
        order = list(found.values())
        for row in _run(cursor, _HOLDERS, (_bytes_array(found), sharing.COMMON + 1 + spare)).fetchall():
            order[row["place"] - 1].append(row["customer"])
    return found


def identities(cursor: Cursor[Any], customers: Collection[str], *, with_links: bool = False) -> Identities:
    """All members of the identities of these customers, with the bans among them.

    `with_links` reads what a decision on whole components needs besides: links, assertions and questions.
    """
    rows = _run(cursor, _MEMBERSHIPS, (_array(customers),)).fetchall()
    everyone = _array(row["customer"] for row in rows)
    said = _run(cursor, _SAID, (everyone, everyone)).fetchall()
    state = Identities.of(((row["customer"], row["identity"]) for row in rows), bans=_pairs(said, "never"))
    if with_links:
        links = _run(cursor, _LINKS, (everyone, everyone)).fetchall()
        state.links = {(row["a"], row["b"]) for row in links}
        state.strengths = {(row["a"], row["b"]): row["weight"] for row in links if row["weight"] is not None}
        state.same = _pairs(said, "same")
        state.asked = {
            (row["a"], row["b"]): Question(row["vector"], open=row["answer"] is None)
            for row in _run(cursor, _ASKED, (everyone, everyone)).fetchall()
        }
    return state


def asked_with(cursor: Cursor[Any], customers: Collection[str]) -> set[str]:
    """Whom people are asked about together with one of these, or were not sure about."""
    ends = _array(customers)
    return {row["other"] for row in _run(cursor, _ASKED_WITH, (ends, ends)).fetchall()} if customers else set()


def moved(cursor: Cursor[Any], customer: str) -> list[bytes]:
    """The stored bytes of every event that moved this customer between identities, or others to it, in log order.

    Those that the index of the trail names, and what came after it; without an index the log is read.
    """
    filled, rows = 0, []
    if _one(cursor.execute(_INDEXED))["there"]:
        filled = _one(cursor.execute(_FILLED))["position"]
        rows = cursor.execute(_MOVED, (customer, filled)).fetchall()
    rows += cursor.execute(_MOVED_LATER, (filled, _MOVING, customer.encode())).fetchall()
    return [bytes(row["state"]) for row in sorted(rows, key=lambda row: int(row["notification_id"]))]


def _one(cursor: Cursor[Any]) -> Mapping[str, Any]:
    (row,) = cursor.fetchall()
    found: Mapping[str, Any] = row
    return found


def _pairs(said: Iterable[Mapping[str, Any]], says: str) -> set[Pair]:
    return {(row["a"], row["b"]) for row in said if row["says"] == says}


def evidence(cursor: Cursor[Any], customers: Collection[str]) -> list[tuple[bytes, int, str]]:
    """(key, rule number, customer) of these customers, equal keys beside each other."""
    rows = _run(cursor, _EVIDENCE, (_array(customers),)).fetchall()
    return [(bytes(row["key"]), row["rule"], row["customer"]) for row in rows]


def evidence_of(cursor: Cursor[Any], customers: Collection[str]) -> dict[str, dict[bytes, int]]:
    """Per customer the keys that stand in the table, with the numbers of their rules."""
    found: dict[str, dict[bytes, int]] = {}
    for key, rule, customer in evidence(cursor, customers) if customers else ():
        found.setdefault(customer, {})[key] = rule
    return found


def change_evidence(
    cursor: Cursor[Any], stored: Mapping[str, Mapping[bytes, int]], wanted: Mapping[str, Mapping[bytes, int]]
) -> None:
    """Brings the keys of the customers in `wanted` from what is `stored` to what is wanted."""
    before = {customer: stored.get(customer, {}) for customer in wanted}
    drop_evidence(cursor, [(key, one) for one, keys in before.items() for key in keys if key not in wanted[one]])
    put_evidence(
        cursor,
        [(one, {key: n for key, n in keys.items() if key not in before[one]}) for one, keys in wanted.items()],
    )


def indexed(cursor: Cursor[Any], form: int, limit: int) -> list[str] | None:
    """The next customers to be indexed in this form, oldest first; None once all of them are."""
    _run(cursor, "INSERT INTO indexed (form) VALUES (%s) ON CONFLICT DO NOTHING", (form,))
    (row,) = _run(cursor, "SELECT done, customer::text FROM indexed WHERE form = %s", (form,)).fetchall()
    if row["done"]:
        return None
    found = _run(cursor, _AFTER, (row["customer"], limit)).fetchall()
    return [row["customer"] for row in found]


def put_indexed(cursor: Cursor[Any], form: int, customer: str | None) -> None:
    """Customers up to this one are indexed in this form; with None all of them, and those to come."""
    if customer is None:
        _run(cursor, "UPDATE indexed SET done = true WHERE form = %s", (form,))
    else:
        _run(cursor, "UPDATE indexed SET customer = %s WHERE form = %s", (customer, form))


def put_profiles(cursor: Cursor[Any], changed: Sequence[Profile]) -> None:
    sealed = [profile.sealed for profile in changed]
    columns = (
        _array(profile.customer for profile in changed),
        _array(profile.version for profile in changed),
        _array(None if part is None else part.key for part in sealed),
        _array(None if part is None else part.nonce for part in sealed),
        _array(None if part is None else part.ct for part in sealed),
        _array(profile.restricted for profile in changed),
    )
    _run(cursor, _PUT_PROFILES, columns)


def put_version(cursor: Cursor[Any], customer: str, version: int) -> None:
    """The version of a customer's identity stream after a command."""
    _run(cursor, _PUT_VERSION, (version, customer))


def put_versions(cursor: Cursor[Any], versions: Mapping[str, int]) -> None:
    """The versions of several customers' identity streams."""
    if versions:
        _run(cursor, _PUT_VERSIONS, (_array(versions), _array(versions.values())))


def put_evidence(cursor: Cursor[Any], added: Iterable[tuple[str, Mapping[bytes, int]]]) -> None:
    """Adds keys with the numbers of their rules, per customer. They must not be there yet."""
    keys: list[bytes] = []
    customers: list[str] = []
    rules: list[int] = []
    for customer, evidence in added:
        keys.extend(evidence)
        rules.extend(evidence.values())
        customers.extend(repeat(customer, len(evidence)))
    if keys:
        _run(cursor, _PUT_EVIDENCE, (_bytes_array(keys), _array(customers), _array(rules)))


def drop_evidence(cursor: Cursor[Any], rows: Sequence[tuple[bytes, str]]) -> None:
    """Takes away (key, customer)."""
    if rows:
        keys, customers = zip(*rows, strict=True)
        _run(cursor, _DROP_EVIDENCE, (_bytes_array(keys), _array(customers)))


def put_tokens(cursor: Cursor[Any], added: Sequence[tuple[Token, str]]) -> None:
    """Adds (token, customer); one that is there already stays."""
    _change_tokens(cursor, _PUT_TOKENS, added)


def drop_tokens(cursor: Cursor[Any], gone: Sequence[tuple[Token, str]]) -> None:
    """Takes away (token, customer)."""
    _change_tokens(cursor, _DROP_TOKENS, gone)


def _change_tokens(cursor: Cursor[Any], statement: Any, rows: Sequence[tuple[Token, str]]) -> None:
    if rows:
        fields = _array(token.field for token, _ in rows)
        digests = _bytes_array(token.digest for token, _ in rows)
        _run(cursor, statement, (fields, digests, _array(customer for _, customer in rows)))


def customers_with(cursor: Cursor[Any], token: Token) -> set[str]:
    """Everybody with this token: candidates, because different values may share one."""
    found = _run(cursor, "SELECT customer::text FROM tokens WHERE field = %s AND token = %s", tuple(token)).fetchall()
    return {row["customer"] for row in found}


def put_members(cursor: Cursor[Any], identity_of: Mapping[str, str]) -> None:
    if identity_of:
        _run(cursor, _PUT_MEMBERS, (_array(identity_of), _array(identity_of.values())))


def put_links(cursor: Cursor[Any], links: Mapping[Pair, int]) -> None:
    """Adds links with the position of the event that made each."""
    if links:
        a, b = zip(*links, strict=True)
        _run(cursor, _PUT_LINKS, (_array(a), _array(b), _array(links.values())))


def links_of(cursor: Cursor[Any], customers: Collection[str]) -> list[tuple[str, str, int]]:
    """The live links among these customers, with the position of the event that made each, oldest first."""
    rows = _run(
        cursor,
        "SELECT a::text, b::text, position FROM links WHERE a = ANY(%s::uuid[]) ORDER BY position, a, b",
        (_array(customers),),
    ).fetchall()
    return [(row["a"], row["b"], row["position"]) for row in rows]


def purge(cursor: Cursor[Any], subject: str) -> None:
    """Takes away everything derived from the personal data of a subject: sealed features and digests.

    Its id stays in memberships, links and bans, as it stays in the log: the identities of others must not change.
    """
    _run(cursor, "DELETE FROM evidence WHERE customer = %s", (subject,))
    _run(cursor, "DELETE FROM tokens WHERE customer = %s", (subject,))
    _run(cursor, "UPDATE profiles SET key = NULL, nonce = NULL, ct = NULL WHERE customer = %s", (subject,))
