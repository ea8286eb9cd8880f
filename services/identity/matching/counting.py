"""Counting how often values occur: from records one after the other, or from a large file in several processes.

A file has many millions of values, and most of them belong to one record. So its processes count hashes, and only what
several records have is looked at as text.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import log2
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.identity.matching.frequencies import EMPTY, UNSEEN, Frequencies, birth_key, han_parts
from services.identity.matching.record import Normal
from services.identity.matching.rows import Rows

LEAN = 500
"""Records that chances known from elsewhere count for."""
LEAST = 1e-4
"""However many records there are, a value's chance falls no lower than its unseen one, or this."""
OFTEN = 3
"""Records from which on a value is kept that is not known from elsewhere."""


def values(normal: Normal) -> Iterable[tuple[str, str]]:
    """Every (table, value) of a record that is counted; a value once per record."""
    seen: set[tuple[str, str]] = set()
    for name in normal.names:
        family, given = han_parts(name)
        seen.update((("given", name.given), ("family", name.family), ("given", given), ("family", family)))
    seen.update(("company", company.core) for company in normal.companies)
    seen.update(("phone", phone.number) for phone in normal.phones)
    seen.update(("email", email.address) for email in normal.emails)
    seen.update(("identity", f"{identity.type}:{identity.value}") for identity in normal.identities)
    for home in normal.homes:
        seen.update((("road", home.road), ("unit", home.unit), ("city", home.city or home.district)))
        seen.add(("postcode", home.postcode))
    if normal.birth is not None:
        seen.add(("birth", birth_key(normal.birth.year, normal.birth.month, normal.birth.day)))
    seen.update(("extra", f"{name}:{value}") for name, value in normal.extra)
    return (pair for pair in seen if pair[1])


def learn(records: Iterable[Normal], known: Frequencies = EMPTY) -> Frequencies:
    """Counts the values of all records of a base; `known` are chances from elsewhere that a small base leans on.

    Values of one or two records that are not known from elsewhere are not kept: they are unseen ones.
    """
    counts: dict[str, Counter[str]] = {table: Counter() for table in UNSEEN}
    number = 0
    for normal in records:
        number += 1
        for table, value in values(normal):
            counts[table][value] += 1
    return from_counts(counts, number, known)


class Counted(NamedTuple):
    """One entry per record and value: a hash of the table and the value, and the record's row.

    Hashes are of this process and those that it forks: never store one.
    """

    hashes: NDArray[np.int64]
    rows: NDArray[np.int32]


def counted(normals: Iterable[Normal], first: int = 0) -> Counted:
    """The values of records, which are numbered from `first`."""
    hashes, rows = array("q"), array("i")
    for row, normal in enumerate(normals, start=first):
        found = [hash(pair) for pair in values(normal)]
        hashes.extend(found)
        rows.extend([row] * len(found))
    return Counted(np.frombuffer(hashes, np.int64), np.frombuffer(rows, np.int32))


def learn_file(parts: Sequence[Counted], rows: Rows, known: Frequencies = EMPTY) -> Frequencies:
    """What `learn` says of all these records, which were counted in parts."""
    hashes = np.concatenate([np.zeros(0, np.int64), *(part.hashes for part in parts)])
    holders = np.concatenate([np.zeros(0, np.int32), *(part.rows for part in parts)])
    distinct, places, times = np.unique(hashes, return_index=True, return_counts=True)
    often = times >= OFTEN
    number = dict(zip(distinct[often].tolist(), times[often].tolist(), strict=True))
    counts: dict[str, dict[str, int]] = {table: {} for table in UNSEEN}
    for row in np.unique(holders[places[often]]).tolist():
        for pair in values(rows.normal(row)):
            if found := number.get(hash(pair)):
                counts[pair[0]][pair[1]] = found
    elsewhere = [(table, value) for table in counts for value in known.tables.get(table, ())]
    for (table, value), found in zip(elsewhere, _looked_up(elsewhere, distinct, times), strict=True):
        counts[table][value] = found
    return from_counts(counts, len(rows), known)


def _looked_up(pairs: Sequence[tuple[str, str]], distinct: NDArray[np.int64], times: NDArray[np.intp]) -> list[int]:
    """How often each of these was counted."""
    if not len(distinct):
        return [0] * len(pairs)
    hashes = np.array([hash(pair) for pair in pairs], np.int64)
    at = np.minimum(np.searchsorted(distinct, hashes), len(distinct) - 1)
    found: list[int] = np.where(distinct[at] == hashes, times[at], 0).tolist()
    return found


def from_counts(counts: Mapping[str, Mapping[str, int]], records: int, known: Frequencies = EMPTY) -> Frequencies:
    """The rarities of counted values. Deterministic: tables and values are sorted."""
    tables = {}
    for table, counted in sorted(counts.items()):
        elsewhere = known.tables.get(table, {})
        kept = {value for value, count in counted.items() if count >= OFTEN} | elsewhere.keys()
        unseen = UNSEEN[table]
        tables[table] = {
            value: _rarity(
                counted.get(value, 0), records, 2 ** (-elsewhere[value] / 1000) if value in elsewhere else unseen
            )
            for value in sorted(kept)
        }
    return Frequencies(tables, records)


def _rarity(count: int, records: int, elsewhere: float) -> int:
    """The pair itself is not counted; what is known from elsewhere counts as LEAN records more."""
    known = elsewhere if records < 1 else elsewhere * LEAN / (records + LEAN) + min(elsewhere, LEAST)
    return round(-1000 * log2(min(max(count - 2, 0) / (records + LEAN) + known, 1.0)))
