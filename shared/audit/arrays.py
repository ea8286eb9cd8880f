"""Large arrays for PostgreSQL, encoded as a whole: psycopg's own way makes several calls for each element."""

from __future__ import annotations

from itertools import chain
from struct import pack
from typing import Any

from psycopg import Connection
from psycopg.adapt import Dumper
from psycopg.pq import Format

_BYTEA = 17
_BIGINT = 20
_BYTEA_ARRAY = 1001
_BIGINT_ARRAY = 1016


class Blobs(list[bytes]):
    """A bytea[]."""


class Bigints(list[int]):
    """A bigint[]."""


def register(connection: Connection[Any]) -> None:
    """Lets Blobs and Bigints be parameters (%b) on a connection."""
    connection.adapters.register_dumper(Blobs, _BlobsDumper)
    connection.adapters.register_dumper(Bigints, _BigintsDumper)


class _BlobsDumper(Dumper):
    format = Format.BINARY
    oid = _BYTEA_ARRAY

    def dump(self, obj: Blobs) -> bytes:
        lengths = {length: pack(">i", length) for length in set(map(len, obj))}
        return _header(_BYTEA, obj) + b"".join(chain.from_iterable([(lengths[len(each)], each) for each in obj]))


class _BigintsDumper(Dumper):
    format = Format.BINARY
    oid = _BIGINT_ARRAY

    def dump(self, obj: Bigints) -> bytes:
        return _header(_BIGINT, obj) + pack(">" + "iq" * len(obj), *chain.from_iterable([(8, each) for each in obj]))


def _header(element: int, values: list[Any]) -> bytes:
    """One dimension from 1 on, without NULLs."""
    return pack(">iiIii", 1, 0, element, len(values), 1) if values else pack(">iiI", 0, 0, element)
