"""Message authentication codes on what relays publish: who cannot read the audit keys cannot forge a record.

A relay puts the header `mac` behind all others of a record: "<version of the key>:<hex>", the HMAC-SHA256 over all that
a consumer gets of it (topic, partition, key, value, the headers before). A copy of a record elsewhere, or with anything
of it changed, therefore has a wrong code. What a code cannot tell is a copy of a true record of an earlier topic of the
same name: a topic holds one epoch, that of its first record, and `Admission` refuses every other one.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec
import structlog

from shared import metrics
from shared.audit.keys import MacKeys
from shared.streaming import Headers, Received

HEADER = "mac"

NO_MAC = "it has no authentication code"
UNKNOWN_KEY = "its authentication code is of a key that is not known here"
WRONG_MAC = "its authentication code is wrong"
REPLAYED = "it belongs to an earlier topic of this name"

FirstEpochs: TypeAlias = Callable[[str, Collection[int]], Awaitable[Mapping[int, str]]]
"""(topic, partitions) -> the epoch of the first record of each that a relay published."""

logger = structlog.get_logger(__name__)

# MessagePack tags every part with its type and length: no two records have the same encoding.
_encode = msgspec.msgpack.Encoder().encode


class Authenticator:
    """Makes codes with the newest key, checks them with the key of their version.

    A key may be taken out only when no record of it is left on a topic (`custlog republish --all`): what was published
    under it is refused from then on.
    """

    def __init__(self, keys: MacKeys) -> None:
        # Copying a prepared one costs half of a new one.
        self._prepared = {version: hmac.new(key, digestmod="sha256") for version, key in keys.keys.items()}
        self._current = keys.current

    def sign(self, topic: str, partition: int, key: bytes, value: bytes, headers: Headers) -> tuple[str, bytes]:
        """The header that comes behind these of a record."""
        code = self._code(self._current, topic, partition, key, value, headers)
        return HEADER, b"%d:%b" % (self._current, code)

    def doubt(self, record: Received) -> str | None:
        """Why a record is not to be believed, None if a relay published it as it is here. Never raises."""
        headers = record.headers
        name, given = headers[-1] if headers else ("", None)
        if name != HEADER or given is None:
            return NO_MAC
        version, _, code = given.partition(b":")
        if not version.isdigit() or len(version) > 9 or int(version) not in self._prepared:
            return UNKNOWN_KEY
        right = self._code(int(version), record.topic, record.partition, record.key, record.value, headers[:-1])
        return None if hmac.compare_digest(code, right) else WRONG_MAC

    def _code(self, version: int, *parts: object) -> bytes:
        mac = self._prepared[version].copy()
        mac.update(_encode(parts))
        return mac.hexdigest().encode()


class Refused(NamedTuple):
    """A record that nobody may believe, and why."""

    record: Received
    reason: str


class Admission:
    """Lets those records of some topics through that their relays published, of the epoch that the topic holds.

    first_epochs  looks at the beginning of a topic. Asked for a partition that is new here, and when a record of
                  another epoch comes: either the topic was made anew, or the record is a copy. None for a reader who
                  gets every partition from its beginning, so that its first true record tells.

    The others are refused: logged as errors and counted, never parked, since a forged record must not hold up the
    customer whom it names.
    """

    def __init__(self, authenticator: Authenticator, first_epochs: FirstEpochs | None = None) -> None:
        self._authenticator = authenticator
        self._first_epochs = first_epochs
        self._epochs: dict[tuple[str, int], str] = {}

    async def admit(self, records: Iterable[Received]) -> list[Received]:
        """The true ones of these records, in their order. Raises what `first_epochs` raises (retry), nothing else."""
        refused: list[Refused] = []
        signed: list[Received] = []
        for record in records:
            if (reason := self._authenticator.doubt(record)) is None:
                signed.append(record)
            else:
                refused.append(Refused(record, reason))
        await self._look_at(signed)
        true: list[Received] = []
        for record in signed:
            if self._epochs.setdefault((record.topic, record.partition), epoch_of(record)) == epoch_of(record):
                true.append(record)
            else:
                refused.append(Refused(record, REPLAYED))
        _tell(refused)
        return true

    async def _look_at(self, records: Sequence[Received]) -> None:
        """Brings up to date which epochs the topics of these records hold."""
        if self._first_epochs is None:
            return
        unlike: dict[str, set[int]] = {}
        for record in records:
            if self._epochs.get((record.topic, record.partition)) != epoch_of(record):
                unlike.setdefault(record.topic, set()).add(record.partition)
        for topic, partitions in unlike.items():
            for partition, epoch in (await self._first_epochs(topic, partitions)).items():
                self._epochs[topic, partition] = epoch


def epoch_of(record: Received) -> str:
    """The epoch of a record with a right code, "" if its relay named none."""
    # It stands where the relay has put it, before the code.
    name, content = record.headers[-2] if len(record.headers) > 1 else ("", None)
    return content.decode() if name == "epoch" and content is not None else ""


def _tell(refused: Sequence[Refused]) -> None:
    """One line per partition and reason, so that a flood of forged records does not become one of the log."""
    told: dict[tuple[str, int, str], list[int]] = {}
    for record, reason in refused:
        told.setdefault((record.topic, record.partition, reason), []).append(record.offset)
    for (topic, partition, reason), offsets in told.items():
        metrics.RECORDS_FORGED.labels(topic).inc(len(offsets))
        logger.error(
            "records_refused",
            topic=topic,
            partition=partition,
            offset=offsets[0],
            last_offset=offsets[-1],
            records=len(offsets),
            reason=reason,
        )
