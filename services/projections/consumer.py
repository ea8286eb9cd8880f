"""The three topics into the views, going on where MongoDB says, from the beginning if it must."""

import asyncio
from collections.abc import Mapping, Sequence

from services.projections.application import NAME, Application
from services.projections.store import Incomplete
from shared import metrics
from shared.log import get_logger
from shared.readiness import Consuming, consumer_lag
from shared.streaming import Plan, Received, parse_sources, source_name
from shared.subscription import Subscription

TOPICS: Mapping[str, str] = {
    "customer.events": "customer",
    "identity.events": "identity",
    "notifications.events": "notifications",
}
"""Topic -> the log that it carries."""
WATCH_SECONDS = 2.0

_log = get_logger(__name__)


class Consumer:
    """The batch handler of this service. `subscription` is set once it is subscribed."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self.subscription: Subscription | None = None

    async def handle(self, records: list[Received]) -> Plan:
        """Applies a batch or nothing of it. Raises Stop above the cap of parked records, else only to be retried."""
        try:
            return await self._application.take(parse_sources(records))
        except Incomplete:
            await self._begin_anew()
            return Plan()

    async def resume(self, partitions: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int | None]:
        """The offset at which to go on per partition. Begins anew where positions are missing."""
        store = self._application.store
        await store.prepare()
        stored = await store.inbox.positions(None, [source_name(*place) for place in partitions])
        return {place: at.next_offset if (at := stored.get(source_name(*place))) else None for place in partitions}

    async def watch(self) -> None:
        """Shows lag and parked records as metrics, and notices views that were wiped while nothing arrives."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 - MongoDB may be away; the next look tells
                _log.warning("the views cannot be watched", error=type(error).__name__)

    async def look(self) -> None:
        """One look: begins anew where positions are missing."""
        store = self._application.store
        if not await store.complete():
            await self._begin_anew()
        if self.subscription is not None:
            consumer_lag(Consuming(NAME, self.subscription))
        for topic, count in (await store.parked_by_topic()).items():
            metrics.RECORDS_PARKED.labels(NAME, topic).set(count)

    async def _begin_anew(self) -> None:
        _log.warning("positions are missing, the views begin anew")
        await self._application.store.prepare()
        if self.subscription is not None:
            for topic, partition in self.subscription.lag():
                await self.subscription.rewind(topic, partition)
