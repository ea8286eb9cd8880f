"""The projections process: folds the three topics into the views, answers queries, rebuilds views."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial

from fastapi import FastAPI
from pymongo.errors import PyMongoError

from services.projections import api
from services.projections.application import NAME, Application
from services.projections.consumer import TOPICS, Consumer
from services.projections.past import Past
from services.projections.rebuild import Rebuild
from services.projections.reconstruction import Reconstruction
from services.projections.store import Store
from services.projections.streams import Topics
from services.projections.views import VIEWS
from shared.access.recording import NAME as ACCESS
from shared.access.recording import TOPIC as ACCESS_TOPIC
from shared.access.recording import Recording
from shared.access.tokens import Verifier
from shared.audit.sequencer import Sequencer
from shared.following import follow
from shared.http import Tasks, create_app
from shared.interruption import contained
from shared.log import get_logger
from shared.mongo import Driver, connect
from shared.parking import parking
from shared.privacy.keyring import KeyEncryptionKeys, Keyring
from shared.process import (
    admission_of,
    authenticator_of,
    given,
    indexing,
    keep_erased,
    relay_of,
    run,
    sequencer_of,
    signing,
    stream,
)
from shared.readiness import Auditing, Consuming, Health, Publishing, answering, keyring
from shared.relay import Relay
from shared.settings import Settings
from shared.subscription import kafka_broker, subscribe
from shared.topics import ensure_topics

BATCH_RECORDS = 8000
"""A customer's events of all topics that fall into one batch cost one write of each view: large batches halve the
work per record when there is a backlog, and make no difference when there is none."""


class Service:
    """What runs in this process, wired from its settings."""

    def __init__(
        self,
        settings: Settings,
        *,
        topics: Mapping[str, str] = TOPICS,
        access_topic: str = ACCESS_TOPIC,
        driver: Driver = "motor",
    ) -> None:
        self._settings = settings
        self._topics = topics
        self.keyring = Keyring(settings.keyring_url, KeyEncryptionKeys.read(given(settings.kek_file)))
        self.access = Recording(settings, self.keyring)
        self._access_topic = access_topic
        self._relay: Relay | None = None
        self._sequencer: Sequencer | None = None
        name = f"custlog-{NAME}-{settings.instance}" if settings.instance else ""
        self.mongo = connect(settings.mongo_url, driver, name=name)
        self.store = Store(self.mongo, settings.mongo_database, VIEWS, topics, settings.partitions)
        self.application = Application(self.store, self.keyring, topics)
        self.consumer = Consumer(self.application)
        self.subscription = self.consumer.subscription = subscribe(
            kafka_broker(settings.kafka, NAME),
            list(topics),
            group=f"custlog-{NAME}",
            handle=self.consumer.handle,
            resume=self.consumer.resume,
            admission=admission_of(settings),
            max_records=BATCH_RECORDS,
            instance=settings.instance,
        )
        everything = Topics(settings.kafka, list(topics), settings.partitions, authenticator_of(settings))
        self.rebuild = Rebuild(self.application, everything)
        self.reconstruction = Reconstruction(self.application, everything)
        log = self.access.log
        past, policies = Past(self.store, self.keyring), api.Policies(self.store)
        self.readiness = Health(
            {"mongo": answering(self.mongo.ping), "keyring": keyring(self.keyring), **self.access.questions()},
            consuming=Consuming(NAME, self.subscription),
            publishing=Publishing(ACCESS, access_topic, log.newest, lambda: self._relay) if log else None,
            auditing=Auditing(log.newest, lambda: self._sequencer) if log and settings.audit_keys else None,
            parked=self.application.parked,
        )
        self.app: FastAPI = create_app(
            settings,
            Verifier.from_file(given(settings.jwks_file), settings.token_issuer, settings.token_audience),
            [
                api.customers(self.store, self.keyring, self.access.journal, policies),
                api.policies(policies, past),
                api.directory(self.store, self.access.journal, policies),
                api.agenda(self.store, self.keyring, self.access.journal),
                api.views(past, self.reconstruction, self.keyring, self.access.journal, policies),
                api.erasures(self.store),
                parking(self.application.parked, self.application.redrive),
                api.operations(self.application, self.rebuild),
            ],
            self.readiness,
            self.running,
            journal=self.access.journal,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Tasks]:
        """Connects to the keyring and the access log; MongoDB and Kafka may come later, readiness tells."""
        await asyncio.to_thread(self.keyring.open)
        await asyncio.to_thread(keep_erased, self.keyring, self._settings)
        await asyncio.to_thread(self.access.open)
        try:
            yield {
                "consumer": self._follow,
                "watch": self.consumer.watch,
                "scratch": self.reconstruction.keep_tidy,
                **self.access.tasks(),
                **self._publishing_access(),
            }
        finally:
            await self.reconstruction.stop()
            await self.mongo.close()
            await self.access.close()
            await asyncio.to_thread(self.keyring.close)

    def _publishing_access(self) -> Tasks:
        """What publishes, signs and indexes the access log: all services write it, and this one has no other log."""
        log = self.access.log
        if log is None:
            return {}
        settings = self._settings.model_copy(update={"postgres_url": self._settings.access_url})
        self._relay = relay_of(log, settings, self._access_topic)
        self._sequencer = sequencer_of(log, settings, self.access.alarm(ACCESS))
        return {
            "relay": partial(stream, settings, [self._access_topic], relay=self._relay),
            **signing(self._sequencer),
            **indexing(ACCESS, settings.postgres_url),
        }

    async def _follow(self) -> None:
        settings = self._settings
        await ensure_topics(
            settings.kafka, list(self._topics), partitions=settings.partitions, replication=settings.replication
        )
        await self._end_predecessor()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(contained(follow(self.subscription)))
                group.create_task(contained(self.rebuild.keep_current()))
        finally:
            await self.subscription.stop()
            await self.rebuild.stop()

    async def _end_predecessor(self) -> None:
        with suppress(PyMongoError):  # a MongoDB that is away keeps no transactions
            if ended := await self.mongo.end_predecessor():
                get_logger(__name__).warning("ended transactions of an earlier process", sessions=ended)


def main() -> None:
    """Runs the service until it is told to stop."""
    run(NAME, lambda settings: Service(settings).app)


if __name__ == "__main__":
    main()
