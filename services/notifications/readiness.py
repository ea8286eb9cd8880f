"""Whether this service can do its work now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services.notifications import consumer
from services.notifications.timers import Timers
from shared import metrics
from shared.errors import Unavailable
from shared.eventlog.log import Log
from shared.http import Readiness
from shared.ids import uuid7
from shared.relay import RelayStatus
from shared.subscription import Subscription

LATE_SECONDS = 60.0
"""Timers that wait longer than this are late."""


@dataclass(frozen=True, slots=True)
class Health:
    """Asks everything that the service depends on."""

    log: Log
    timers: Timers
    subscription: Subscription
    parked: Callable[[], Awaitable[tuple[int, list[str]]]]
    relay: Callable[[], RelayStatus]

    async def __call__(self) -> Readiness:
        """Not ready while a server is away, the consumer stands still or timers are late."""
        checks: dict[str, str] = {}
        parked = 0
        try:
            late = await self.timers.late_seconds()
            parked, _ = await self.parked()
            checks["postgres"] = "ok"
            checks["timers"] = "ok" if late <= LATE_SECONDS else f"{late:.0f} s late"
        except Unavailable:
            checks["postgres"] = "does not answer"
        checks["keyring"] = await self._keyring()
        checks["consumer"] = "ok" if self.subscription.ready else self.subscription.reason or self.subscription.state
        relay = self.relay()
        checks["relay"] = "ok" if relay.state in ("leading", "standby") else relay.reason or relay.state
        lag = self._lag()
        lag["relay notifications.events"] = relay.lag
        metrics.RELAY_LAG.labels("notifications").set(relay.lag)
        metrics.RELAY_LEADER.labels("notifications").set(relay.leader)
        return Readiness(all(state == "ok" for state in checks.values()), checks, lag, parked)

    async def _keyring(self) -> str:
        try:
            await self.log.in_thread(lambda: self.log.keyring.fetch({uuid7()}))
        except Unavailable:
            return "does not answer"
        return "ok"

    def _lag(self) -> dict[str, int]:
        lag: Counter[str] = Counter()
        for (topic, _), records in self.subscription.lag().items():
            # Not known before the first fetch: then nobody may take it for caught up.
            lag[topic] += 1 if records is None else records
        for topic in self.subscription.topics:
            metrics.CONSUMER_LAG.labels(consumer.NAME, topic).set(lag[topic])
        return {f"consumer {topic}": lag[topic] for topic in self.subscription.topics}
