"""The records of a whole file in the order of their ids, many of them packed so that a million fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from services.identity.matching.record import Normal

_encode = msgspec.msgpack.Encoder().encode
unpacked = msgspec.msgpack.Decoder(Normal).decode
"""The record that was packed."""


def packed(normal: Normal) -> bytes:
    """A record in about a tenth of its memory; it takes some microseconds to be looked at again."""
    return _encode(normal)


class Packed(Sequence[tuple[str, Normal]]):
    """(id, record) pairs kept in packed form, which are decoded when they are looked at."""

    def __init__(self, ids: Sequence[str], records: Sequence[bytes]) -> None:
        self._ids, self._records = ids, records

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, row: int | slice) -> tuple[str, Normal]:  # type: ignore[override]  # slices are not needed
        if isinstance(row, slice):
            raise TypeError("packed records are read one at a time")
        return self._ids[row], unpacked(self._records[row])

    def id(self, row: int) -> str:
        """The id alone, without decoding the record."""
        return self._ids[row]


class Rows:
    """Records by row, rows in the order of ids, so that results do not depend on the order of the file."""

    def __init__(self, records: Sequence[tuple[str, Normal]]) -> None:
        self._records = records
        ids = (
            [records.id(row) for row in range(len(records))] if isinstance(records, Packed) else [r[0] for r in records]
        )
        self._order = sorted(range(len(ids)), key=ids.__getitem__)
        self.ids = [ids[row] for row in self._order]

    def __len__(self) -> int:
        return len(self._order)

    def normal(self, row: int) -> Normal:
        return self._records[self._order[row]][1]

    def normals(self, start: int = 0, end: int | None = None) -> Iterator[Normal]:
        return (self.normal(row) for row in range(start, len(self) if end is None else end))


class ById:
    """Records of a few ids, looked up by id."""

    def __init__(self, rows: Rows, wanted: dict[str, int]) -> None:
        self._rows, self._wanted = rows, wanted

    def __getitem__(self, key: str, /) -> Normal:
        return self._rows.normal(self._wanted[key])
