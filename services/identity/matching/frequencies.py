"""How rare a value is: two customers called Smith say less about being one than two called Featherstonehaugh.

A frequency is the chance that a record of somebody else has the value. It is counted from the records at hand, without
the two of the pair in question; below that stands, for each table, the chance of a value that was never seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import log2
from types import MappingProxyType

import msgspec

from services.identity.matching.record import PersonName

UNSEEN: Mapping[str, float] = MappingProxyType(
    {
        "given": 1e-4,
        "family": 3e-5,
        "birth": 3.5e-5,
        "phone": 1e-7,
        "email": 1e-7,
        "road": 5e-5,
        "unit": 2e-4,
        "city": 2e-4,
        "postcode": 1e-4,
        "identity": 1e-8,
        "company": 3e-6,
        "extra": 1e-3,
    }
)
"""Chance of sharing a value that the counts do not know, by table: what such values are like, not any data set."""

LONG_FAMILIES = frozenset(
    (
        "欧阳",
        "司马",
        "上官",
        "诸葛",
        "司徒",
        "东方",
        "皇甫",
        "尉迟",
        "公孙",
        "慕容",
        "令狐",
        "夏侯",
        "长孙",
        "宇文",
        "轩辕",
    )
)
"""Chinese family names of two characters in a name of three; a name of four is taken to have one."""


class Frequencies(msgspec.Struct, frozen=True):
    """`tables`: table -> value -> rarity in thousandths of a bit, for values seen often enough to count.

    `rest`: table -> rarity of a value that is in no table, where it is not that of UNSEEN. `records` is 0 as long as
    nobody has counted a base.
    """

    tables: dict[str, dict[str, int]] = {}
    records: int = 0
    rest: dict[str, int] = {}

    def rarity(self, table: str, value: str) -> int:
        """-log2 of the chance that somebody else has this value, in thousandths of a bit."""
        known = self.tables.get(table)
        found = None if known is None else known.get(value)
        return found if found is not None else self.rest.get(table) or _REST[table]


TYPICAL: Mapping[str, float] = MappingProxyType(
    {
        "given": 8e-4,
        "family": 3e-4,
        "birth": 4e-5,
        "phone": 2e-7,
        "email": 2e-7,
        "road": 3e-4,
        "unit": 5e-3,
        "city": 1e-2,
        "postcode": 1e-3,
        "identity": 1e-8,
        "company": 1e-5,
        "extra": 1e-2,
    }
)
"""Chance that somebody else has a value, by table, for a base that nobody has counted: the value may be a common one.

Higher than UNSEEN, because a value that a count did not meet is rare, and one that was never looked for need not be.
"""


def typical() -> dict[str, int]:
    """The rarities of TYPICAL by table, in thousandths of a bit."""
    return {table: round(-1000 * log2(chance)) for table, chance in TYPICAL.items()}


_REST: Mapping[str, int] = {table: round(-1000 * log2(chance)) for table, chance in UNSEEN.items()}


def han_parts(name: PersonName) -> tuple[str, str]:
    """(family, given) in Han characters; ("", "") for a name without."""
    han = name.han
    if not han:
        return "", ""
    cut = 2 if len(han) > 2 and (han[:2] in LONG_FAMILIES or len(han) == 4) else 1
    return han[:cut], han[cut:]


@lru_cache(maxsize=65536)
def birth_key(year: int, month: int, day: int) -> str:
    return str(year * 10_000 + month * 100 + day).zfill(8)


EMPTY = Frequencies()
