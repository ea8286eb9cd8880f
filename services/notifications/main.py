"""The notifications service: everything is made here, and passed on as arguments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from services.notifications import api, store
from services.notifications.application import Application
from services.notifications.channels.spool import Spool
from services.notifications.consumer import NAME, make_consumer
from services.notifications.deliveries import Deliveries
from services.notifications.effects import Effects
from services.notifications.timers import Timers
from shared.access.recording import Recording
from shared.access.tokens import Verifier
from shared.audit.sequencer import Sequencer
from shared.clock import SystemClock, TestClock, make_clock
from shared.eventlog.log import Log
from shared.http import Tasks, create_app
from shared.inbox import INBOX_DDL
from shared.parking import parking
from shared.privacy.keyring import KeyEncryptionKeys, Keyring
from shared.process import admission_of, given, indexing, keep_erased, relay_of, run, sequencer_of, signing, stream
from shared.readiness import Auditing, Consuming, Health, Publishing, answering, keyring
from shared.relay import Relay
from shared.settings import Settings
from shared.subscription import Subscription, kafka_broker, subscribe

TOPICS = ("customer.events", "identity.events")
OWN_TOPIC = "notifications.events"


class Service:
    """One process of this service, wired but not running."""

    def __init__(self, settings: Settings, *, topics: tuple[str, ...] = TOPICS, own_topic: str = OWN_TOPIC) -> None:
        self.settings = settings
        self.topics = topics
        self.own_topic = own_topic
        clock = make_clock(settings.clock)
        self.keyring = Keyring(settings.keyring_url, KeyEncryptionKeys.read(given(settings.kek_file)))
        self.log = Log(NAME, settings.postgres_url, self.keyring, SystemClock())
        self.access = Recording(settings, self.keyring)
        self.spool = Spool(given(settings.spool))
        needing = frozenset(settings.consent_purposes.split(","))
        self.deliveries = Deliveries(self.log, clock, {self.spool.name: self.spool}, needing_consent=needing)
        self.timers = Timers(
            self.log,
            clock,
            channel=self.spool.name,
            when_queued=self.deliveries.wake,
            needing_consent=needing,
        )
        self.consumer = make_consumer(self.log, Effects(clock, settings.timezone))
        self.subscription: Subscription = subscribe(
            kafka_broker(settings.kafka, NAME),
            topics,
            group=f"custlog-{NAME}",
            handle=self.consumer.handle,
            resume=self.consumer.resume,
            confirm=self.consumer.confirm,
            admission=admission_of(settings),
            instance=settings.instance,
        )
        self.relay: Relay | None = None
        self.sequencer: Sequencer | None = None
        self.readiness = Health(
            {
                "postgres": answering(self.log.newest),
                "keyring": keyring(self.keyring),
                "timers": self.timers.punctual,
                **self.access.questions(),
            },
            consuming=Consuming(NAME, self.subscription),
            publishing=Publishing(NAME, own_topic, self.log.newest, lambda: self.relay),
            auditing=Auditing(self.log.newest, lambda: self.sequencer) if settings.audit_keys else None,
            parked=self.consumer.parked,
        )
        routers = [
            api.reminders(Application(self.log, clock, settings.timezone), self.access.journal),
            parking(self.consumer.parked, self.consumer.redrive),
        ]
        if isinstance(clock, TestClock):
            routers.append(api.time_travel(api.TimeTravel(clock, self.timers.fire_due, self.timers.wake)))
        self.app: FastAPI = create_app(
            settings,
            Verifier.from_file(given(settings.jwks_file), settings.token_issuer, settings.token_audience),
            routers,
            self.readiness,
            self.running,
            journal=self.access.journal,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Tasks]:
        """Connects to PostgreSQL and the keyring; Kafka may come later, commands are taken without it."""
        await asyncio.to_thread(self._open)
        self.relay = relay_of(self.log, self.settings, self.own_topic)
        self.sequencer = sequencer_of(self.log, self.settings, self.access.alarm(NAME))
        topics = (*self.topics, self.own_topic)
        try:
            yield {
                "kafka": partial(stream, self.settings, topics, relay=self.relay, subscription=self.subscription),
                "timers": self.timers.run,
                "deliveries": self.deliveries.run,
                **signing(self.sequencer),
                **indexing(NAME, self.settings.postgres_url),
                **self.access.tasks(),
            }
        finally:
            await self.access.close()
            await asyncio.to_thread(self._close)

    def _open(self) -> None:
        self.spool.prepare()
        self.keyring.open()
        keep_erased(self.keyring, self.settings)
        self.log.open()
        self.access.open()
        with self.log.transaction() as tx:
            tx.cursor.execute(INBOX_DDL)
            store.create(tx.cursor)

    def _close(self) -> None:
        self.log.close()
        self.keyring.close()


def main() -> None:
    """Runs the service until it is told to stop."""
    run(NAME, lambda settings: Service(settings).app)


if __name__ == "__main__":
    main()
