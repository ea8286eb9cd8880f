"""The notifications service: everything is made here, and passed on as arguments."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka.errors import KafkaError
from fastapi import FastAPI

from services.notifications import api, store
from services.notifications.application import Application
from services.notifications.channels.spool import Spool
from services.notifications.consumer import NAME, Consumer
from services.notifications.deliveries import Deliveries
from services.notifications.effects import Effects
from services.notifications.readiness import Health
from services.notifications.timers import Timers
from shared import log
from shared.access.tokens import Verifier
from shared.clock import SystemClock, TestClock, make_clock
from shared.eventlog.log import Log
from shared.http import Readiness, Tasks, create_app, serve
from shared.inbox import INBOX_DDL
from shared.privacy.keyring import KeyEncryptionKeys, Keyring
from shared.relay import Relay, RelayStatus
from shared.settings import Settings, SettingsError, load
from shared.subscription import Subscription, kafka_broker, subscribe
from shared.topics import ensure_topics

TOPICS = ("customer.events", "identity.events")
OWN_TOPIC = "notifications.events"


class Service:
    """One process of this service, wired but not running."""

    def __init__(self, settings: Settings, *, topics: tuple[str, ...] = TOPICS, own_topic: str = OWN_TOPIC) -> None:
        self.settings = settings
        self.topics = topics
        self.own_topic = own_topic
        wall = SystemClock()
        clock = make_clock(settings.clock)
        self.keyring = Keyring(settings.keyring_url, KeyEncryptionKeys.read(_given(settings.kek_file)))
        self.log = Log(NAME, settings.postgres_url, self.keyring, wall)
        self.spool = Spool(_given(settings.spool))
        self.deliveries = Deliveries(self.log, wall, {self.spool.name: self.spool})
        self.timers = Timers(self.log, clock, wall, channel=self.spool.name, when_queued=self.deliveries.wake)
        self.consumer = Consumer(self.log, Effects(self.log, clock, settings.timezone))
        self.subscription: Subscription = subscribe(
            kafka_broker(settings.kafka, NAME),
            topics,
            group=f"custlog-{NAME}",
            handle=self.consumer.handle,
            resume=self.consumer.resume,
        )
        self.relay: Relay | None = None
        work = api.Operations(self.consumer.redrive, self.consumer.parked, self.timers.fire_due, self.timers.wake)
        self.app: FastAPI = create_app(
            settings,
            Verifier.from_file(_given(settings.jwks_file), settings.token_issuer, settings.token_audience),
            [
                api.reminders(Application(self.log, clock, settings.timezone)),
                api.operations(work, clock if isinstance(clock, TestClock) else None),
            ],
            self.readiness,
            self.running,
        )

    async def readiness(self) -> Readiness:
        """What /health/ready tells."""
        return await Health(self.log, self.timers, self.subscription, self.consumer.parked, self._relay_status)()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Tasks]:
        """Connects to PostgreSQL and the keyring; Kafka may come later, commands are taken without it."""
        await asyncio.to_thread(self._open)
        self.relay = Relay(
            self.log,
            postgres_url=self.settings.postgres_url,
            bootstrap=self.settings.kafka,
            topic=self.own_topic,
            partitions=self.settings.partitions,
        )
        self.log.when_committed(self.relay.wake_threadsafe)
        try:
            yield {
                "kafka": self._follow,
                "timers": self.timers.run,
                "deliveries": self.deliveries.run,
            }
        finally:
            await asyncio.to_thread(self._close)

    def _open(self) -> None:
        self.spool.prepare()
        self.keyring.open()
        self.log.open()
        with self.log.transaction() as tx:
            tx.cursor.execute(INBOX_DDL)
            store.create(tx.cursor)

    def _close(self) -> None:
        self.log.close()
        self.keyring.close()

    async def _follow(self) -> None:
        """Publishes the log and follows the other topics, once there is a broker with its topics."""
        await ensure_topics(
            self.settings.kafka,
            (*self.topics, self.own_topic),
            partitions=self.settings.partitions,
            replication=self.settings.replication,
        )
        relay = self.relay
        if relay is None:
            raise AssertionError("the service was not opened")
        publishing = asyncio.create_task(relay.run(), name="relay")
        try:
            await self._subscribe()
            # Returns only for a record that cannot be published; readiness tells it, commands go on.
            await publishing
            await asyncio.Event().wait()
        finally:
            await self.subscription.stop()
            await relay.stop()
            with contextlib.suppress(asyncio.CancelledError):
                await publishing

    async def _subscribe(self) -> None:
        delay = 0.2
        while True:
            try:
                return await self.subscription.start()
            except (KafkaError, OSError) as error:
                log.get_logger(__name__).warning("waiting for kafka", error=type(error).__name__, retry_in=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)

    def _relay_status(self) -> RelayStatus:
        return RelayStatus() if self.relay is None else self.relay.status()


def _given(path: Path | None) -> Path:
    if path is None:
        raise SettingsError("a file or folder of the settings is missing; load() names it")
    return path


def main() -> None:
    """Runs the service until it is told to stop. Exits with 2 and a sentence if its settings are wrong."""
    try:
        settings = load(NAME)
        log.configure(NAME, settings.log_level)
        service = Service(settings)
    except (SettingsError, ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    serve(service.app, settings)


if __name__ == "__main__":
    main()
