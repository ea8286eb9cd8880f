"""What stands on the wire around a record, and which records of a batch a consumer applies, parks or drops. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

import msgspec

from shared.epoch import NO_MARK, Mark, head_of, parse_epoch

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
    without a position, its `key` is synthetic ("<name>@<offset>"), so that parking it blocks no customer. `mark` is of
    the epoch and the event that its headers name.
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
    mark: Mark = NO_MARK


class Parked(NamedTuple):
    """A record to put aside, with the reason that is shown to operators."""

    source: Source
    reason: str


class Advance(NamedTuple):
    """How far one source "<topic>/<partition>" moves: a compare-and-set from `expected` to `position`.

    `mark` is that of the record at `position`.
    """

    expected: int
    position: int
    next_offset: int
    mark: Mark = NO_MARK


@dataclass(frozen=True, slots=True)
class Hole:
    """A partition in which at least one record between `tracked` and the next one read is missing."""

    topic: str
    partition: int
    tracked: int


@dataclass(frozen=True, slots=True)
class Foreign:
    """A partition in which another event stands, or none, where the consumer had applied one: the log went back."""

    topic: str
    partition: int
    tracked: int

    def __str__(self) -> str:
        return (
            f"The events up to position {self.tracked} of {self.topic}/{self.partition} that were applied here are not "
            "those of its log any more: an older backup of the log was restored"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with one batch. `apply` and `park` are in the order in which the records were read.

    With `foreign` partitions nothing may be applied: what the consumer holds is of another history.
    """

    apply: list[Source] = field(default_factory=list)
    park: list[Parked] = field(default_factory=list)
    positions: dict[str, Advance] = field(default_factory=dict)
    duplicates: int = 0
    holes: list[Hole] = field(default_factory=list)
    foreign: list[Foreign] = field(default_factory=list)

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
        return Plan(apply, park, self.positions, self.duplicates, self.holes, self.foreign)

    @classmethod
    def joined(cls, plans: Sequence["Plan"]) -> "Plan":
        """What was done altogether by plans that followed one another."""
        moved = {name: move for done in plans for name, move in done.positions.items()}
        began = {name: move.expected for done in reversed(plans) for name, move in done.positions.items()}
        return cls(
            [source for done in plans for source in done.apply],
            [parked for done in plans for parked in done.park],
            {name: move._replace(expected=began[name]) for name, move in moved.items()},
            sum(done.duplicates for done in plans),
            list(dict.fromkeys(hole for done in plans for hole in done.holes)),
            list(dict.fromkeys(foreign for done in plans for foreign in done.foreign)),
        )


def source_name(topic: str, partition: int) -> str:
    """The name under which the position of a partition is kept."""
    return f"{topic}/{partition}"


def build_headers(head: RecordHead, position: int, prev: int, epoch: str = "") -> Headers:
    """CloudEvents 1.0 binary mode, plus the place of the record in its log, in its partition and among the epochs."""
    headers = [
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
    if epoch:
        headers.append(("epoch", epoch.encode()))
    return headers


def parse_source(record: Received) -> Source:
    """Place one record. Never raises for what the record holds: an unusable one carries the reason."""
    topic, partition, offset = record.topic, record.partition, record.offset
    name = source_name(topic, partition)
    position = prev = -1
    epoch = event = ""
    for header, content in record.headers:
        if header == "position":
            position = _number(content)
        elif header == "prev":
            prev = _number(content)
        elif header == "epoch":
            epoch = parse_epoch(content)
        elif header == "ce_id":
            event = _text(content) or ""
    key = _text(record.key)
    reason = None
    if position < 1 or prev < 0 or prev >= position:
        reason, position, prev, key = NO_HEADERS, 0, 0, None
    elif key is None:
        reason = NO_KEY
    elif record.value is None:
        reason = NO_VALUE
    key = key or f"{name}@{offset}"
    return Source(name, topic, partition, offset, position, prev, key, record.value or b"", reason, Mark(epoch, event))


def parse_sources(records: Iterable[Received]) -> list[Source]:
    """Place the records of a batch, in their order."""
    return [parse_source(record) for record in records]


def plan(
    sources: Sequence[Source],
    positions: Mapping[str, int],
    blocked: Collection[str],
    marks: Mapping[str, Mark] = MappingProxyType({}),
) -> Plan:
    """Decide the fate of every record of a batch.

    sources    in the order read; per partition that is the order of offsets
    positions  the stored position per source name; absent means nothing was read yet
    blocked    keys of the batch that have parked records
    marks      what is known of the record at each of these positions; without it every epoch is taken for the same

    Each position is applied or parked exactly once over any re-delivery. After a hole nothing more of that partition is
    taken: the caller rewinds it. `positions` holds only sources that were read beyond a hole-free prefix. Records of
    another epoch are applied only once the record at the stored position was met again.
    """
    places: dict[str, _Place] = {}
    waiting = set(blocked)
    result = Plan()
    duplicates = 0
    for source in sources:
        place = places.get(source.name)
        if place is None:
            place = places[source.name] = _Place(positions.get(source.name, 0), marks.get(source.name, NO_MARK))
        if place.ended:
            continue
        match place.meet(source):
            case "duplicate":
                duplicates += 1
            case "hole":
                result.holes.append(Hole(source.topic, source.partition, place.at))
            case "foreign":
                result.foreign.append(Foreign(source.topic, source.partition, place.at))
            case "next":
                _decide(source, waiting, result)
    advances = {
        name: Advance(positions.get(name, 0), place.at, place.next_offset, place.mark)
        for name, place in places.items()
        if place.next_offset is not None
    }
    return Plan(result.apply, result.park, advances, duplicates, result.holes, result.foreign)


def _decide(source: Source, waiting: set[str], result: Plan) -> None:
    if source.reason is not None:
        result.park.append(Parked(source, source.reason))
        waiting.add(source.key)
    elif source.key in waiting:
        result.park.append(Parked(source, BEHIND))
    else:
        result.apply.append(source)


@dataclass(slots=True)
class _Place:
    """How far a partition has been read, while a batch is planned."""

    at: int
    mark: Mark
    next_offset: int | None = None
    ended: bool = False

    def meet(self, source: Source) -> Literal["next", "duplicate", "hole", "foreign"]:
        """What the next record is to this partition; moves on unless it ends there."""
        fate = self._fate(source)
        if fate in ("hole", "foreign"):
            self.ended = True
            return fate
        self.next_offset = source.offset + 1
        if source.position >= self.at and source.position:
            self.at, self.mark = source.position, source.mark
        return fate

    def _fate(self, source: Source) -> Literal["next", "duplicate", "hole", "foreign"]:
        other_epoch = self.at > 0 and self.mark.differs(source.mark)
        if not source.position:
            return "next"
        if source.position == self.at:
            return "duplicate" if self.mark.same_event(source.mark) else "foreign"
        if source.position < self.at:
            return "foreign" if other_epoch and self.at > head_of(source.mark.epoch) else "duplicate"
        # In another epoch the record at our position has to be met first: it tells whether the history is the same.
        return "hole" if source.prev > self.at or other_epoch else "next"


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
