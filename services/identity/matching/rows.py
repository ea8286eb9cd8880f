"""The records of a whole file in the order of their ids, many of them packed so that a million fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from services.identity.matching.record import Normal

PACKED_FROM = 50_000
"""Records from which on they are kept packed: about a tenth of the memory, some microseconds to look at one."""


class Packed(Sequence[tuple[str, Normal]]):
    """(id, record) pairs kept in packed form. Built once; records are decoded when they are looked at."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._packed: list[bytes] = []
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Normal).decode

    def append(self, record: str, normal: Normal) -> None:
        self._ids.append(record)
        self._packed.append(self._encode(normal))

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, row: int | slice) -> tuple[str, Normal]:  # type: ignore[override]  # slices are not needed
        if isinstance(row, slice):
            raise TypeError("packed records are read one at a time")
        return self._ids[row], self._decode(self._packed[row])

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

    def normals(self) -> Iterator[Normal]:
        return (self.normal(row) for row in range(len(self)))


class ById:
    """Records of a few ids, looked up by id."""

    def __init__(self, rows: Rows, wanted: dict[str, int]) -> None:
        self._rows, self._wanted = rows, wanted

    def __getitem__(self, key: str, /) -> Normal:
        return self._rows.normal(self._wanted[key])
