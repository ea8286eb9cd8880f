"""Whether a service can do its work now, told by all services with the same names and words.

checks  "ok" or a reason, by dependency: postgres or mongo, keyring, consumer, relay, audit, and what a service adds
lag     records by "consumer <topic>" and "relay <topic>"; None where it is not known, which is never ready
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from shared import metrics
from shared.audit.sequencer import Sequencer, SequencerStatus
from shared.errors import Unavailable
from shared.http import Readiness
from shared.ids import uuid7
from shared.privacy.keyring import Keyring
from shared.relay import Relay, RelayStatus
from shared.subscription import Subscription

ANSWER_SECONDS = 3.0
STUCK_SECONDS = 10.0
"""A relay that has records waiting for so long and publishes none is not ready, whatever it says of itself."""

Lag: TypeAlias = Mapping[str, int | None]
Question: TypeAlias = Callable[[], Awaitable[str]]
"""Answers "ok" or a reason; an exception is a reason too."""


class Sample(NamedTuple):
    """Where a relay stood when it was looked at, and since when it has stood there with records waiting."""

    position: int
    waiting: bool
    since: float


@dataclass(frozen=True, slots=True)
class Publishing:
    """The relay of a log, None until there is one; `head` asks for the last position of the log."""

    name: str
    topic: str
    head: Callable[[], Awaitable[int]]
    relay: Callable[[], Relay | None]


@dataclass(frozen=True, slots=True)
class Auditing:
    """The sequencer of a log, None until there is one; `head` asks for the last position of the log."""

    head: Callable[[], Awaitable[int]]
    sequencer: Callable[[], Sequencer | None]


@dataclass(frozen=True, slots=True)
class Consuming:
    """A consumer by its name in the metrics."""

    name: str
    subscription: Subscription


class Health:
    """Asks everything that a service depends on, all at once. Call it for each answer; it remembers the last one."""

    def __init__(
        self,
        questions: Mapping[str, Question],
        *,
        publishing: Publishing | None = None,
        consuming: Consuming | None = None,
        auditing: Auditing | None = None,
        parked: Callable[[], Awaitable[tuple[int, object]]] | None = None,
    ) -> None:
        self._questions = questions
        self._publishing = publishing
        self._consuming = consuming
        self._auditing = auditing
        self._parked = parked
        self._sample: Sample | None = None

    async def __call__(self) -> Readiness:
        """The present state. Raises nothing: a dependency that fails is told."""
        answers = await asyncio.gather(*(answer(ask) for ask in self._questions.values()))
        checks = dict(zip(self._questions, answers, strict=True))
        lag: dict[str, int | None] = {}
        if self._consuming is not None:
            lag |= consumer_lag(self._consuming)
            checks["consumer"] = check_consumer(self._consuming.subscription, lag)
        if self._publishing is not None:
            checks["relay"] = await self._relay(self._publishing, lag)
        if self._auditing is not None:
            checks["audit"] = await _audit(self._auditing)
        parked = await self._count_parked()
        return Readiness(all(state == "ok" for state in checks.values()), checks, lag, parked)

    async def _relay(self, publishing: Publishing, lag: dict[str, int | None]) -> str:
        relay = publishing.relay()
        status = RelayStatus() if relay is None else relay.status()
        metrics.RELAY_LEADER.labels(publishing.name).set(status.leader)
        if status.state == "standby":
            return "ok"  # The process that leads tells the lag.
        head = await _head(publishing.head) if status.known else None
        behind = None if head is None else max(0, head - status.position)
        lag[f"relay {publishing.topic}"] = behind
        if behind is not None:
            metrics.RELAY_LAG.labels(publishing.name).set(behind)
        self._sample = sample(self._sample, status.position, behind, time.monotonic())
        return check_relay(status, behind, time.monotonic() - self._sample.since)

    async def _count_parked(self) -> int:
        if self._parked is None:
            return 0
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return (await self._parked())[0]
        except Exception:  # noqa: BLE001 - a check has told that the store is away
            return 0


async def answer(ask: Question) -> str:
    """The answer, or in a few words why there is none within ANSWER_SECONDS."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await ask()
    except (Unavailable, TimeoutError):
        return "does not answer"
    except Exception as error:  # noqa: BLE001 - whatever it is, the service is not ready
        return f"fails: {type(error).__name__}"


def answering(work: Callable[[], Awaitable[object]]) -> Question:
    """Whether some work comes to an end."""

    async def ask() -> str:
        await work()
        return "ok"

    return ask


def keyring(keys: Keyring) -> Question:
    """Whether the keyring answers."""
    return answering(lambda: asyncio.to_thread(keys.fetch, {uuid7()}))


def consumer_lag(consuming: Consuming) -> dict[str, int | None]:
    """Records not yet taken by topic, of this instance's partitions; None before each of them was fetched once, and
    for a topic that is gone."""
    subscription = consuming.subscription
    absent = subscription.absent()
    # Without partitions of its own an instance that runs has nothing to catch up with.
    lag: dict[str, int | None] = {
        topic: 0 if subscription.ready and topic not in absent else None for topic in subscription.topics
    }
    for (topic, _), records in subscription.lag().items():
        known = lag[topic]
        lag[topic] = None if known is None or records is None else known + records
    for topic, known in lag.items():
        if known is not None:
            metrics.CONSUMER_LAG.labels(consuming.name, topic).set(known)
    return {f"consumer {topic}": known for topic, known in lag.items()}


def check_consumer(subscription: Subscription, lag: Lag) -> str:
    """Whether records are taken and it is known how many wait."""
    if not subscription.ready:
        return f"{subscription.state}: {subscription.reason}" if subscription.reason else subscription.state
    unknown = [name for name, records in lag.items() if records is None]
    return f"lag not known yet: {', '.join(unknown)}" if unknown else "ok"


def check_relay(status: RelayStatus, lag: int | None, still: float) -> str:
    """Whether the log reaches its topic. `still` are the seconds in which records waited and none was published."""
    if status.state not in ("leading", "standby"):
        return f"{status.state}: {status.reason}" if status.reason else status.state
    if status.leader and status.reason:
        return status.reason
    if status.leader and lag is None:
        return "lag not known"
    if lag and still >= STUCK_SECONDS:
        return f"{lag} records have waited for {still:.0f} s and none was published"
    return "ok"


def check_audit(status: SequencerStatus, head: int | None, still: float) -> str:
    """Whether what is committed is signed. `still` are the seconds since the last pass ended; a head that is not known
    is told by the check of postgres."""
    if status.state != "signing":
        return f"{status.state}: {status.reason}" if status.reason else status.state
    if head is not None and head > status.size and still >= STUCK_SECONDS:
        return f"{head - status.size} records have waited for {still:.0f} s and none was signed"
    return f"refused: {status.refused}" if status.refused else "ok"


def sample(last: Sample | None, position: int, lag: int | None, now: float) -> Sample:
    """The next sample of a relay: time runs from when records were first seen waiting at a position."""
    if last is not None and lag and last.waiting and last.position == position:
        return last
    return Sample(position, bool(lag), now)


async def _audit(auditing: Auditing) -> str:
    sequencer = auditing.sequencer()
    if sequencer is None:
        return check_audit(SequencerStatus(), None, 0.0)
    # Asked in this order: what was committed meanwhile is not waiting yet.
    head = await _head(auditing.head)
    status = sequencer.status()
    return check_audit(status, head, time.monotonic() - status.passed)


async def _head(ask: Callable[[], Awaitable[int]]) -> int | None:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await ask()
    except Exception:  # noqa: BLE001 - the check of postgres tells it
        return None
