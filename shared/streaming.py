"""What stands on the wire around a record, and which records of a batch a consumer applies, parks or drops. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import msgspec

Headers = list[tuple[str, bytes]]

NO_HEADERS = "its position headers are missing or not valid"
NO_KEY = "its key is missing, too long or no text"
NO_VALUE = "it has no value"
BEHIND = "an earlier record of this key is parked"
MAX_KEY_BYTES = 256
"""Of a key that can be kept: ours are 36 bytes, PostgreSQL indexes no more than 2,700 and stores no NUL."""


class RecordHead(msgspec.Struct, frozen=True):
    """The few fields of a stored record that its headers need."""

    id: str
    type: str
    v: int
    log: str
    customer: str
    recorded_at: str


class Received(Protocol):
    """A record as the client library gives it (aiokafka's ConsumerRecord)."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class Source(NamedTuple):
    """One record as it was read, with where it stands.

    `reason` says why a record is unusable. Without position headers its `position` and `prev` are 0; without a key, or
    without a position, its `key` is synthetic ("<name>@<offset>"), so that parking it blocks no customer.
    """

    name: str
    topic: str
    partition: int
    offset: int
    position: int
    prev: int
    key: str
    value: bytes
    reason: str | None = None


class Parked(NamedTuple):
    """A record to put aside, with the reason that is shown to operators."""

    source: Source
    reason: str


class Advance(NamedTuple):
    """How far one source "<topic>/<partition>" moves: a compare-and-set from `expected` to `position`."""

    expected: int
    position: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class Hole:
    """A partition in which at least one record between `tracked` and the next one read is missing."""

    topic: str
    partition: int
    tracked: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with one batch. `apply` and `park` are in the order in which the records were read."""

    apply: list[Source] = field(default_factory=list)
    park: list[Parked] = field(default_factory=list)
    positions: dict[str, Advance] = field(default_factory=dict)
    duplicates: int = 0
    holes: list[Hole] = field(default_factory=list)

    def parking(self, failed: Source, reason: str) -> "Plan":
        """The same plan with one failed record, and the later ones of its key, parked instead of applied."""
        at = self.apply.index(failed)
        apply = self.apply[:at]
        park = [*self.park, Parked(failed, reason)]
        for source in self.apply[at + 1 :]:
            if source.key == failed.key:
                park.append(Parked(source, BEHIND))
            else:
                apply.append(source)
        # Per key, what was parked before comes later in the log: a key with parked records has none left in `apply`.
        return Plan(apply, park, self.positions, self.duplicates, self.holes)


def source_name(topic: str, partition: int) -> str:
    """The name under which the position of a partition is kept."""
    return f"{topic}/{partition}"


def build_headers(head: RecordHead, position: int, prev: int) -> Headers:
    """CloudEvents 1.0 binary mode, plus the place of the record in its log and in its partition."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", head.id.encode()),
        ("ce_type", f"{head.type}.v{head.v}".encode()),
        ("ce_source", f"/custlog/{head.log}".encode()),
        ("ce_subject", head.customer.encode()),
        ("ce_time", head.recorded_at.encode()),
        ("content-type", b"application/json"),
        ("position", b"%d" % position),
        ("prev", b"%d" % prev),
    ]


def parse_source(record: Received) -> Source:
    """Place one record. Never raises for what the record holds: an unusable one carries the reason."""
    topic, partition, offset = record.topic, record.partition, record.offset
    name = source_name(topic, partition)
    position = prev = -1
    for header, content in record.headers:
        if header == "position":
            position = _number(content)
        elif header == "prev":
            prev = _number(content)
    key = _text(record.key)
    reason = None
    if position < 1 or prev < 0 or prev >= position:
        reason, position, prev, key = NO_HEADERS, 0, 0, None
    elif key is None:
        reason = NO_KEY
    elif record.value is None:
        reason = NO_VALUE
    key = key or f"{name}@{offset}"
    return Source(name, topic, partition, offset, position, prev, key, record.value or b"", reason)


def parse_sources(records: Iterable[Received]) -> list[Source]:
    """Place the records of a batch, in their order."""
    return [parse_source(record) for record in records]


def plan(sources: Sequence[Source], positions: Mapping[str, int], blocked: Collection[str]) -> Plan:
    """Decide the fate of every record of a batch.

    sources    in the order read; per partition that is the order of offsets
    positions  the stored position per source name; absent means nothing was read yet
    blocked    keys of the batch that have parked records

    Each position is applied or parked exactly once over any re-delivery. After a hole nothing more of that partition is
    taken: the caller rewinds it. `positions` holds only sources that were read beyond a hole-free prefix.
    """
    tracked: dict[str, int] = {}
    offsets: dict[str, int] = {}
    waiting = set(blocked)
    holes: dict[str, Hole] = {}
    result = Plan()
    duplicates = 0
    for source in sources:
        name = source.name
        if name in holes:
            continue
        at = tracked.get(name)
        if at is None:
            at = tracked[name] = positions.get(name, 0)
        if source.position and source.position <= at:
            duplicates += 1
        elif source.prev > at:
            holes[name] = Hole(source.topic, source.partition, at)
            continue
        else:
            tracked[name] = source.position or at
            if source.reason is not None:
                result.park.append(Parked(source, source.reason))
                waiting.add(source.key)
            elif source.key in waiting:
                result.park.append(Parked(source, BEHIND))
            else:
                result.apply.append(source)
        offsets[name] = source.offset + 1
    advances = {name: Advance(positions.get(name, 0), tracked[name], offset) for name, offset in offsets.items()}
    return Plan(result.apply, result.park, advances, duplicates, list(holes.values()))


def _number(content: bytes | None) -> int:
    if content is not None and content.isdigit() and len(content) <= 18:  # fits 64 bits
        return int(content)
    return -1


def _text(key: bytes | None) -> str | None:
    if not key or len(key) > MAX_KEY_BYTES or b"\0" in key:
        return None
    try:
        return key.decode()
    except UnicodeDecodeError:
        return None
