"""Records one at a time, in memory: each is compared with those that share a key, when it arrives, changes or goes.

What a record is worth against another is a function of the two and the model, so the order of arrival changes nothing
about a pair. Keys are stored as hashes of this process and records in packed form, to hold a million in little memory.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from math import log2
from typing import NamedTuple, TypeAlias

from services.identity.matching.compare import Band, Levels, band, likely, total
from services.identity.matching.keys import SUPPORTING, WEAK, index_keys
from services.identity.matching.model import Model
from services.identity.matching.person import SLIPS, digit_slips
from services.identity.matching.record import Normal
from services.identity.matching.rows import packed, unpacked

_NEAR = 8
"""Records up to which one key is enough for a pair to be compared; of those that more records have, it takes two."""
_MUCH = 2
"""More than so many keys that hardly anybody has, or more of others, bring those together whose birth dates differ."""
FEW = 600
"""Records up to which all that share a key are compared."""
_BITS = [1000 * bits for bits in range(64)]
_WORTH = [0, *(round(1000 * log2(size)) for size in range(1, 4096))]
"""What a key is worth less the more records have it."""

Rows: TypeAlias = "array[int]"
"""The rows under a key: as a list they would be objects all over the memory, of which each look is a miss."""
_Block: TypeAlias = tuple[int, Collection[int]]
"""What a key is worth, and the rows under it."""


class _Sharing(NamedTuple):
    """Who has keys of a record: few others do, more do, a second key has to say so too; and keys that are full.

    `sure` are those who have a phone, an e-mail address, an identifier or a company's name of it.
    """

    near: list[_Block]
    wide: list[_Block]
    second: list[_Block]
    full: dict[str, Collection[int]]
    sure: list[Collection[int]]


class Candidate(NamedTuple):
    """A stored record that shares a key with the one asked about, and what the pair weighs."""

    id: str
    weight: int
    band: Band
    levels: Levels


class Found(NamedTuple):
    """Candidates from the review threshold on, the strongest first, ties by id.

    `compared` records shared most: keys count by their rarity, and only the nearest are compared. `skipped` are the
    kinds of keys under which there are too many records for the key to say anything.
    """

    candidates: tuple[Candidate, ...]
    compared: int
    skipped: tuple[str, ...]


class Matcher:
    """Records by key. Not safe for several threads."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.over_cap: Counter[str] = Counter()
        """Times that a record was not entered under a key because the key was full, by kind of key."""
        self._rows: dict[str, int] = {}
        self._ids: list[str] = []
        self._packed: list[bytes] = []
        self._led = bytearray()
        """By row, whether something leads to it for which supporting keys need not stand alone."""
        self._born = array("I")
        """By row, the date of birth as a number of eight digits, 0 where it is not known."""
        self._blocks: dict[int, int | Rows] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, record: str) -> bool:
        return record in self._rows

    def __getitem__(self, record: str) -> Normal:
        """The record as it was added. Raises KeyError for one that is not there."""
        return unpacked(self._packed[self._rows[record]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def add(self, record: str, normal: Normal) -> Found:
        """Finds the candidates of a new record and stores it. A record that is there already is changed."""
        if record in self._rows:
            return self.change(record, normal)
        made = index_keys(normal)
        found = self._find(normal, made, -1)
        self._store(record, normal, made)
        return found

    def load(self, records: Mapping[str, Normal]) -> None:
        """Stores records without asking what they match, as on a restart."""
        for record, normal in records.items():
            self.remove(record)
            self._store(record, normal, index_keys(normal))

    def find(self, normal: Normal, *, without: str = "") -> Found:
        """What a record would match; nothing is stored. `without` is left out of the candidates."""
        return self._find(normal, index_keys(normal), self._rows.get(without, -1))

    def change(self, record: str, normal: Normal) -> Found:
        """Stores the new form of a record under its new keys, and finds its candidates."""
        self.remove(record)
        return self.add(record, normal)

    def remove(self, record: str) -> None:
        """Forgets a record; one that is not there is no error."""
        row = self._rows.pop(record, None)
        if row is None:
            return
        for key in index_keys(unpacked(self._packed[row])):
            self._leave(hash(key), row)
        self._packed[row] = b""
        self._ids[row] = ""

    def why(self, a: Normal, b: Normal) -> tuple[str, ...]:
        """The kinds of keys that two records share."""
        shared = set(index_keys(a)) & set(index_keys(b))
        return tuple(sorted({key.partition(":")[0] for key in shared}))

    def _find(self, normal: Normal, made: tuple[str, ...], without: int) -> Found:
        led, born = _led(normal), _born(normal)
        near, wide, second, full, sure = self._sharing(made, led=led)
        nearest = self.model.caps.nearest
        if len(self._rows) <= FEW:
            shared = _counted([*near, *wide, *second, *((0, block) for block in full.values())])
            shared.pop(without, None)
            rows = list(shared)
        else:
            shared = _shared(near, [*wide, *second])
            shared.pop(without, None)
            rows = _nearest(self._likely(shared, born, sure), nearest)
            if not rows:
                shared = _counted(() if led else wide)
                shared.pop(without, None)
                rows = _nearest(self._likely(shared, born, sure), nearest)
                crowd = dict.fromkeys(row for kind, block in full.items() if kind not in SUPPORTING for row in block)
                rows += islice((row for row in crowd if row != without and row not in shared), nearest)
        return Found(self._weigh(normal, rows), len(rows), tuple(full))

    def _sharing(self, made: tuple[str, ...], *, led: bool) -> _Sharing:
        near, wide, second, full, sure = found = _Sharing([], [], [], {}, [])
        blocks, cap = self._blocks, self.model.caps.block
        whole = self._bits()
        for key in made:
            block = blocks.get(hash(key))
            if block is None:
                continue
            rows = (block,) if isinstance(block, int) else block
            kind = key.partition(":")[0]
            if len(rows) >= cap:
                full[kind] = rows
                continue
            worth, supports = whole - _WORTH[len(rows)], kind in SUPPORTING
            if not supports and kind != "name":
                sure.append(rows)
            mine = near if len(rows) <= _NEAR else wide
            if led and (kind in WEAK or (supports and mine is wide)):
                second.append((worth, rows))
            elif kind in WEAK or (supports and led):
                mine.append((worth, [row for row in rows if not self._led[row]]))
                second.append((worth, [row for row in rows if self._led[row]]))
            else:
                mine.append((worth, rows))
        return found

    def _likely(self, shared: Mapping[int, int], born: int, sure: Sequence[Collection[int]]) -> Mapping[int, int]:
        """Without those who were born in another year, and not by a slip of the keyboard, and share little else."""
        if not born:
            return shared
        much = _MUCH * self._bits()
        return {
            row: worth
            for row, worth in shared.items()
            if worth > much or not _apart(born, self._born[row]) or any(row in rows for rows in sure)
        }

    def _bits(self) -> int:
        """What a key is worth that one record has."""
        return _BITS[len(self._rows).bit_length()]

    def _weigh(self, normal: Normal, rows: Iterable[int]) -> tuple[Candidate, ...]:
        model, stored = self.model, self._packed
        least = min(model.review, model.merge)
        found = []
        for row in rows:
            levels = likely(normal, unpacked(stored[row]), model, least)
            if levels is not None and (weight := total(levels, model)) >= least:
                found.append(Candidate(self._ids[row], weight, band(weight, model), levels))
        if len(found) > 1:
            found.sort(key=lambda candidate: (-candidate.weight, candidate.id))
        return tuple(found)

    def _store(self, record: str, normal: Normal, made: tuple[str, ...]) -> None:
        row = self._rows[record] = len(self._ids)
        self._ids.append(record)
        self._packed.append(packed(normal))
        self._led.append(_led(normal))
        self._born.append(_born(normal))
        blocks, cap = self._blocks, self.model.caps.block
        for key in made:
            hashed = hash(key)
            block = blocks.get(hashed)
            if block is None:
                blocks[hashed] = row
            elif isinstance(block, int):
                blocks[hashed] = array("I", (block, row))
            elif len(block) < cap:
                block.append(row)
            else:
                self.over_cap[key.partition(":")[0]] += 1

    def _leave(self, hashed: int, row: int) -> None:
        block = self._blocks.get(hashed)
        if block == row:
            del self._blocks[hashed]
        elif isinstance(block, array) and row in block:
            block.remove(row)
            if not block:
                del self._blocks[hashed]


def _led(normal: Normal) -> bool:
    """Whether a phone, an e-mail address or an identifier leads to somebody."""
    return bool(normal.phones or normal.emails or normal.identities)


def _born(normal: Normal) -> int:
    birth = normal.birth
    if birth is None or birth.placeholder or not birth.month or not birth.day:
        return 0
    return birth.year * 10_000 + birth.month * 100 + birth.day


def _apart(born: int, other: int) -> bool:
    """Whether two dates, 0 for unknown, are of other years and other days, in more digits than somebody mistypes."""
    if not other or born // 10_000 == other // 10_000 or born % 10_000 == other % 10_000:
        return False
    return digit_slips(str(born), str(other)) > SLIPS


def _shared(near: Sequence[_Block], wide: Sequence[_Block]) -> dict[int, int]:
    """What the shared keys of those records are worth that share a rare one, or two."""
    shared = _counted(near)
    several = set(shared)
    for worth, rows in wide:
        for row in rows:
            if row in shared:
                shared[row] += worth
                several.add(row)
            else:
                shared[row] = worth
    return {row: shared[row] for row in several}


def _counted(blocks: Iterable[_Block]) -> dict[int, int]:
    """What the shared keys are worth by row."""
    shared: dict[int, int] = {}
    known = shared.get
    for worth, rows in blocks:
        for row in rows:
            shared[row] = known(row, 0) + worth
    return shared


def _nearest(shared: Mapping[int, int], most: int) -> list[int]:
    """Those that share most, ties by row."""
    if len(shared) <= most:
        return list(shared)
    ordered = sorted(shared)
    ordered.sort(key=shared.__getitem__, reverse=True)
    return ordered[:most]
