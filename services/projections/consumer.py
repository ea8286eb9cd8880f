"""The three topics into the views, going on where MongoDB says, from the beginning if it must."""

import asyncio
from collections.abc import Mapping, Sequence

from services.projections.application import NAME, Application
from services.projections.store import Incomplete, OtherEpoch
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
        self._reached: dict[str, int] = {}

    async def handle(self, records: list[Received]) -> Plan:
        """Applies a batch or nothing of it. Raises Stop above the cap of parked records, else only to be retried."""
        try:
            done = await self._application.take(parse_sources(records))
        except OtherEpoch:
            _log.warning("a topic was published from its beginning, the views begin anew")
            await self._application.store.forget()
            await self._begin_anew()
            return Plan()
        except Incomplete:
            _log.warning("positions are missing, the views begin anew")
            await self._begin_anew()
            return Plan()
        self._reached |= {name: move.position for name, move in done.positions.items()}
        return done

    async def resume(self, partitions: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int | None]:
        """The offset at which to go on per partition. Begins anew where positions are missing."""
        store = self._application.store
        await store.prepare()
        stored = await store.inbox.positions(None, [source_name(*place) for place in partitions])
        self._reached = {name: at.position for name, at in stored.items()}
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
        """One look: begins anew where positions are missing, reads again where another instance has begun anew.

        Drops the builds that a process let go of before it died.
        """
        store = self._application.store
        if not await store.complete():
            _log.warning("positions are missing, the views begin anew")
            await self._begin_anew()
        await self._follow_back()
        await store.drop_retired()
        if self.subscription is not None:
            consumer_lag(Consuming(NAME, self.subscription))
        for topic, count in (await store.parked_by_topic()).items():
            metrics.RECORDS_PARKED.labels(NAME, topic).set(count)

    async def _begin_anew(self) -> None:
        await self._application.store.prepare()
        self._reached = {}
        if self.subscription is not None:
            for topic, partition in self.subscription.lag():
                await self.subscription.rewind(topic, partition)

    async def _follow_back(self) -> None:
        """Reads again what the store holds less of than was applied here: another instance has begun the views anew."""
        if self.subscription is None:
            return
        # Remembered before the store is asked, so that a batch in between is not taken for a step back.
        reached = dict(self._reached)
        stored = await self._application.store.inbox.positions(None, reached)
        for topic, partition in self.subscription.lag():
            name = source_name(topic, partition)
            if name in reached and name in stored and stored[name].position < reached[name]:
                _log.warning("the views began anew, reading again", source=name)
                self._reached[name] = stored[name].position
                await self.subscription.rewind(topic, partition)
