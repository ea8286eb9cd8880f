"""The keyring: one data key per subject, wrapped by a versioned key-encryption key, in its own database.

Its backups are its own and short-lived; destroying a subject's key erases the subject everywhere at once.
A destroyed subject leaves a tombstone, so that no new key is ever made for it.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Collection
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import OperationalError
from psycopg_pool import ConnectionPool, PoolTimeout

from shared import metrics
from shared.errors import Unavailable
from shared.events.envelope import instant
from shared.privacy.kek import KeyEncryptionKeys, UnknownKek
from shared.privacy.sealing import DataKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import Connection

__all__ = ["DATA_KEY_VERSION", "KeyEncryptionKeys", "Keyring"]

DATA_KEY_VERSION = "1"

# Under a lock, because two services that create one table at once fail even with IF NOT EXISTS.
SCHEMA = """
SELECT pg_advisory_xact_lock(hashtext('custlog.keyring'));
CREATE TABLE IF NOT EXISTS data_keys (
    subject uuid PRIMARY KEY,
    kek int NOT NULL,
    wrapped bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    destroyed_at timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
)
"""

ENSURE = """
WITH made AS (
    INSERT INTO data_keys (subject, kek, wrapped)
    SELECT subject, %(kek)s, wrapped
    FROM unnest(%(subjects)b::text[]::uuid[], %(wrapped)b::bytea[]) AS new (subject, wrapped)
    ON CONFLICT (subject) DO NOTHING
    RETURNING subject, kek, wrapped
)
SELECT subject::text, kek, wrapped FROM made
UNION ALL
SELECT subject::text, kek, wrapped FROM data_keys
WHERE subject = ANY(%(subjects)b::text[]::uuid[]) AND wrapped IS NOT NULL
"""

FETCH = """
SELECT subject::text, kek, wrapped FROM data_keys
WHERE subject = ANY(%b::text[]::uuid[]) AND wrapped IS NOT NULL
"""

REWRAPPED = """
SELECT subject::text, kek, wrapped FROM data_keys
WHERE kek <> %s AND wrapped IS NOT NULL ORDER BY subject LIMIT %s FOR UPDATE
"""

# A key that was destroyed in the meantime stays destroyed.
REWRAP = """
UPDATE data_keys d SET kek = %s, wrapped = new.wrapped
FROM unnest(%s::text[]::uuid[], %s::bytea[]) AS new (subject, wrapped)
WHERE d.subject = new.subject AND d.wrapped IS NOT NULL
"""

WRAPPED_BY = "SELECT count(*) FROM data_keys WHERE kek = %s AND wrapped IS NOT NULL"

# The tombstone also of a subject that has no key here: an older backup of this database may not know it yet.
BURY = """
INSERT INTO data_keys (subject, kek, wrapped, destroyed_at)
SELECT DISTINCT subject, %s, NULL::bytea, now() FROM unnest(%s::text[]::uuid[]) AS gone (subject)
ON CONFLICT (subject) DO UPDATE SET wrapped = NULL, destroyed_at = now() WHERE data_keys.wrapped IS NOT NULL
"""


class Keyring:
    """Data keys of subjects. Thread-safe; holds no key longer than the call that asked for it.

    Every call may raise Unavailable (retry): a keyring that does not answer never means "erased".
    """

    def __init__(self, url: str, keks: KeyEncryptionKeys, *, pool_size: int = 4) -> None:
        self._keks = keks
        self._pool = ConnectionPool(
            url,
            min_size=1,
            max_size=pool_size,
            open=False,
            timeout=5.0,
            # Keys are only looked up by subject; a plan made while the table is empty must not be a scan.
            kwargs={"autocommit": True, "options": "-c enable_seqscan=off"},
        )

    def open(self) -> None:
        """Connects and creates the table if it is missing."""
        self._pool.open(wait=True, timeout=30.0)
        with self._connection() as connection:
            connection.execute(SCHEMA)

    def close(self) -> None:
        self._pool.close()

    def ensure(self, subjects: Collection[str], strangers: Collection[str] = ()) -> dict[str, DataKey]:
        """Every subject's key, made now for those that have none. Destroyed subjects are missing in the answer.

        `strangers` are those among them that most likely have none yet: the others are asked for first.
        """
        keys = self.fetch([subject for subject in subjects if subject not in strangers])
        wanted = sorted(subject for subject in subjects if subject not in keys)
        if not wanted:
            return keys
        keks = self._refreshed()
        new = [keks.wrap(subject, os.urandom(32)) for subject in wanted]
        keys |= self._open_rows(ENSURE, {"kek": keks.current, "subjects": wanted, "wrapped": new})
        # A key that another call made while this statement ran is invisible to it: missing is not yet erased.
        return keys | self.fetch([subject for subject in wanted if subject not in keys])

    def fetch(self, subjects: Collection[str]) -> dict[str, DataKey]:
        """The keys of the subjects that have one; a destroyed or unknown subject is missing in the answer."""
        if not subjects:
            return {}
        return self._open_rows(FETCH, (list(subjects),))

    def disclose(self, subjects: Collection[str]) -> dict[str, bytes]:
        """The bare data keys (32 bytes) of the subjects that have one, for whoever may open their records alone.

        Whoever asks for them has to record that as an access.
        """
        return {
            subject: self._unwrap(subject, kek, wrapped)
            for subject, kek, wrapped in self._rows(FETCH, (list(subjects),))
        }

    def keyed(self, digest: bytes) -> bytes:
        """The digest of a command's body as it is stored: without the key nobody can try out what the body was."""
        return hmac.digest(self._keks.command_key, digest, "sha256")[:16]

    def destroy(self, subject: str) -> bool:
        """Erases the subject for ever. True if this call did it, False if it was gone or never had a key."""
        with self._connection() as connection:
            done = connection.execute(
                "UPDATE data_keys SET wrapped = NULL, destroyed_at = now() WHERE subject = %s AND wrapped IS NOT NULL",
                (subject,),
            )
            metrics.KEYRING_OPERATIONS.labels("destroyed").inc(done.rowcount)
            return done.rowcount == 1

    def bury(self, subjects: Collection[str]) -> int:
        """Erases the subjects for ever, also those that never had a key: none is made for them. How many were new."""
        with self._connection() as connection:
            done = connection.execute(BURY, (self._keks.current, list(subjects)))
            metrics.KEYRING_OPERATIONS.labels("destroyed").inc(done.rowcount)
            return done.rowcount

    def destroyed_at(self, subject: str) -> str | None:
        """When the subject's key was destroyed, as `instant` writes it; None if it was not, or never was one."""
        rows = self._rows("SELECT destroyed_at FROM data_keys WHERE subject = %s", (subject,))
        return instant(rows[0][0]) if rows and rows[0][0] is not None else None

    def rewrap(self, limit: int = 1_000) -> int:
        """Wraps up to so many data keys anew, with the current key-encryption key. How many; 0 when none is left.

        No event changes: data keys stay the same. Whoever fetches a key meanwhile gets it.
        """
        keks = self._refreshed()
        with self._connection() as connection, connection.transaction():
            old = connection.execute(REWRAPPED, (keks.current, limit)).fetchall()
            new = [keks.wrap(subject, self._unwrap(subject, kek, wrapped)) for subject, kek, wrapped in old]
            connection.execute(REWRAP, (keks.current, [subject for subject, _, _ in old], new))
        return len(old)

    def wrapped_by(self, kek: int) -> int:
        """How many data keys a key-encryption key still wraps."""
        with self._connection() as connection:
            row = connection.execute(WRAPPED_BY, (kek,)).fetchone()
        return int(row[0]) if row else 0

    def _unwrap(self, subject: str, kek: int, wrapped: bytes) -> bytes:
        try:
            return self._keks.unwrap(subject, kek, wrapped)
        except UnknownKek:
            pass
        try:
            return self._refreshed().unwrap(subject, kek, wrapped)
        except UnknownKek as unknown:
            raise Unavailable(f"{unknown}; until then personal data cannot be read") from unknown

    def _refreshed(self) -> KeyEncryptionKeys:
        # The file may have been replaced by a rotation: then its newest key wraps from now on.
        try:
            self._keks = self._keks.newest()
        except (OSError, ValueError) as error:
            raise Unavailable("the file of the key-encryption keys cannot be read") from error
        return self._keks

    def _open_rows(self, statement: Any, parameters: Any) -> dict[str, DataKey]:
        return {
            subject: DataKey(subject, DATA_KEY_VERSION, AESGCM(self._unwrap(subject, kek, wrapped)))
            for subject, kek, wrapped in self._rows(statement, parameters)
        }

    def _rows(self, statement: Any, parameters: Any) -> list[tuple[Any, ...]]:
        with self._connection() as connection:
            rows = connection.execute(statement, parameters, binary=True, prepare=True).fetchall()
        metrics.KEYRING_OPERATIONS.labels("made or fetched" if statement is ENSURE else "fetched").inc(len(rows))
        return rows

    @contextmanager
    def _connection(self) -> Iterator[Connection[Any]]:
        try:
            with self._pool.connection() as connection:
                yield connection
        except (OperationalError, PoolTimeout) as error:
            raise Unavailable("the keyring does not answer; personal data cannot be read or written now") from error
