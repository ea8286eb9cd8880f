"""The monitor at work, round after round: logs, witnesses, topics and views compared, and alarms told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from aiokafka.errors import KafkaError
from pymongo.errors import PyMongoError

from deploy.embedded.errors import EmbeddedError
from deploy.monitor.alarm import Alarm
from deploy.monitor.log_watch import LogWatch
from deploy.monitor.memory import Memory
from deploy.monitor.topic_watch import Interrupted, TopicWatch
from deploy.monitor.view_watch import ViewWatch
from shared import metrics
from shared.audit.inspection import Verdict
from shared.clock import Clock
from shared.errors import Unavailable
from shared.events.envelope import instant
from shared.log import get_logger, safe_message

_log = get_logger(__name__)

Handle = Callable[[Alarm], None]
"""Takes each alarm once, when it is found."""


@dataclass(slots=True)
class Round:
    """What one round found.

    alarms    everything that is wrong, what was told before and still stands included
    new       those of them that were not found in the round before
    troubles  what could not be looked at, and why: nothing is known about it
    """

    alarms: list[Alarm] = field(default_factory=list)
    new: list[Alarm] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    logs: dict[str, Verdict] = field(default_factory=dict)
    topics: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.alarms and not self.troubles

    def as_json(self) -> dict[str, Any]:
        logs = {
            log: {"size": verdict.size, "checkpoints": verdict.checkpoints, "cosigned": verdict.cosigned}
            for log, verdict in self.logs.items()
        }
        alarms = [alarm.as_json() for alarm in self.alarms]
        return {"ok": self.ok, "alarms": alarms, "troubles": self.troubles, "logs": logs, "topics": self.topics}


class Monitor:
    """Looks at one system. An alarm is kept, logged, counted and handed on when it is found, and not again while it
    stands."""

    def __init__(
        self,
        memory: Memory,
        clock: Clock,
        logs: Sequence[LogWatch],
        topics: Sequence[TopicWatch],
        views: ViewWatch | None = None,
        *,
        handle: Handle = lambda _: None,
        whole_seconds: float = 3600.0,
    ) -> None:
        """Every `whole_seconds` all is read from its beginning, for what was altered behind the last round."""
        self._memory = memory
        self._clock = clock
        self._logs = logs
        self._topics = topics
        self._views = views
        self._handle = handle
        self._whole_seconds = whole_seconds
        self._began = time.monotonic()
        self._standing: set[tuple[object, ...]] = set()

    async def round(self) -> Round:
        """Looks at everything once. Raises Forgotten or OSError (stop): the monitor's own folder cannot be used."""
        if time.monotonic() - self._began > self._whole_seconds:
            self._began = time.monotonic()
            for log in self._logs:
                log.begin_anew()
            for topic in self._topics:
                topic.begin_anew()
        found = Round()
        for log in self._logs:
            await self._look_at_log(log, found)
        for topic in self._topics:
            await self._look_at_topic(topic, found)
        if self._views is not None:
            await self._look_at_views(self._views, found)
        found.new = [alarm for alarm in found.alarms if alarm.identity not in self._standing]
        self._standing = {alarm.identity for alarm in found.alarms}
        for alarm in found.new:
            self._tell(alarm)
        for trouble in found.troubles:
            _log.warning("not looked at", reason=trouble)
        return found

    async def _look_at_log(self, watch: LogWatch, found: Round) -> None:
        try:
            looked = await asyncio.to_thread(watch.look)
        except Unavailable as error:
            watch.begin_anew()
            found.troubles.append(str(error))
            return
        found.alarms += looked.alarms
        found.troubles += looked.troubles
        if looked.verdict is not None:
            found.logs[watch.log] = looked.verdict
            metrics.AUDIT_SIZE.labels(watch.log).set(looked.verdict.size)

    async def _look_at_topic(self, watch: TopicWatch, found: Round) -> None:
        try:
            found.alarms += await watch.look()
        except (KafkaError, psycopg.Error, OSError, Interrupted) as error:
            # Read from its beginning next time: alarms of what was read in this look would be lost.
            watch.begin_anew()
            found.troubles.append(f"topic {watch.topic} could not be read: {_what(error)}")
        found.topics[watch.topic] = watch.records

    async def _look_at_views(self, watch: ViewWatch, found: Round) -> None:
        try:
            found.alarms += await watch.look()
        except (EmbeddedError, Unavailable, psycopg.Error, PyMongoError, OSError) as error:
            found.troubles.append(f"the views could not be compared: {_what(error)}")

    def _tell(self, alarm: Alarm) -> None:
        self._memory.write({"at": instant(self._clock.now()), **alarm.as_json()})
        metrics.AUDIT_ALARMS.labels(alarm.log, alarm.kind).inc()
        place = {} if alarm.place is None else {"topic": alarm.place.topic, "partition": alarm.place.partition}
        offset = {} if alarm.place is None else {"offset": alarm.place.offset}
        _log.error(
            "audit_alarm",
            log=alarm.log,
            kind=alarm.kind,
            first=alarm.first,
            last=alarm.last,
            reason=alarm.sentence,
            **place,
            **offset,
        )
        self._handle(alarm)


def _what(error: Exception) -> str:
    return f"{type(error).__name__}: {safe_message(error)}"
