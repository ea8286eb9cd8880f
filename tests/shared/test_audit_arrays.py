"""Arrays arrive in PostgreSQL as they were."""

from __future__ import annotations

import pytest

from shared.audit import tables
from shared.audit.arrays import Bigints, Blobs
from tests.support.servers import PostgresUrl

pytestmark = pytest.mark.server


def test_arrays_arrive_as_they_were(postgres_url: PostgresUrl) -> None:
    cases = [
        (Blobs([b"", b"\x00\xff", b"x" * 9000]), Bigints([0, -1, 2**63 - 1])),
        (Blobs([b"one"]), Bigints([-(2**63)])),
        (Blobs(), Bigints()),
    ]
    with tables.connect(postgres_url("arrays"), "test") as connection, connection.cursor(binary=True) as cursor:
        for blobs, numbers in cases:
            row = cursor.execute("SELECT %b::bytea[], %b::bigint[]", (blobs, numbers)).fetchone()
            assert row == (blobs, numbers)
